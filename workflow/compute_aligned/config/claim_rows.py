"""What a row of the sheets of claims in ``config/`` may say."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from compute_aligned.config.fields import ContrastMetric, Name, Settings, Text
from compute_aligned.config.sheets import DASH, Names
from compute_aligned.method.metrics import metric_of

ClaimId = Annotated[str, Field(pattern=r"^C[1-9][0-9]*[a-z]?$")]


class ClaimRow(Settings):
    """A row of ``config/claims.tsv``: something that the paper claims (PAPER sections 1, 5).

    ``reported`` names the families of ``config/paper_reported.csv`` that hold the paper's own
    numbers, ``paper_problems`` says how many problems those are means over; ``-`` where the paper
    has none, or does not say. ``needs`` says what a family must have for the claim to be tested.
    """

    claim: ClaimId
    reported: Names
    paper_problems: Annotated[str, Field(pattern=r"^(-|[1-9][0-9]*)$")]
    needs: Literal["-", "worked_solutions"]
    statement: Text

    @property
    def num_paper_problems(self) -> int | None:
        """How many problems the paper's numbers are means over, where that is known."""
        return None if self.paper_problems == DASH else int(self.paper_problems)


class ContrastRow(Settings):
    """A row of ``config/claim_contrasts.tsv``: one of the contrasts that a claim consists of.

    The effect is the metric of ``branch`` minus that of ``against``, which is another branch, the
    ``warmup``, or a fixed level in the metric's unit.
    A ``control`` is the contrast that could overturn the claim: if it fails, ``rival`` may be what
    explains the claim. With the role ``temperature`` it is one of both models, each sampled at its
    own best temperature. A row with the role ``algebra`` measures what holds by algebra, and is
    compared with nothing.
    """

    claim: ClaimId
    role: Literal["contrast", "control", "temperature", "algebra"]
    family: Name
    branch: Name
    against: Annotated[str, Field(pattern=r"^(-|[a-z][a-z0-9_]*|[0-9]+(\.[0-9]+)?)$")]
    metric: ContrastMetric
    budget: PositiveInt
    direction: Literal["above", "below", "equal", "-"]
    rival: Text

    @property
    def is_control(self) -> bool:
        """Whether it could overturn the claim."""
        return self.role in ("control", "temperature")

    @property
    def of_temperatures(self) -> bool:
        """Whether it is about samples at other temperatures, which not every family has."""
        return self.role == "temperature"

    @property
    def level(self) -> float | None:
        """The fixed level that the branch is compared with, if it is one."""
        return float(self.against) if self.against[0].isdigit() else None

    @property
    def models(self) -> tuple[str, ...]:
        """The models that it needs, the warm-up among them where it is one."""
        alone = self.level is not None or self.against == DASH
        return (self.branch,) if alone else (self.branch, self.against)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics of problems that it is made from; ``rho`` is made from the samples."""
        if self.metric == "rho":
            return ()
        return (self.metric,)

    @property
    def is_share(self) -> bool:
        """Whether its effect is a share, in percentage points, and no reward."""
        return all(metric_of(name).is_share for name in self.metrics)

    @property
    def band(self) -> float:
        """What counts as equal to 0, in the unit of the effect."""
        return metric_of(self.metrics[0]).equal_within

    @property
    def claimed(self) -> Literal["above", "below", "equal"]:
        """The direction of a row that has one.

        Raises:
            ValueError: It is one that holds by algebra.

        """
        if self.direction == "-":
            raise ValueError(f"{self.claim} compares nothing")
        return self.direction

    @model_validator(mode="after")
    def _roles_have_what_they_need(self) -> "ContrastRow":
        compared = self.role != "algebra"
        if compared != (self.metric != "rho"):
            raise ValueError("the metric rho and the role algebra go together")
        for column, cell in {"against": self.against, "direction": self.direction}.items():
            if compared != (cell != DASH):
                wanted = "has to say what is compared" if compared else "has to be -"
                raise ValueError(f"{column} {wanted} where the role is {self.role}")
        if self.of_temperatures and self.level is not None:
            raise ValueError("a fixed level has no temperature: compare with a model")
        if self.is_control != (self.rival != DASH):
            raise ValueError("a control names its rival explanation, other rows have - there")
        if self.branch == self.against:
            raise ValueError(f"{self.branch} is compared with itself")
        if self.direction == "equal" and not self.is_share:
            raise ValueError("equal is within two percentage points, and rewards are none")
        return self
