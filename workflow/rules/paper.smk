"""The paper's tables and figures, each a row of config/paper_items.tsv.

needs:  results/{scale}/scores/{family}/seed{seed}.outcomes.parquet of every seed,
        or nothing for an analytic item, whose family is -
        results/{scale}/scores/{family}/seed{seed}.parquet too, where single samples matter
        or results/{scale}/branches/{family}/{branch}/seed{seed}/steps.parquet of every branch,
        or both
        or all three of every cell of a map, which the rule cell puts together
        config/paper_reported.csv, the paper's own numbers
makes:  results/{scale}/cells/{family}.parquet, where the scale is a map
        results/{scale}/tables/{item}.{csv,md,tex,html}
        paper_figures/{scale}/{item}.{pdf,png}

Each takes seconds, so on a cluster these run where Snakemake does.
"""


rule cell:
    input:
        outcomes=lambda w: of_every_seed(w, [w.family], "outcomes.parquet"),
        scores=lambda w: of_every_seed(w, [w.family], "parquet"),
        steps=lambda w: expand(
            "results/{scale}/branches/{family}/{branch}/seed{seed}/steps.parquet",
            scale=w.scale,
            family=w.family,
            branch=list(experiment(w).branches),
            seed=seeds(w, w.family),
        ),
    output:
        "results/{scale}/cells/{family}.parquet",
    log:
        "results/{scale}/logs/cell/{family}.log",
    benchmark:
        "results/{scale}/benchmarks/cell/{family}.tsv"
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        settings=lambda w: regimes.cell_fingerprint(read_study(w.scale), w.family),
        files=item_files,
    shell:
        "python -m compute_aligned cell --scale {wildcards.scale} --family {wildcards.family}"
        " --out {output} {params.files} {input.outcomes} &> {log}"


rule table:
    input:
        outcomes=outcomes,
        scores=scores,
        steps=steps,
        cells=cells,
        reported=f"{workflow.basedir}/config/paper_reported.csv",
    output:
        csv="results/{scale}/tables/{item}.csv",
        md="results/{scale}/tables/{item}.md",
        tex="results/{scale}/tables/{item}.tex",
        html=report(
            "results/{scale}/tables/{item}.html",
            caption="../report/item.rst",
            category="2. Tables",
            subcategory=lambda w: captions.subject(row(w)),
            labels=item_labels("Table", "HTML"),
        ),
    log:
        "results/{scale}/logs/table/{item}.log",
    benchmark:
        "results/{scale}/benchmarks/table/{item}.tsv"
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        settings=lambda w: fingerprints.item_fingerprint(read_study(w.scale), w.item),
        shows=item_caption,
        files=item_files,
    shell:
        "python -m compute_aligned table --scale {wildcards.scale} --item {wildcards.item}"
        " --csv {output.csv} --md {output.md} --tex {output.tex} --html {output.html}"
        " {params.files} {input.outcomes} &> {log}"


rule figure:
    input:
        outcomes=outcomes,
        scores=scores,
        steps=steps,
        cells=cells,
        reported=f"{workflow.basedir}/config/paper_reported.csv",
    output:
        pdf="paper_figures/{scale}/{item}.pdf",
        png=report(
            "paper_figures/{scale}/{item}.png",
            caption="../report/item.rst",
            category="3. Figures",
            subcategory=lambda w: captions.subject(row(w)),
            labels=item_labels("Figure", "PNG"),
        ),
    log:
        "results/{scale}/logs/figure/{item}.log",
    benchmark:
        "results/{scale}/benchmarks/figure/{item}.tsv"
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        settings=lambda w: fingerprints.item_fingerprint(read_study(w.scale), w.item),
        shows=item_caption,
        files=item_files,
    shell:
        "python -m compute_aligned figure --scale {wildcards.scale} --item {wildcards.item}"
        " --pdf {output.pdf} --png {output.png} {params.files} {input.outcomes} &> {log}"
