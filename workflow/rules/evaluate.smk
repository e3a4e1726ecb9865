rule all_evaluate:
    input:
        outputs_through("evaluate"),


rule evaluate_original:
    input:
        receipts=receipts(steps.evaluate_original),
        code=code(steps.evaluate_original),
    output:
        "data/scores/{dataset}/{encoder}/{seed}/{watermark}/{key}/original/0/{probe}/features.safetensors",
        "data/scores/{dataset}/{encoder}/{seed}/{watermark}/{key}/original/0/{probe}/head.safetensors",
        "data/scores/{dataset}/{encoder}/{seed}/{watermark}/{key}/original/0/{probe}/samples.npz",
        "data/scores/{dataset}/{encoder}/{seed}/{watermark}/{key}/original/0/{probe}/scores.json",
        "data/scores/{dataset}/{encoder}/{seed}/{watermark}/{key}/original/0/{probe}/receipt.json",
    params:
        options=options(steps.evaluate_original),
    log:
        "logs/evaluate_original/{dataset}/{encoder}/{seed}/{watermark}/{key}/{probe}.log",
    threads: PARAMS.threads
    shell:
        logged("prunemark evaluate {params.options}")


rule evaluate:
    input:
        receipts=receipts(steps.evaluate),
        code=code(steps.evaluate),
    output:
        "data/scores/{dataset}/{encoder}/{seed}/{watermark}/{key}/{way}/{degree}/{probe}/samples.npz",
        "data/scores/{dataset}/{encoder}/{seed}/{watermark}/{key}/{way}/{degree}/{probe}/scores.json",
        "data/scores/{dataset}/{encoder}/{seed}/{watermark}/{key}/{way}/{degree}/{probe}/receipt.json",
    params:
        options=options(steps.evaluate),
    log:
        "logs/evaluate/{dataset}/{encoder}/{seed}/{watermark}/{key}/{way}/{degree}/{probe}.log",
    threads: PARAMS.threads
    shell:
        logged("prunemark evaluate {params.options}")


rule control:
    input:
        receipts=receipts(steps.control),
        code=code(steps.control),
    output:
        "data/scores/{dataset}/{encoder}/{seed}/{control}/0/original/0/{probe}/samples.npz",
        "data/scores/{dataset}/{encoder}/{seed}/{control}/0/original/0/{probe}/scores.json",
        "data/scores/{dataset}/{encoder}/{seed}/{control}/0/original/0/{probe}/receipt.json",
    params:
        options=options(steps.control),
    log:
        "logs/control/{dataset}/{encoder}/{seed}/{control}/{probe}.log",
    threads: PARAMS.threads
    shell:
        logged("prunemark control {params.options}")


# Alone on the machine, or times mean nothing: as many threads as there may be cores.
rule latency:
    input:
        receipts=receipts(steps.latency),
        code=code(steps.latency),
    output:
        "data/scores/{dataset}/{encoder}/latency/{timed}/receipt.json",
    params:
        options=options(steps.latency),
    log:
        "logs/latency/{dataset}/{encoder}/{timed}.log",
    threads: 1024
    shell:
        logged("prunemark latency {params.options}")
