rule all_prune:
    input:
        outputs_through("prune"),


rule prune:
    input:
        receipts=receipts(steps.prune),
        code=code(steps.prune),
    output:
        "data/pruned/{dataset}/{encoder}/{seed}/{watermark}/{key}/{pruner}/{rate}/mask.pmk",
        "data/pruned/{dataset}/{encoder}/{seed}/{watermark}/{key}/{pruner}/{rate}/sparsity.json",
        "data/pruned/{dataset}/{encoder}/{seed}/{watermark}/{key}/{pruner}/{rate}/receipt.json",
    params:
        options=options(steps.prune),
    log:
        "logs/prune/{dataset}/{encoder}/{seed}/{watermark}/{key}/{pruner}/{rate}.log",
    threads: PARAMS.threads
    shell:
        logged("prunemark prune {params.options}")


rule prune_and_recover:
    input:
        receipts=receipts(steps.prune),
        code=code(steps.prune),
    output:
        "data/pruned/{dataset}/{encoder}/{seed}/{watermark}/{key}/{recovered}/{rate}/mask.pmk",
        "data/pruned/{dataset}/{encoder}/{seed}/{watermark}/{key}/{recovered}/{rate}/recovered.safetensors",
        "data/pruned/{dataset}/{encoder}/{seed}/{watermark}/{key}/{recovered}/{rate}/sparsity.json",
        "data/pruned/{dataset}/{encoder}/{seed}/{watermark}/{key}/{recovered}/{rate}/receipt.json",
    params:
        options=options(steps.prune),
    log:
        "logs/prune_and_recover/{dataset}/{encoder}/{seed}/{watermark}/{key}/{recovered}/{rate}.log",
    threads: PARAMS.threads
    shell:
        logged("prunemark prune {params.options}")


rule shrink:
    input:
        receipts=receipts(steps.prune),
        code=code(steps.prune),
    output:
        "data/pruned/{dataset}/{encoder}/{seed}/{watermark}/{key}/{structured}/{rate}/encoder.safetensors",
        "data/pruned/{dataset}/{encoder}/{seed}/{watermark}/{key}/{structured}/{rate}/mask.pmk",
        "data/pruned/{dataset}/{encoder}/{seed}/{watermark}/{key}/{structured}/{rate}/sparsity.json",
        "data/pruned/{dataset}/{encoder}/{seed}/{watermark}/{key}/{structured}/{rate}/receipt.json",
    params:
        options=options(steps.prune),
    log:
        "logs/shrink/{dataset}/{encoder}/{seed}/{watermark}/{key}/{structured}/{rate}.log",
    threads: PARAMS.threads
    shell:
        logged("prunemark shrink {params.options}")


rule alter:
    input:
        receipts=receipts(steps.alter),
        code=code(steps.alter),
    output:
        "data/pruned/{dataset}/{encoder}/{seed}/{watermark}/{key}/{alteration}/{strength}/encoder.safetensors",
        "data/pruned/{dataset}/{encoder}/{seed}/{watermark}/{key}/{alteration}/{strength}/receipt.json",
    params:
        options=options(steps.alter),
    log:
        "logs/alter/{dataset}/{encoder}/{seed}/{watermark}/{key}/{alteration}/{strength}.log",
    threads: PARAMS.threads
    shell:
        logged("prunemark alter {params.options}")
