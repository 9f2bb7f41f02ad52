"""Completions of the test problems: one job a family and seed draws for all of its models.

needs:  results/{scale}/prepared/{family}/seed{seed}/test.jsonl, the warm-up's and branches' model/
        validation.jsonl beside it, where the family is sampled at other temperatures too
        results/{scale}/models/{checkpoint}.json, where the family starts from a checkpoint
makes:  results/{scale}/samples/{family}/seed{seed}.parquet
keeps:  results/{scale}/samples/{family}/seed{seed}.store/    finished blocks, for reruns

Where a family's sampling has shards, as many jobs draw a share of the problems each, into the
store, and the job that makes the samples only puts them together.
makes:  results/{scale}/samples/{family}/seed{seed}.shards/{shard}.json

Where a family has temperatures, another job a seed draws at each of them, fewer samples of some
validation and test problems.
makes:  results/{scale}/samples/{family}/seed{seed}.temperatures.parquet
"""


rule sample:
    input:
        problems="results/{scale}/prepared/{family}/seed{seed}/test.jsonl",
        warmup="results/{scale}/warmup/{family}/seed{seed}/model",
        branches=sampled_branches,
        fetched=fetched,
        shards=shards,
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
        gpu=lambda w: 0 if shards(w) else gpus(w),
        mem_mb=lambda w: 4_000 if shards(w) else memory_mb(w),
    params:
        settings=lambda w: fingerprints.sampling_fingerprint(experiment(w), engine(w)),
        engine=engine,
        models=sampled_models,
    shell:
        "python -m compute_aligned sample --scale {wildcards.scale} --family {wildcards.family}"
        " --seed {wildcards.seed} --engine {params.engine} --problems {input.problems}"
        " {params.models} --out {output} {input.fetched}"
        f"{DEVICE} &> {{log}}"


rule sample_shard:
    input:
        problems="results/{scale}/prepared/{family}/seed{seed}/test.jsonl",
        warmup="results/{scale}/warmup/{family}/seed{seed}/model",
        branches=sampled_branches,
        fetched=fetched,
    output:
        "results/{scale}/samples/{family}/seed{seed}.shards/{shard}.json",
    log:
        "results/{scale}/logs/sample_shard/{family}/seed{seed}/{shard}.log",
    benchmark:
        "results/{scale}/benchmarks/sample_shard/{family}/seed{seed}.shards/{shard}.tsv"
    conda:
        f"../../envs/sample{FORM}.yaml"
    threads: 1
    resources:
        gpu=gpus,
        mem_mb=memory_mb,
    params:
        settings=lambda w: fingerprints.sampling_fingerprint(experiment(w), engine(w)),
        engine=engine,
        models=sampled_models,
        shards=num_shards,
        store="results/{scale}/samples/{family}/seed{seed}.store",
    shell:
        "python -m compute_aligned sample --scale {wildcards.scale} --family {wildcards.family}"
        " --seed {wildcards.seed} --engine {params.engine} --problems {input.problems}"
        " {params.models} --shard {wildcards.shard}/{params.shards} --store {params.store}"
        " --out {output} {input.fetched}"
        f"{DEVICE} &> {{log}}"


rule sample_temperatures:
    input:
        validation="results/{scale}/prepared/{family}/seed{seed}/validation.jsonl",
        problems="results/{scale}/prepared/{family}/seed{seed}/test.jsonl",
        warmup="results/{scale}/warmup/{family}/seed{seed}/model",
        branches=sampled_branches,
        fetched=fetched,
    output:
        "results/{scale}/samples/{family}/seed{seed}.temperatures.parquet",
    log:
        "results/{scale}/logs/sample_temperatures/{family}/seed{seed}.log",
    benchmark:
        "results/{scale}/benchmarks/sample_temperatures/{family}/seed{seed}.tsv"
    conda:
        f"../../envs/sample{FORM}.yaml"
    threads: 1
    resources:
        gpu=gpus,
        mem_mb=memory_mb,
    params:
        settings=lambda w: fingerprints.sweep_fingerprint(
            experiment(w), experiment(w).sweep.engine or engine(w)
        ),
        engine=lambda w: experiment(w).sweep.engine or engine(w),
        models=sampled_models,
    shell:
        "python -m compute_aligned sample-temperatures --scale {wildcards.scale}"
        " --family {wildcards.family} --seed {wildcards.seed} --engine {params.engine}"
        " --validation {input.validation} --problems {input.problems}"
        " {params.models} --out {output} {input.fetched}"
        f"{DEVICE} &> {{log}}"
