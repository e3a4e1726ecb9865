rule all_watermark:
    input:
        outputs_through("watermark"),


rule watermark:
    input:
        receipts=receipts(steps.watermark),
        code=code(steps.watermark),
    output:
        "data/marked/{dataset}/{encoder}/{seed}/{watermark}/{key}/encoder.safetensors",
        "data/marked/{dataset}/{encoder}/{seed}/{watermark}/{key}/head.safetensors",
        "data/marked/{dataset}/{encoder}/{seed}/{watermark}/{key}/secret.safetensors",
        "data/marked/{dataset}/{encoder}/{seed}/{watermark}/{key}/calibration.json",
        "data/marked/{dataset}/{encoder}/{seed}/{watermark}/{key}/receipt.json",
    params:
        options=options(steps.watermark),
    log:
        "logs/watermark/{dataset}/{encoder}/{seed}/{watermark}/{key}.log",
    threads: PARAMS.threads
    shell:
        logged("prunemark watermark {params.options}")


rule check:
    input:
        receipts=receipts(steps.check),
        code=code(steps.check),
    output:
        "data/marked/{dataset}/{encoder}/{seed}/{watermark}/{key}/checks/{check}/secret.safetensors",
        "data/marked/{dataset}/{encoder}/{seed}/{watermark}/{key}/checks/{check}/calibration.json",
        "data/marked/{dataset}/{encoder}/{seed}/{watermark}/{key}/checks/{check}/receipt.json",
    params:
        options=options(steps.check),
    log:
        "logs/check/{dataset}/{encoder}/{seed}/{watermark}/{key}/{check}.log",
    threads: PARAMS.threads
    shell:
        logged("prunemark check {params.options}")
