rule all_report:
    input:
        outputs_through("report"),


rule report:
    input:
        receipts=receipts(grid.report),
        code=code(grid.report),
        claims=folders.CLAIMS,
    output:
        report(
            "data/report/results.csv",
            caption="../report/results.rst",
            category="Tables",
            labels={"file": "results.csv", "holds": "every figure, one row per cell and metric"},
        ),
        report(
            "data/report/landmarks.csv",
            caption="../report/landmarks.rst",
            category="Tables",
            labels={"file": "landmarks.csv", "holds": "where pruning begins to matter, per pruner"},
        ),
        report(
            "data/report/claims.json",
            caption="../report/claims.rst",
            category="Claims and conditions",
            labels={"file": "claims.json", "holds": "verdicts on the claims of claims.yaml"},
        ),
        report(
            "data/report/metrics.json",
            caption="../report/metrics.rst",
            category="Tables",
            labels={"file": "metrics.json", "holds": "means over seeds and keys"},
        ),
        report(
            "data/report/conditions.json",
            caption="../report/conditions.rst",
            category="Claims and conditions",
            labels={"file": "conditions.json", "holds": "hardware, versions, commits and times"},
        ),
        report(
            "data/report/report.html",
            caption="../report/page.rst",
            category="All on one page",
            labels={"file": "report.html", "holds": "tables, curves, claims and conditions"},
        ),
        report(
            "data/report/plots/curves.csv",
            caption="../report/curves.rst",
            category="Plots",
            labels={"file": "curves.csv", "holds": "accuracy and agreement against the rate"},
        ),
        report(
            "data/report/plots/confusion.csv",
            caption="../report/confusion.rst",
            category="Plots",
            labels={"file": "confusion.csv", "holds": "predictions before and after pruning"},
        ),
        "data/report/receipt.json",
    params:
        options=options(grid.report),
    log:
        "logs/report/report.log",
    threads: PARAMS.threads
    shell:
        logged("prunemark report {params.options}")
