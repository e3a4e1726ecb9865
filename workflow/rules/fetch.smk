rule all_fetch:
    input:
        outputs_through("fetch"),


rule fetch:
    input:
        receipts=receipts(steps.fetch),
        code=code(steps.fetch),
    output:
        "data/raw/{dataset}/images.safetensors",
        "data/raw/{dataset}/dataset.json",
        "data/raw/{dataset}/receipt.json",
    params:
        options=options(steps.fetch),
    log:
        "logs/fetch/{dataset}.log",
    threads: PARAMS.threads
    shell:
        logged("prunemark fetch {params.options}")
