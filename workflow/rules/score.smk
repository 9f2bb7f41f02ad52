"""What each problem's samples amount to: votes, correctness, and every metric at every budget.

needs:  results/{scale}/samples/{family}/seed{seed}.parquet, the test problems with their answers
makes:  results/{scale}/scores/{family}/seed{seed}.parquet            one row a branch and problem
        results/{scale}/scores/{family}/seed{seed}.outcomes.parquet   one more for metric and k

Where a family was sampled at other temperatures, of validation and test problems:
needs:  results/{scale}/samples/{family}/seed{seed}.temperatures.parquet
makes:  results/{scale}/scores/{family}/seed{seed}.temperatures.parquet
"""


rule score:
    input:
        samples="results/{scale}/samples/{family}/seed{seed}.parquet",
        problems="results/{scale}/prepared/{family}/seed{seed}/test.jsonl",
    output:
        scores="results/{scale}/scores/{family}/seed{seed}.parquet",
        outcomes="results/{scale}/scores/{family}/seed{seed}.outcomes.parquet",
    log:
        "results/{scale}/logs/score/{family}/seed{seed}.log",
    benchmark:
        "results/{scale}/benchmarks/score/{family}/seed{seed}.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        settings=lambda w: fingerprints.scoring_fingerprint(experiment(w)),
    shell:
        "python -m compute_aligned score --scale {wildcards.scale} --family {wildcards.family}"
        " --samples {input.samples} --problems {input.problems}"
        " --scores {output.scores} --outcomes {output.outcomes} &> {log}"


rule score_temperatures:
    input:
        samples="results/{scale}/samples/{family}/seed{seed}.temperatures.parquet",
        validation="results/{scale}/prepared/{family}/seed{seed}/validation.jsonl",
        problems="results/{scale}/prepared/{family}/seed{seed}/test.jsonl",
    output:
        "results/{scale}/scores/{family}/seed{seed}.temperatures.parquet",
    log:
        "results/{scale}/logs/score_temperatures/{family}/seed{seed}.log",
    benchmark:
        "results/{scale}/benchmarks/score_temperatures/{family}/seed{seed}.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        settings=lambda w: fingerprints.sweep_scoring_fingerprint(experiment(w)),
    shell:
        "python -m compute_aligned score-temperatures --scale {wildcards.scale}"
        " --family {wildcards.family} --samples {input.samples}"
        " --validation {input.validation} --problems {input.problems}"
        " --outcomes {output} &> {log}"
