"""The warm-up of every family and seed, and the branches trained from it.

The row of a branch decides which of two rules trains it, and from which model. At a scale with
train_together the job of the warm-up trains them all, and theirs only put them in place.

needs:  results/{scale}/prepared/{family}/seed{seed}/{train,rl}.jsonl
        model/ of the branch that a branch starts from, where that is not the warm-up
        results/{scale}/models/{checkpoint}.json, where the family starts from a checkpoint
makes:  results/{scale}/warmup/{family}/seed{seed}/            model/, steps.parquet
        results/{scale}/branches/{family}/{branch}/seed{seed}/ model/, steps.parquet
"""


rule train_warmup:
    input:
        problems="results/{scale}/prepared/{family}/seed{seed}/train.jsonl",
        rl_problems=rl_problems,
        fetched=fetched,
    output:
        model=directory("results/{scale}/warmup/{family}/seed{seed}/model"),
        steps="results/{scale}/warmup/{family}/seed{seed}/steps.parquet",
    log:
        "results/{scale}/logs/train_warmup/{family}/seed{seed}.log",
    benchmark:
        "results/{scale}/benchmarks/train_warmup/{family}/seed{seed}.tsv"
    conda:
        f"../../envs/train{FORM}.yaml"
    threads: 1
    resources:
        gpu=gpus,
        mem_mb=memory_mb,
    params:
        settings=lambda w: fingerprints.training_fingerprint(experiment(w), WARMUP),
    shell:
        "python -m compute_aligned train --scale {wildcards.scale} --family {wildcards.family}"
        " --branch warmup --seed {wildcards.seed} --problems {input.problems}"
        " --model {output.model} --steps {output.steps}"
        " --rl-problems results/{wildcards.scale}/prepared/{wildcards.family}/seed{wildcards.seed}/rl.jsonl"
        " --ahead 'results/{wildcards.scale}/branches/{wildcards.family}/*/seed{wildcards.seed}'"
        f" {{input.fetched}}{DEVICE} &> {{log}}"


rule train_sft:
    input:
        problems="results/{scale}/prepared/{family}/seed{seed}/train.jsonl",
        start=start_model,
        fetched=fetched,
    output:
        model=directory("results/{scale}/branches/{family}/{branch}/seed{seed}/model"),
        steps="results/{scale}/branches/{family}/{branch}/seed{seed}/steps.parquet",
    log:
        "results/{scale}/logs/train_sft/{family}/{branch}/seed{seed}.log",
    benchmark:
        "results/{scale}/benchmarks/train_sft/{family}/{branch}/seed{seed}.tsv"
    wildcard_constraints:
        family=trained_by("sft"),
    conda:
        f"../../envs/train{FORM}.yaml"
    threads: 1
    resources:
        gpu=gpus,
        mem_mb=memory_mb,
    params:
        settings=lambda w: fingerprints.training_fingerprint(experiment(w), w.branch),
    shell:
        "python -m compute_aligned train --scale {wildcards.scale} --family {wildcards.family}"
        " --branch {wildcards.branch} --seed {wildcards.seed} --problems {input.problems}"
        " --start {input.start} --model {output.model} --steps {output.steps} {input.fetched}"
        f"{DEVICE} &> {{log}}"


rule train_rl:
    input:
        problems="results/{scale}/prepared/{family}/seed{seed}/rl.jsonl",
        start=start_model,
        fetched=fetched,
    output:
        model=directory("results/{scale}/branches/{family}/{branch}/seed{seed}/model"),
        steps="results/{scale}/branches/{family}/{branch}/seed{seed}/steps.parquet",
    log:
        "results/{scale}/logs/train_rl/{family}/{branch}/seed{seed}.log",
    benchmark:
        "results/{scale}/benchmarks/train_rl/{family}/{branch}/seed{seed}.tsv"
    wildcard_constraints:
        family=trained_by("rl"),
    conda:
        f"../../envs/train{FORM}.yaml"
    threads: 1
    resources:
        gpu=gpus,
        mem_mb=memory_mb,
    params:
        settings=lambda w: fingerprints.training_fingerprint(experiment(w), w.branch),
    shell:
        "python -m compute_aligned train --scale {wildcards.scale} --family {wildcards.family}"
        " --branch {wildcards.branch} --seed {wildcards.seed} --problems {input.problems}"
        " --start {input.start} --model {output.model} --steps {output.steps} {input.fetched}"
        f"{DEVICE} &> {{log}}"
