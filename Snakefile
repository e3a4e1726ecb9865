# The one graph: fetch -> train -> watermark -> prune -> evaluate -> report. Each rule calls the stage's command with
# its parameters as ordinary options; the same command works by hand.
from snakemake.utils import min_version

min_version("9.27.0")


# The text on the first page of `snakemake --report`.
report: "workflow/report/workflow.rst"


# Used only with `--software-deployment-method apptainer`; the packages come from constraints.txt.
container: "docker://python:3.11"


include: "workflow/rules/common.smk"


rule all:
    default_target: True
    input:
        outputs_through(grid.STAGES[-1]),


include: "workflow/rules/fetch.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/watermark.smk"
include: "workflow/rules/prune.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"


onstart:
    start_build()


onsuccess:
    finish_build()
