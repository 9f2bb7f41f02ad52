"""Completions of the test problems: one job a family and seed draws for all of its models.

needs:  results/{scale}/prepared/{family}/seed{seed}/test.jsonl, the warm-up's and branches' model/
makes:  results/{scale}/samples/{family}/seed{seed}.parquet
keeps:  results/{scale}/samples/{family}/seed{seed}.store/    finished blocks, for reruns
"""


rule sample:
    input:
        problems="results/{scale}/prepared/{family}/seed{seed}/test.jsonl",
        warmup="results/{scale}/warmup/{family}/seed{seed}/model",
        branches=lambda w: expand(
            "results/{scale}/branches/{family}/{branch}/seed{seed}/model",
            scale=w.scale,
            family=w.family,
            branch=study.branches_of(w.family),
            seed=w.seed,
        ),
    output:
        "results/{scale}/samples/{family}/seed{seed}.parquet",
    log:
        "results/{scale}/logs/sample/{family}/seed{seed}.log",
    benchmark:
        "results/{scale}/benchmarks/sample/{family}/seed{seed}.tsv"
    conda:
        f"../../envs/sample{FORM}.yaml"
    threads: 1
    resources:
        gpu=gpus,
        mem_mb=memory_mb,
    params:
        settings=lambda w: fingerprints.sampling_fingerprint(
            w.scale, w.family, engine(w)
        ),
        engine=engine,
        models=lambda w, input: [
            f"--model {name}={folder}"
            for name, folder in zip(
                study.models_of(w.family), [input.warmup, *input.branches]
            )
        ],
    shell:
        "python -m compute_aligned sample --scale {wildcards.scale} --family {wildcards.family}"
        " --seed {wildcards.seed} --engine {params.engine} --problems {input.problems}"
        " {params.models} --out {output} &> {log}"
