"""Compute Aligned Training, from raw data to every table and figure of the paper.

snakemake --cores all                                       the scale named in config/config.yaml
snakemake --cores all --use-conda                           the same, in environments of its own
snakemake --cores all --config scale=smoke                  another scale
snakemake --cores all --config 'seeds=[0]'                  one seed instead of each family's own
snakemake --cores 1 paper_figures/laptop/figure1.pdf        one figure
snakemake --report report.html                              a finished run as one page
"""

from snakemake.utils import min_version

min_version("9.0")


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/prepare.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/sample.smk"
include: "workflow/rules/score.smk"
include: "workflow/rules/paper.smk"
include: "workflow/rules/claims.smk"
include: "workflow/rules/describe.smk"


rule all:
    default_target: True
    input:
        tables(RUN.scale),
        figures(RUN.scale),
        claims(RUN.scale),
        descriptions(RUN.scale),
