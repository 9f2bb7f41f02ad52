"""What holds of the paper's claims: a verdict each, its contrasts with intervals, the controls.

needs:  results/{scale}/scores/{family}/seed{seed}.outcomes.parquet of every family and seed that
        config/claim_contrasts.tsv names and the scale has
        results/{scale}/scores/{family}/seed{seed}.parquet too, where single samples matter
        and seed{seed}.temperatures.parquet, where models are compared at their best temperatures
        config/paper_reported.csv, the paper's own numbers
makes:  results/{scale}/claims.{csv,md,html}, verdicts.csv
        paper_figures/{scale}/claims.{pdf,png}

It takes seconds, so on a cluster it runs where Snakemake does.
"""


rule claims:
    input:
        outcomes=lambda w: of_every_seed(
            w, claim_sheets.families_at(read_study(w.scale)), "outcomes.parquet"
        ),
        scores=lambda w: of_every_seed(
            w, claim_sheets.families_by_sample(read_study(w.scale)), "parquet"
        ),
        temperatures=lambda w: of_every_seed(
            w,
            claim_sheets.families_at_temperatures(read_study(w.scale)),
            "temperatures.parquet",
        ),
        reported=f"{workflow.basedir}/config/paper_reported.csv",
    output:
        csv="results/{scale}/claims.csv",
        verdicts="results/{scale}/verdicts.csv",
        md="results/{scale}/claims.md",
        html=report(
            "results/{scale}/claims.html",
            caption="../report/item.rst",
            category="1. Verdicts",
            labels={"Shows": "What holds of the paper's claims (table)"},
        ),
        # as PDF too, which can be enlarged in the report: there are many contrasts
        pdf=report(
            "paper_figures/{scale}/claims.pdf",
            caption="../report/item.rst",
            category="1. Verdicts",
            labels={"Shows": "Every contrast with its interval (figure, PDF)"},
        ),
        png=report(
            "paper_figures/{scale}/claims.png",
            caption="../report/item.rst",
            category="1. Verdicts",
            labels={"Shows": "Every contrast with its interval (figure, PNG)"},
        ),
    log:
        "results/{scale}/logs/claims.log",
    benchmark:
        "results/{scale}/benchmarks/claims/all.tsv"
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        settings=lambda w: claim_sheets.claims_fingerprint(read_study(w.scale)),
        shows=claims_caption,
        files=claim_files,
    shell:
        "python -m compute_aligned claims --scale {wildcards.scale} --csv {output.csv}"
        " --verdicts {output.verdicts}"
        " --md {output.md} --html {output.html} --pdf {output.pdf} --png {output.png}"
        " {params.files} &> {log}"
