rule all_report:
    input:
        outputs_through("report"),


rule report:
    input:
        receipts=receipts(grid.report),
        code=code(grid.report),
        claims=layout.CLAIMS,
    output:
        "data/report/results.csv",
        "data/report/landmarks.csv",
        "data/report/claims.json",
        "data/report/metrics.json",
        "data/report/conditions.json",
        "data/report/report.html",
        "data/report/plots/curves.csv",
        "data/report/plots/confusion.csv",
        "data/report/receipt.json",
    params:
        options=options(grid.report),
    log:
        "logs/report/report.log",
    threads: PARAMS.threads
    shell:
        logged("prunemark report {params.options}")
