rule all_fetch:
    input:
        outputs_through("fetch"),


rule fetch:
    input:
        receipts=receipts(grid.fetch),
        code=code(grid.fetch),
    output:
        "data/raw/{dataset}/images.safetensors",
        "data/raw/{dataset}/dataset.json",
        "data/raw/{dataset}/receipt.json",
    params:
        options=options(grid.fetch),
    log:
        "logs/fetch/{dataset}.log",
    threads: PARAMS.threads
    shell:
        logged("prunemark fetch {params.options}")
