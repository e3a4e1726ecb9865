rule all_prune:
    input:
        outputs_through("prune"),


rule prune:
    input:
        receipts=receipts(grid.prune),
        code=code(grid.prune),
    output:
        "data/pruned/{dataset}/{encoder}/{seed}/{watermark}/{key}/{pruner}/{rate}/mask.pmk",
        "data/pruned/{dataset}/{encoder}/{seed}/{watermark}/{key}/{pruner}/{rate}/sparsity.json",
        "data/pruned/{dataset}/{encoder}/{seed}/{watermark}/{key}/{pruner}/{rate}/receipt.json",
    params:
        options=options(grid.prune),
    log:
        "logs/prune/{dataset}/{encoder}/{seed}/{watermark}/{key}/{pruner}/{rate}.log",
    threads: PARAMS.threads
    shell:
        logged("prunemark prune {params.options}")


rule alter:
    input:
        receipts=receipts(grid.alter),
        code=code(grid.alter),
    output:
        "data/pruned/{dataset}/{encoder}/{seed}/{watermark}/{key}/{alteration}/{strength}/encoder.safetensors",
        "data/pruned/{dataset}/{encoder}/{seed}/{watermark}/{key}/{alteration}/{strength}/receipt.json",
    params:
        options=options(grid.alter),
    log:
        "logs/alter/{dataset}/{encoder}/{seed}/{watermark}/{key}/{alteration}/{strength}.log",
    threads: PARAMS.threads
    shell:
        logged("prunemark alter {params.options}")
