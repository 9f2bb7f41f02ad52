"""The scale ``paper`` against PAPER sections 2 to 4: every number is written out again here."""

from typing import Any

import pytest

from compute_aligned.config import study
from compute_aligned.config.models import Lora, PretrainedModel
from compute_aligned.config.scales import Family
from compute_aligned.config.settings import Decoding, Rl, Sft
from compute_aligned.config.sources import HubSource, ProteinPairsSource

MISTRAL, PROTGPT2 = "mistralai/Mistral-7B-Instruct-v0.2", "nferruz/ProtGPT2"
MATH = {"sft_passn", "sft_majority", "token_margin", "rl_passn", "rl_majority", "sft_to_rl"}
PROTEINS = {"protein_unconditional", "protein_conditional"}
WIDE = Lora(rank=16, alpha=16, targets=("q_proj", "k_proj", "v_proj", "o_proj"))
NARROW = Lora(rank=16, alpha=32, targets=("q_proj", "v_proj"))


def paper(name: str) -> Family:
    return study.read_family("paper", name)


def trainings(name: str) -> dict[str, Sft | Rl]:
    """How each branch is trained, once the overrides of its row are laid over."""
    return {b: study.branch_training("paper", name, b) for b in study.branches_of(name)}


def agrees(found: Any, **expected: Any) -> None:
    assert {key: getattr(found, key) for key in expected} == expected


def length(training: Sft | None) -> tuple[str, str]:
    """The length of a training, the held part and the decay, as they are written."""
    assert training is not None
    written = training.model_dump()
    return written["hold"], written["decay"]


def strategies(name: str) -> dict[str, tuple[str, str, str, str]]:
    rows = [study.read_branch(name, b) for b in study.branches_of(name)]
    return {r.branch: (r.strategy, r.weight_form, r.start, r.role) for r in rows}


def test_it_has_the_eight_families_of_the_paper() -> None:
    scale = study.read_scale("paper")

    assert set(scale.families) == MATH | PROTEINS
    assert (scale.engine, scale.device, scale.dtype) == ("vllm", "cuda", "bfloat16")


# --- what all experiments on MATH have in common -------------------------------------------------


@pytest.mark.parametrize("name", sorted(MATH))
def test_mistral_in_four_bits_answers_math_in_its_chat_template(name: str) -> None:
    family = paper(name)
    source = study.read_source("paper", family.problems.source)

    assert isinstance(source, HubSource)
    assert source.source == "hub:nlile/hendrycks-MATH-benchmark"
    assert source.size == 12_000 + 500
    assert source.splits == {"train": "train", "test": "test"}
    assert isinstance(family.model, PretrainedModel)
    agrees(family.model, pretrained=MISTRAL, quantization="nf4", chat_template=True)
    agrees(family.problems, prompt="Problem:\n{problem}", validation=0, split_seed=42)
    assert family.grader == "paper"


@pytest.mark.parametrize(
    ("name", "lora"),
    [
        ("sft_passn", WIDE),
        ("sft_majority", WIDE),
        ("token_margin", NARROW),
        ("rl_passn", NARROW),
        ("rl_majority", NARROW),
        ("sft_to_rl", NARROW),
    ],
)
def test_the_adapters_are_those_of_the_experiment(name: str, lora: Lora) -> None:
    model = paper(name).model

    assert isinstance(model, PretrainedModel)
    assert model.lora == lora


@pytest.mark.parametrize(
    ("name", "target", "levels", "train", "rl", "test"),
    [
        ("sft_passn", "answer", None, 5000, 0, 500),
        ("sft_majority", "solution", (1, 2, 3), "all", 0, 238),
        ("token_margin", "solution", (1, 2, 3), 2000, 0, 238),
        ("rl_passn", "solution", None, 2000, 500, 500),
        ("rl_majority", "solution", (1, 2, 3), 2000, 300, 200),
        ("sft_to_rl", "answer", None, 2000, "train", 100),
    ],
)
def test_the_problems_are_as_many_and_of_the_levels_that_the_paper_has(
    name: str, target: str, levels: Any, train: Any, rl: Any, test: int
) -> None:
    agrees(paper(name).problems, target=target, levels=levels, train=train, rl=rl, test=test)


@pytest.mark.parametrize("name", sorted(MATH))
def test_every_fine_tuning_on_math_has_the_one_optimiser_of_the_paper(name: str) -> None:
    family = paper(name)
    rate = {"rl_majority": 2e-5}.get(name, 5e-6)
    reduction = "sequence" if family.problems.target == "answer" else "token"
    tuned = [family.warmup, *(t for t in trainings(name).values() if isinstance(t, Sft))]

    for training in [t for t in tuned if t is not None]:
        agrees(training, batch_size=4, clip_norm=0.3, weight_decay=0.01, betas=(0.9, 0.999))
        agrees(training, longest=1024, stop_at_probability=None, loss_reduction=reduction)
        assert training.learning_rate == rate
        assert training.hold.count == 0  # the rate falls on a line to 0 from the first step


@pytest.mark.parametrize(
    ("name", "warmup", "branches"),
    [
        ("sft_passn", "2 epochs", "3 epochs"),
        ("sft_majority", "2 epochs", "3 epochs"),
        ("token_margin", "1 epochs", "1 epochs"),
        ("rl_passn", "1 epochs", None),
        ("rl_majority", "3 epochs", None),
        ("sft_to_rl", None, "1 epochs"),
    ],
)
def test_trainings_last_as_many_epochs_as_in_the_paper(
    name: str, warmup: str | None, branches: str | None
) -> None:
    tuned = [t for t in trainings(name).values() if isinstance(t, Sft)]

    if warmup is None:
        assert paper(name).warmup is None
    else:
        assert length(paper(name).warmup) == ("0 steps", warmup)
    assert {length(training) for training in tuned} == (
        {("0 steps", branches)} - {("0 steps", None)}
    )


@pytest.mark.parametrize(
    ("name", "samples", "temperature", "top_p", "tokens", "metrics"),
    [
        ("sft_passn", 64, 0.8, 0.95, 512, ("pass@k",)),
        ("sft_majority", 128, 0.8, 0.95, 512, ("maj@k",)),
        ("token_margin", 64, 0.8, 0.95, 512, ("pass@k", "maj@k")),
        ("rl_passn", 32, 0.7, 0.9, 300, ("pass@k",)),
        ("rl_majority", 16, 0.8, 0.95, 512, ("maj@k",)),
        ("sft_to_rl", 16, 0.7, 0.9, 300, ("pass@k",)),
    ],
)
def test_test_problems_are_sampled_as_in_the_paper(
    name: str, samples: int, temperature: float, top_p: float, tokens: int, metrics: Any
) -> None:
    family = paper(name)

    agrees(family.sampling, num_samples=samples, temperature=temperature, top_p=top_p, top_k=0)
    assert family.sampling.max_new_tokens == tokens
    # the paper's own come first; more are for the alignment matrix, which it has not
    assert family.metrics[: len(metrics)] == metrics


@pytest.mark.parametrize(
    ("name", "steps", "group", "tokens", "kl", "penalty", "estimate"),
    [
        ("rl_passn", 125, 4, 300, 0.05, 0.0, "sequence_probability"),
        ("rl_majority", 75, 8, 512, 0.0, 0.5, "smoothed_success"),
        ("sft_to_rl", 500, 16, 300, 0.05, 0.0, "sequence_probability"),
    ],
)
def test_reinforcement_learning_on_math_is_that_of_the_paper(
    name: str, steps: int, group: int, tokens: int, kl: float, penalty: float, estimate: str
) -> None:
    family = paper(name)

    for branch, training in trainings(name).items():
        if isinstance(training, Sft):
            continue
        row = study.read_branch(name, branch)
        agrees(training, steps=steps, prompts_per_step=4, group_size=group, kl_weight=kl)
        agrees(training, learning_rate=1e-6, clip_norm=1.0, reward="answer")
        agrees(training, success_estimate=estimate)
        agrees(training, advantage_limit=None, gradient_temperature="plain", weight_decay=0.01)
        assert training.rollout == Decoding(temperature=0.8, top_p=0.95, max_new_tokens=tokens)
        if row.role != "control":
            assert training.all_wrong_penalty == penalty
    # 125, 75 and 500 steps are one pass over the problems
    problems = family.problems
    assert 4 * steps == (problems.train if problems.rl == "train" else problems.rl)


# --- what tells the branches apart ---------------------------------------------------------------


def test_the_branches_of_fine_tuning_are_those_of_the_paper() -> None:
    passn, majority = strategies("sft_passn"), strategies("sft_majority")
    margin, warmups = strategies("token_margin"), strategies("sft_to_rl")

    assert passn == {
        "ce": ("SingleSample()", "-", "-", "baseline"),
        **{f"passn_n{n}": (f"PassAtN(n={n})", "-", "-", "strategy") for n in (4, 8, 16, 64)},
    }
    assert {b: v for b, v in majority.items() if v[-1] != "control"} == {
        "ce": ("SingleSample()", "-", "-", "baseline"),
        **{
            f"majority_n{n}_k{k}": (f"MajorityVote(n={n}, k={k})", "-", "-", "strategy")
            for n, k in [(8, 3), (16, 4), (64, 26), (64, 22), (64, 16)]
        },
    }
    assert margin == {
        "ce": ("SingleSample()", "-", "-", "baseline"),
        "majority_n8_k3": ("MajorityVote(n=8, k=3)", "-", "-", "strategy"),
        "pairwise": ("SingleSample()", "-", "-", "strategy"),
    }
    agrees(trainings("token_margin")["pairwise"], margin_share=0.5, rival_tokens=4)
    agrees(trainings("token_margin")["ce"], margin_share=None, rival_tokens=None)
    assert warmups == {
        "ce": ("SingleSample()", "-", "-", "control"),
        "passn_n16": ("PassAtN(n=16)", "-", "-", "control"),
        "ce_warmup": ("SingleSample()", "raw", "ce", "baseline"),
        "passn_n16_warmup": ("SingleSample()", "raw", "passn_n16", "strategy"),
    }


def test_the_branches_of_reinforcement_learning_are_those_of_the_paper() -> None:
    passn, majority = strategies("rl_passn"), strategies("rl_majority")
    standard = {"standard": ("SingleSample()", "raw", "-", "baseline")}

    assert passn == standard | {
        f"passn_n{n}_{form}": (f"PassAtN(n={n})", form, "-", "strategy")
        for n in (4, 16)
        for form in ("log", "raw")
    }
    # its k is found from the votes; that of the sheet is the least, n // 2 + 1
    assert {b: v for b, v in majority.items() if v[-1] != "control"} == standard | {
        f"majority_n{n}_{form}": (f"MajorityVote(n={n}, k={n // 2 + 1})", form, "-", "strategy")
        for n in (4, 8)
        for form in ("log", "raw")
    }
    for name in sorted(PROTEINS):
        assert strategies(name) == standard | {
            f"bon_n{n}": (f"BestOfN(n={n})", "raw", "-", "strategy") for n in (2, 4, 8)
        }


# --- proteins ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(PROTEINS))
def test_protgpt2_is_trained_whole(name: str) -> None:
    model = paper(name).model

    assert isinstance(model, PretrainedModel)
    agrees(model, pretrained=PROTGPT2, quantization=None, lora=None, chat_template=False)
    assert paper(name).metrics == ("expected_max@k",)


def test_unconditional_proteins_start_from_the_pretrained_model() -> None:
    family = paper("protein_unconditional")

    assert family.warmup is None
    for training in trainings("protein_unconditional").values():
        assert isinstance(training, Rl)
        agrees(training, steps=300, prompts_per_step=4, group_size=32, learning_rate=1e-5)
        agrees(training, kl_weight=0.3, advantage_limit=5.0, success_estimate="history_quantile")
        agrees(training, reward="protein_unconditional", all_wrong_penalty=0.0)
        agrees(training, gradient_temperature="plain")
        assert training.rollout == Decoding(temperature=1.2, top_k=50, max_new_tokens=64)
    agrees(family.sampling, num_samples=512, temperature=1.2, top_k=50, top_p=1.0)
    assert family.sampling.max_new_tokens == 64
    assert family.problems.test == 1  # one pool


def test_conditional_proteins_are_warmed_up_and_trained_as_in_the_paper() -> None:
    family = paper("protein_conditional")
    source = study.read_source("paper", family.problems.source)

    assert isinstance(source, ProteinPairsSource)
    agrees(source, input_lengths=(10, 19), output_lengths=(10, 19))
    assert family.warmup is not None
    assert length(family.warmup) == ("60 steps", "0 steps")
    agrees(family.warmup, batch_size=100, learning_rate=5e-6, loss_reduction="token")
    for training in trainings("protein_conditional").values():
        assert isinstance(training, Rl)
        agrees(training, steps=300, group_size=25, learning_rate=2e-6, kl_weight=0.05)
        agrees(training, advantage_limit=5.0, success_estimate="group_quantile")
        agrees(training, reward="protein_conditional", all_wrong_penalty=0.0)
        agrees(training, gradient_temperature="plain")
        assert training.rollout == Decoding(temperature=1.3, max_new_tokens=32)
    agrees(family.sampling, num_samples=32, temperature=1.3, top_k=0, top_p=1.0)
    agrees(family.problems, train=2000, test=150)
    assert family.sampling.max_new_tokens == 32


def test_what_the_paper_leaves_open_is_as_the_head_of_the_file_says() -> None:
    for name in sorted(PROTEINS):
        for training in trainings(name).values():
            assert isinstance(training, Rl)
            agrees(training, clip_norm=1.0, prompts_per_step=4, weight_decay=0.01)
    warmup = paper("protein_conditional").warmup
    assert warmup is not None
    agrees(warmup, clip_norm=1.0, weight_decay=0.01)
    assert paper("protein_conditional").problems.rl == 4 * 300  # each prompt once
    for name in sorted(MATH):
        model = paper(name).model
        assert isinstance(model, PretrainedModel)
        # room for a prompt of 1,024 tokens and the longest completion
        assert model.max_length >= 1024 + paper(name).sampling.max_new_tokens
        assert model.gradient_checkpointing
    for name in MATH | PROTEINS:
        assert paper(name).seeds == (0, 1, 2)


# --- the whole -----------------------------------------------------------------------------------


def test_every_item_of_the_laptop_is_made_at_the_paper_too_with_all_of_its_budgets() -> None:
    for output in ("table", "figure"):
        assert study.items_at("paper", output) == study.items_at("laptop", output)
    for name, item in study.read_paper_items().items():
        if item.budgets:
            assert max(item.budgets) <= paper(item.family).sampling.num_samples, name
