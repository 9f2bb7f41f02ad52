"""How fast a machine is: the constants that turn what a scale's jobs do into time and memory.

They are measured on one machine and stand in the scale's file; :mod:`compute_aligned.runs.cost`
uses them. No result depends on them.
"""

from compute_aligned.configuration.fields import NotNegative, Positive, Settings


class JobStart(Settings):
    """What every job of a kind takes before its work: Python, imports, an engine.

    ``gigabytes`` is memory of the device that the job computes on.
    """

    seconds: NotNegative
    gigabytes: NotNegative


class JobStarts(Settings):
    """The start of a job, by kind: raw problems and splits, training, sampling, scores and items.

    ``report`` is a table or figure with its bootstrap, or scoring without its samples.
    """

    prepare: JobStart
    train: JobStart
    sample: JobStart
    report: JobStart


class Throughput(Settings):
    """Seconds and FLOP/s on the scale's device: one core, or one GPU.

    ``pass_seconds`` is a forward and backward pass through however small a batch; a forward pass
    alone counts as a third of it. ``sampled_token_seconds`` and ``sample_seconds`` are vLLM's cost
    of a token and of a completion on top of its FLOPs; ``score_seconds`` is that of grading a
    sample.
    """

    jobs: JobStarts
    pass_seconds: NotNegative
    training_flops: Positive
    sampling_flops: Positive
    sampled_token_seconds: NotNegative = 0.0
    sample_seconds: NotNegative = 0.0
    score_seconds: NotNegative
