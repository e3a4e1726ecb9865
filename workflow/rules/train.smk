rule all_train:
    input:
        outputs_through("train"),


rule train:
    input:
        receipts=receipts(grid.train),
        code=code(grid.train),
    output:
        "data/encoders/{dataset}/{encoder}/{seed}/encoder.safetensors",
        "data/encoders/{dataset}/{encoder}/{seed}/objective.safetensors",
        "data/encoders/{dataset}/{encoder}/{seed}/training.json",
        "data/encoders/{dataset}/{encoder}/{seed}/receipt.json",
    params:
        options=options(grid.train),
    log:
        "logs/train/{dataset}/{encoder}/{seed}.log",
    threads: PARAMS.threads
    shell:
        "prunemark train {params.options} 2>&1 | tee {log}"
