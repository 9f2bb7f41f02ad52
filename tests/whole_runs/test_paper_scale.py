"""The scale ``paper`` against PAPER sections 2 to 4: every number is written out again here.

A list has a value for each family of its table, in the order of the heading; what stands alone is
the value of all of them, and None means that the family has no such training.
"""

from typing import Any

import pytest

from compute_aligned.config.models import Lora, PretrainedModel
from compute_aligned.config.settings import Decoding, Rl, Sft
from compute_aligned.config.sources import HubSource, ProteinPairsSource
from compute_aligned.config.study import read_study

PAPER = read_study("paper")
MATH = ("sft_passn", "sft_majority", "token_margin", "rl_passn", "rl_majority", "sft_to_rl")
PROTEINS = ("protein_unconditional", "protein_conditional")
WIDE = Lora(rank=16, alpha=16, targets=("q_proj", "k_proj", "v_proj", "o_proj"))
NARROW = Lora(rank=16, alpha=32, targets=("q_proj", "v_proj"))


def column(table: dict[str, Any], names: tuple[str, ...], name: str) -> dict[str, Any]:
    """The values of one family."""
    place = names.index(name)
    return {key: v[place] if isinstance(v, list) else v for key, v in table.items()}


def found(settings: Any, table: dict[str, Any]) -> dict[str, Any]:
    """What settings have in the places that a table names."""
    values = {}
    for key in table:
        value = settings
        for part in key.split("."):
            value = getattr(value, part)
        values[key] = value
    return values


def test_it_has_the_eight_families_of_the_paper() -> None:
    scale = PAPER.settings

    assert set(scale.families) == {*MATH, *PROTEINS}
    assert (scale.engine, scale.device, scale.dtype) == ("vllm", "cuda", "bfloat16")
    assert {family.seeds for family in scale.families.values()} == {(0, 1, 2)}


# --- families ------------------------------------------------------------------------------------

ON_MATH = {
    # sft_passn, sft_majority, token_margin, rl_passn, rl_majority, sft_to_rl
    "model.pretrained": "mistralai/Mistral-7B-Instruct-v0.2",
    "model.quantization": "nf4",
    "model.chat_template": True,
    "model.gradient_checkpointing": True,
    "model.lora": [WIDE, WIDE, NARROW, NARROW, NARROW, NARROW],
    "problems.source": "math",
    "problems.prompt": "Problem:\n{problem}",
    "problems.target": ["answer", "solution", "solution", "solution", "solution", "answer"],
    "problems.levels": [None, (1, 2, 3), (1, 2, 3), None, (1, 2, 3), None],
    "problems.train": [5000, "all", 2000, 2000, 2000, 2000],
    "problems.rl": [0, 0, 0, 500, 300, "train"],
    "problems.validation": 0,
    "problems.test": [500, 238, 238, 500, 200, 100],
    "problems.split_seed": 42,
    "sampling.num_samples": [64, 128, 64, 32, 16, 16],
    "sampling.temperature": [0.8, 0.8, 0.8, 0.7, 0.8, 0.7],
    "sampling.top_p": [0.95, 0.95, 0.95, 0.9, 0.95, 0.9],
    "sampling.top_k": 0,
    "sampling.max_new_tokens": [512, 512, 512, 300, 512, 300],
    "grader": "paper",
}
ON_PROTEINS = {
    # protein_unconditional, protein_conditional
    "model.pretrained": "nferruz/ProtGPT2",
    "model.quantization": None,
    "model.lora": None,
    "model.chat_template": False,
    "problems.source": ["protein_sequences", "protein_pairs"],
    "problems.train": [1, 2000],  # 1: there is no warm-up that would learn from it
    "problems.rl": [4, 4 * 300],  # four times one prompt; each prompt once
    "problems.test": [1, 150],  # one pool
    "sampling.num_samples": [512, 32],
    "sampling.temperature": [1.2, 1.3],
    "sampling.top_p": 1.0,
    "sampling.top_k": [50, 0],
    "sampling.max_new_tokens": [64, 32],
    "metrics": ("expected_max@k",),
}
# the paper's own, which come first; more are for the alignment matrix, which it has not
METRICS = {
    "sft_passn": ("pass@k",),
    "sft_majority": ("maj@k",),
    "token_margin": ("pass@k", "maj@k"),
    "rl_passn": ("pass@k",),
    "rl_majority": ("maj@k",),
    "sft_to_rl": ("pass@k",),
}


@pytest.mark.parametrize("name", [*MATH, *PROTEINS])
def test_a_family_has_the_model_problems_and_samples_of_the_paper(name: str) -> None:
    family = PAPER.experiment(name).settings
    names, table = (MATH, ON_MATH) if name in MATH else (PROTEINS, ON_PROTEINS)

    assert isinstance(family.model, PretrainedModel)
    assert found(family, table) == column(table, names, name)
    if name in MATH:
        assert family.metrics[: len(METRICS[name])] == METRICS[name]
        # room for a prompt of 1,024 tokens and the longest completion
        assert family.model.max_length >= 1024 + family.sampling.max_new_tokens


def test_problems_come_from_where_the_paper_s_come_from() -> None:
    math, pairs = PAPER.source("math"), PAPER.source("protein_pairs")

    assert isinstance(math, HubSource)
    assert math.source == "hub:nlile/hendrycks-MATH-benchmark"
    assert math.size == 12_000 + 500
    assert math.splits == {"train": "train", "test": "test"}
    assert isinstance(pairs, ProteinPairsSource)
    assert (pairs.input_lengths, pairs.output_lengths) == ((10, 19), (10, 19))


# --- fine-tuning ---------------------------------------------------------------------------------

TUNING = {
    # all of MATH, then protein_conditional
    "learning_rate": [5e-6, 5e-6, 5e-6, 5e-6, 2e-5, 5e-6, 5e-6],
    "loss_reduction": ["sequence", "token", "token", "token", "token", "sequence", "token"],
    "batch_size": [4, 4, 4, 4, 4, 4, 100],
    "clip_norm": [0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 1.0],
    "longest": [1024, 1024, 1024, 1024, 1024, 1024, None],
    "weight_decay": 0.01,
    "betas": (0.9, 0.999),
    "stop_at_probability": None,
}
# the held part, which is none on MATH: there the rate falls on a line to 0 from the first step
LENGTHS = {
    # all of MATH, then both of proteins
    "warmup": ["2 epochs", "2 epochs", "1 epochs", "1 epochs", "3 epochs", None, None, "60 steps"],
    "branches": ["3 epochs", "3 epochs", "1 epochs", None, None, "1 epochs", None, None],
}


@pytest.mark.parametrize("name", [*MATH, *PROTEINS])
def test_fine_tuning_lasts_as_long_and_has_the_optimiser_of_the_paper(name: str) -> None:
    experiment = PAPER.experiment(name)
    warmup = experiment.settings.warmup
    tuned = [b.training for b in experiment.branches.values() if isinstance(b.training, Sft)]
    lengths = column(LENGTHS, (*MATH, *PROTEINS), name)

    for kind, trainings in (("warmup", [warmup] if warmup else []), ("branches", tuned)):
        written = [(t.model_dump()["hold"], t.model_dump()["decay"]) for t in trainings]
        held = (lengths[kind], "0 steps") if name in PROTEINS else ("0 steps", lengths[kind])
        assert set(written) == ({held} if lengths[kind] else set())
        for training in trainings:
            assert found(training, TUNING) == column(TUNING, (*MATH, PROTEINS[1]), name)


# --- reinforcement learning ----------------------------------------------------------------------

RL_FAMILIES = ("rl_passn", "rl_majority", "sft_to_rl", *PROTEINS)
HISTORY, GROUP, SEQUENCE = "history_quantile", "group_quantile", "sequence_probability"
ROLLOUTS = [
    *(Decoding(temperature=0.8, top_p=0.95, max_new_tokens=tokens) for tokens in (300, 512, 300)),
    Decoding(temperature=1.2, top_k=50, max_new_tokens=64),
    Decoding(temperature=1.3, max_new_tokens=32),
]
RL = {
    # rl_passn, rl_majority, sft_to_rl, protein_unconditional, protein_conditional
    "steps": [125, 75, 500, 300, 300],
    "prompts_per_step": 4,
    "group_size": [4, 8, 16, 32, 25],
    "rollout": ROLLOUTS,
    "reward": ["answer", "answer", "answer", *PROTEINS],
    "success_estimate": [SEQUENCE, "smoothed_success", SEQUENCE, HISTORY, GROUP],
    "kl_weight": [0.05, 0.0, 0.05, 0.3, 0.05],
    "learning_rate": [1e-6, 1e-6, 1e-6, 1e-5, 2e-6],
    "advantage_limit": [None, None, None, 5.0, 5.0],
    "clip_norm": 1.0,
    "weight_decay": 0.01,
    "gradient_temperature": "plain",
}
ALL_WRONG_PENALTY = {"all_wrong_penalty": [0.0, 0.5, 0.0, 0.0, 0.0]}


@pytest.mark.parametrize("name", RL_FAMILIES)
def test_reinforcement_learning_is_that_of_the_paper(name: str) -> None:
    experiment = PAPER.experiment(name)
    problems = experiment.settings.problems
    trained = [b for b in experiment.branches.values() if isinstance(b.training, Rl)]

    assert trained
    for branch in trained:
        own = branch.row.overrides  # what a control has otherwise
        table = {key: cells for key, cells in (RL | ALL_WRONG_PENALTY).items() if key not in own}
        assert found(branch.training, table) == column(table, RL_FAMILIES, name)
        if name in MATH:  # one pass over the problems
            passed = problems.train if problems.rl == "train" else problems.rl
            assert 4 * branch.training.steps == passed


# --- what tells the branches apart ---------------------------------------------------------------

STANDARD = {"standard": ("SingleSample()", "raw", "-", "baseline")}
CE = {"ce": ("SingleSample()", "-", "-", "baseline")}
BEST_OF_N = {f"bon_n{n}": (f"BestOfN(n={n})", "raw", "-", "strategy") for n in (2, 4, 8)}
BRANCHES = {
    "sft_passn": CE
    | {f"passn_n{n}": (f"PassAtN(n={n})", "-", "-", "strategy") for n in (4, 8, 16, 64)},
    "sft_majority": CE
    | {
        f"majority_n{n}_k{k}": (f"MajorityVote(n={n}, k={k})", "-", "-", "strategy")
        for n, k in [(8, 3), (16, 4), (64, 26), (64, 22), (64, 16)]
    },
    "token_margin": CE
    | {
        "majority_n8_k3": ("MajorityVote(n=8, k=3)", "-", "-", "strategy"),
        "pairwise": ("SingleSample()", "-", "-", "strategy"),
    },
    "sft_to_rl": {
        "ce": ("SingleSample()", "-", "-", "control"),
        "passn_n16": ("PassAtN(n=16)", "-", "-", "control"),
        "ce_warmup": ("SingleSample()", "raw", "ce", "baseline"),
        "passn_n16_warmup": ("SingleSample()", "raw", "passn_n16", "strategy"),
    },
    "rl_passn": STANDARD
    | {
        f"passn_n{n}_{form}": (f"PassAtN(n={n})", form, "-", "strategy")
        for n in (4, 16)
        for form in ("log", "raw")
    },
    # its k is found from the votes; that of the sheet is the least, n // 2 + 1
    "rl_majority": STANDARD
    | {
        f"majority_n{n}_{form}": (f"MajorityVote(n={n}, k={n // 2 + 1})", form, "-", "strategy")
        for n in (4, 8)
        for form in ("log", "raw")
    },
    "protein_unconditional": STANDARD | BEST_OF_N,
    "protein_conditional": STANDARD | BEST_OF_N,
}
# families with controls beside the paper's branches
OWN_CONTROLS = ("sft_majority", "rl_passn", "rl_majority", "protein_unconditional")


@pytest.mark.parametrize("name", BRANCHES)
def test_the_branches_are_those_of_the_paper(name: str) -> None:
    rows = [branch.row for branch in PAPER.experiment(name).branches.values()]
    ours = {r.branch: (r.strategy, r.weight_form, r.start, r.role) for r in rows}
    if name in OWN_CONTROLS:
        ours = {branch: cells for branch, cells in ours.items() if cells[-1] != "control"}

    assert ours == BRANCHES[name]


def test_the_margin_is_that_of_the_paper() -> None:
    branches = PAPER.experiment("token_margin").branches

    for name, expected in (("pairwise", (0.5, 4)), ("ce", (None, None))):
        training = branches[name].training
        assert (training.margin_share, training.rival_tokens) == expected


# --- the whole -----------------------------------------------------------------------------------


SOLUTIONS = "sft_solutions"  # at the paper's scale sft_majority itself has worked solutions


def test_every_item_of_the_laptop_is_made_at_the_paper_too_with_all_of_its_budgets() -> None:
    ours = {n for n, row in PAPER.items.items() if row.of_temperatures or row.family == SOLUTIONS}
    for output in ("table", "figure"):
        shown = [name for name in read_study("laptop").shown(output) if name not in ours]
        assert PAPER.shown(output) == shown
    for name, row in PAPER.items.items():
        if row.budgets and row.family in PAPER.experiments:
            samples = PAPER.experiment(row.family).settings.sampling.num_samples
            assert max(row.budgets) <= samples, name
