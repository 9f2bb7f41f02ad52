"""What was run, with what, and how long each step took: pages for the report of the run.

needs:  results/{scale}/scores/{family}/seed{seed}.outcomes.parquet of every family and seed, and
        seed{seed}.temperatures.parquet beside it where there are such: they are there once
        everything has run that a description is about
        the records of provenance and the benchmark files that jobs leave
makes:  results/{scale}/settings.html    the resolved configuration, the environment
        results/{scale}/timings.html     the time of each step, when all others have finished

Each takes seconds, so on a cluster these run where Snakemake does.
"""


rule describe:
    input:
        lambda w: of_every_seed(
            w, read_study(w.scale).families_shown, "outcomes.parquet"
        )
        + of_every_seed(w, read_study(w.scale).families_swept, "temperatures.parquet"),
    output:
        report(
            "results/{scale}/settings.html",
            caption="../report/settings.rst",
            category="4. This run",
            labels={"Shows": "Configuration and environment"},
        ),
    log:
        "results/{scale}/logs/describe.log",
    benchmark:
        "results/{scale}/benchmarks/describe/all.tsv"
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        settings=lambda w: fingerprints.description_fingerprint(
            RUN, read_study(w.scale)
        ),
        run=run_options("seeds", "engine"),
    shell:
        "python -m compute_aligned describe --scale {wildcards.scale} --html {output}"
        " {params.run} &> {log}"


rule timings:
    input:
        lambda w: tables(w.scale) + figures(w.scale) + claims(w.scale),
        "results/{scale}/settings.html",
    output:
        report(
            "results/{scale}/timings.html",
            caption="../report/timings.rst",
            category="4. This run",
            labels={"Shows": "The time each step took"},
        ),
    log:
        "results/{scale}/logs/timings.log",
    benchmark:
        "results/{scale}/benchmarks/timings/all.tsv"
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        run=run_options("seeds"),
    shell:
        "python -m compute_aligned timings --scale {wildcards.scale} --html {output}"
        " {params.run} &> {log}"


# --- the terminal: what a run shows there in place of Snakemake's own output ---

# None in the processes that Snakemake starts for jobs, and where the user asks for its own output
SCREEN = (
    screen.attach(logger, workflow.output_settings)
    if workflow.is_main_process
    else None
)


onstart:
    if SCREEN and not workflow.touch:
        SCREEN.start(
            RUN,
            {
                str(job.benchmark): job.rule.name
                for job in workflow.dag.needrun_jobs()
                if job.benchmark
            },
            workflow.cores if workflow.local_exec else None,
        )


onsuccess:
    if SCREEN:
        SCREEN.succeed()


onerror:
    if SCREEN:
        SCREEN.fail()
