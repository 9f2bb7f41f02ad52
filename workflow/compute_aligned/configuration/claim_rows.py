"""What a row of the two sheets of claims may say: ``claims.tsv`` and ``claim_contrasts.tsv``."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from compute_aligned.configuration.fields import Name, Settings, Text
from compute_aligned.configuration.settings import Metric
from compute_aligned.configuration.sheets import Names

DASH = "-"
ClaimId = Annotated[str, Field(pattern=r"^C[1-9][0-9]*[a-z]?$")]


class ClaimRow(Settings):
    """A row of ``config/claims.tsv``: something that the paper claims (PAPER section 5).

    ``reported`` names the families of ``config/paper_reported.csv`` that hold the paper's own
    numbers, ``paper_problems`` says how many problems those are means over; ``-`` where the paper
    has none, or does not say.
    """

    claim: ClaimId
    reported: Names
    paper_problems: Annotated[str, Field(pattern=r"^(-|[1-9][0-9]*)$")]
    statement: Text

    @property
    def num_paper_problems(self) -> int | None:
        """How many problems the paper's numbers are means over, where that is known."""
        return None if self.paper_problems == DASH else int(self.paper_problems)


class ContrastRow(Settings):
    """A row of ``config/claim_contrasts.tsv``: one of the contrasts that a claim consists of.

    The effect is the metric of ``branch`` minus that of ``against``, which is another branch, the
    ``warmup``, or a fixed level in the metric's unit. ``aggregation_gain@k`` is maj@k minus pass@1.
    A ``control`` is the contrast that could
    overturn the claim: if it fails, ``rival`` may be what explains the claim. A row with the role
    ``algebra`` measures what holds by algebra, and is compared with nothing.
    """

    claim: ClaimId
    role: Literal["contrast", "control", "algebra"]
    family: Name
    branch: Name
    against: Annotated[str, Field(pattern=r"^(-|[a-z][a-z0-9_]*|[0-9]+(\.[0-9]+)?)$")]
    metric: Literal[Metric, "aggregation_gain@k", "rho"]
    budget: PositiveInt
    direction: Literal["above", "below", "equal", "-"]
    rival: Text

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
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics of problems that it is made from; ``rho`` is made from the samples."""
        if self.metric == "rho":
            return ()
        if self.metric == "aggregation_gain@k":
            return ("pass@k", "maj@k")
        return (self.metric,)

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
        if (self.role == "control") != (self.rival != DASH):
            raise ValueError("a control names its rival explanation, other rows have - there")
        if self.branch == self.against:
            raise ValueError(f"{self.branch} is compared with itself")
        if self.direction == "equal" and self.metric == "expected_max@k":
            raise ValueError("equal is within two percentage points, and rewards are none")
        return self
