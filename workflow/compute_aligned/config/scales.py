"""What a file of ``config/scales/`` may say, and what ``config/config.yaml`` may say of a run."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from compute_aligned.config.fields import Distinct, MetricName, Name, Seeds, Settings, Throughput
from compute_aligned.config.models import Model, ScratchModel
from compute_aligned.config.settings import (
    ANSWER,
    Device,
    Engine,
    Length,
    Problems,
    RewardName,
    Rl,
    Sampling,
    Sft,
)
from compute_aligned.config.sources import Source, more_than_answers
from compute_aligned.method.metrics import METRICS, Needs, metric_of


class Family(Settings):
    """One experiment: problems, a model, a warm-up, the branches trained from it, evaluation.

    Branches are trained by fine-tuning (``sft``) or by reinforcement learning (``rl``); their rows
    say which, and a family has what its rows need. ``expected_hold`` says how long a warm-up with
    ``stop_at_probability`` is expected to hold; only the estimate of the cost uses it.
    With ``warmup: null`` the checkpoint as it is takes the warm-up's place.
    """

    seeds: Seeds
    problems: Problems
    model: Model
    warmup: Sft | None
    expected_hold: Length | None = None
    sft: Sft | None = None
    rl: Rl | None = None
    sampling: Sampling
    metrics: Annotated[tuple[MetricName, ...], Field(min_length=1), Distinct]
    grader: Literal["paper", "symbolic"] = "paper"

    @model_validator(mode="after")
    def _branches_are_trained(self) -> "Family":
        if self.sft is None and self.rl is None:
            raise ValueError("a family has sft, rl or both: they say how branches are trained")
        if self.rl is not None and not self.problems.rl:
            raise ValueError("reinforcement learning has no problems: set problems.rl")
        return self

    @model_validator(mode="after")
    def _something_has_learnt(self) -> "Family":
        if self.warmup is None and isinstance(self.model, ScratchModel):
            raise ValueError(
                "a model from scratch needs a warmup; only a checkpoint can do without"
            )
        return self

    @model_validator(mode="after")
    def _an_expected_hold_ends_early(self) -> "Family":
        expected = self.expected_hold
        if expected is None:
            return self
        if self.warmup is None or self.warmup.stop_at_probability is None:
            raise ValueError("expected_hold goes with a warmup that has stop_at_probability")
        hold = self.warmup.hold
        if expected.unit != hold.unit or expected.count > hold.count:
            raise ValueError(f"expected_hold is part of the hold, at most {hold.count} {hold.unit}")
        return self

    @property
    def reward(self) -> RewardName:
        """What completions are measured by; families without RL have answers."""
        return ANSWER if self.rl is None else self.rl.reward

    @property
    def gives(self) -> Needs:
        """What its samples are graded as: right and wrong answers, or rewards."""
        return "answers" if self.reward == ANSWER else "rewards"

    @model_validator(mode="after")
    def _metrics_are_those_of_the_reward(self) -> "Family":
        if any(metric_of(name).needs != self.gives for name in self.metrics):
            known = [name for name, metric in METRICS.items() if metric.needs == self.gives]
            raise ValueError(f"with reward {self.reward} the metrics are {' and '.join(known)}")
        return self


class Scale(Settings):
    """A scale: which engine and device, where problems come from, and every family's settings.

    With ``train_together`` the job of a warm-up trains its branches too, in one process, and their
    own jobs only put them in place. ``throughput`` is how fast the machine is, for ``make cost``.
    No result depends on either.
    """

    engine: Engine
    device: Device
    dtype: Literal["float32", "bfloat16", "float16"]
    sources: dict[Name, Source]
    families: Annotated[dict[Name, Family], Field(min_length=1)]
    train_together: bool = False
    throughput: Throughput | None = None

    @model_validator(mode="after")
    def _sources_have_what_families_ask_for(self) -> "Scale":
        for name, family in self.families.items():
            wanted = family.problems
            source = self.sources.get(wanted.source)
            if source is None:
                raise ValueError(
                    f"family {name} takes its problems from {wanted.source!r}, "
                    f"which is not among the sources: {', '.join(self.sources) or 'none'}"
                )
            asked = {"levels": bool(wanted.levels), "solutions": wanted.target == "solution"}
            for what in (what for what, is_asked in asked.items() if is_asked):
                if what not in more_than_answers(source):
                    raise ValueError(
                        f"family {name} asks for {what}, "
                        f"and problems from {source.source} have none"
                    )
        return self


class Run(Settings):
    """``config/config.yaml`` with whatever ``--config`` overrides."""

    scale: Name
    seeds: Seeds | None = None
    engine: Engine | None = None
    device: Device | None = None
