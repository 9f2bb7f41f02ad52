"""Raw problems, the checkpoints that families start from, and the splits of every family and seed.

needs:  config/scales/{scale}.yaml (sources, families), and a source's local file if it has one
makes:  results/{scale}/raw/{source}.jsonl
        results/{scale}/models/{checkpoint}.json    which revision it is; its files are in the Hub's
                                                    cache, or beside this if a package brings them
        results/{scale}/prepared/{family}/seed{seed}/{train,rl,validation,test}.jsonl

On a cluster these run where Snakemake does: nodes that compute may have no internet.
"""


rule fetch:
    input:
        lambda w: local_files(read_study(w.scale).source(w.source)),
    output:
        "results/{scale}/raw/{source}.jsonl",
    log:
        "results/{scale}/logs/fetch/{source}.log",
    benchmark:
        "results/{scale}/benchmarks/fetch/{source}.tsv"
    localrule: True
    conda:
        f"../../envs/train{FORM}.yaml"
    params:
        settings=lambda w: fingerprints.fingerprint(
            read_study(w.scale).source(w.source)
        ),
    shell:
        "python -m compute_aligned fetch --scale {wildcards.scale} --source {wildcards.source}"
        " --out {output} &> {log}"


rule fetch_model:
    output:
        "results/{scale}/models/{checkpoint}.json",
    log:
        "results/{scale}/logs/fetch_model/{checkpoint}.log",
    benchmark:
        "results/{scale}/benchmarks/fetch_model/{checkpoint}.tsv"
    localrule: True
    conda:
        f"../../envs/train{FORM}.yaml"
    shell:
        "python -m compute_aligned fetch-model --scale {wildcards.scale}"
        " --checkpoint {wildcards.checkpoint} --out {output} &> {log}"


rule prepare:
    input:
        raw=lambda w: f"results/{w.scale}/raw/{experiment(w).settings.problems.source}.jsonl",
    output:
        expand(
            "results/{{scale}}/prepared/{{family}}/seed{{seed}}/{split}.jsonl",
            split=["train", "rl", "validation", "test"],
        ),
    log:
        "results/{scale}/logs/prepare/{family}/seed{seed}.log",
    benchmark:
        "results/{scale}/benchmarks/prepare/{family}/seed{seed}.tsv"
    localrule: True
    conda:
        f"../../envs/train{FORM}.yaml"
    params:
        settings=lambda w: fingerprints.fingerprint(experiment(w).settings.problems),
        folder=lambda w, output: Path(output[0]).parent,
    shell:
        "python -m compute_aligned prepare --scale {wildcards.scale} --family {wildcards.family}"
        " --seed {wildcards.seed} --raw {input.raw} --out {params.folder} &> {log}"
