rule all_train:
    input:
        outputs_through("train"),


rule train:
    input:
        receipts=receipts(steps.train),
        code=code(steps.train),
    output:
        "data/encoders/{dataset}/{encoder}/{seed}/encoder.safetensors",
        "data/encoders/{dataset}/{encoder}/{seed}/objective.safetensors",
        "data/encoders/{dataset}/{encoder}/{seed}/training.json",
        "data/encoders/{dataset}/{encoder}/{seed}/receipt.json",
    params:
        options=options(steps.train),
    log:
        "logs/train/{dataset}/{encoder}/{seed}.log",
    threads: PARAMS.threads
    shell:
        "prunemark train {params.options} 2>&1 | tee {log}"
