import math

import pytest
import torch
from support import tiny
from train.training import MARGIN, examples, settings

from compute_aligned.method.strategies import PassAtN, SingleSample, Strategy
from compute_aligned.models.log_probs import completion_logits
from compute_aligned.models.tokens import Batch, collate
from compute_aligned.train.losses import (
    entropies,
    example_losses,
    rival_noise,
    uniform_losses,
)

LOGITS = 3 * torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
MASK = torch.tensor([[True, True, True], [True, False, False]])


def masked_at(token: int) -> torch.Tensor:
    """The logits with a token that is never written."""
    return LOGITS.index_fill(-1, torch.tensor(token), -torch.inf)


def without(token: int) -> torch.Tensor:
    """The logits without that token."""
    return LOGITS[..., [i for i in range(5) if i != token]]


def test_the_uniform_loss_makes_textbook_label_smoothing_of_cross_entropy() -> None:
    targets, share = torch.tensor([[0, 4, 2], [1, 3, 3]]), 0.3
    expected = torch.nn.functional.cross_entropy(
        LOGITS.flatten(0, 1), targets.flatten(), reduction="none", label_smoothing=share
    )
    log_p = torch.log_softmax(LOGITS, -1).gather(-1, targets.unsqueeze(-1)).squeeze(-1)

    of_targets = -torch.where(MASK, log_p, 0.0).sum(-1)
    found = (1 - share) * of_targets + share * uniform_losses(LOGITS, MASK)

    torch.testing.assert_close(found, (expected.view(2, 3) * MASK).sum(-1))


def test_the_entropy_is_that_of_every_tokens_distribution() -> None:
    expected = torch.distributions.Categorical(logits=LOGITS).entropy()

    torch.testing.assert_close(entropies(LOGITS, MASK), (expected * MASK).sum(-1))
    even = torch.zeros(1, 2, 8)
    assert entropies(even, torch.ones(1, 2).bool()).item() == pytest.approx(2 * math.log(8))


@pytest.mark.parametrize("loss", [uniform_losses, entropies])
def test_a_token_that_is_never_written_is_no_part_of_the_vocabulary(loss: object) -> None:
    logits = masked_at(2).requires_grad_()
    found = loss(logits, MASK)  # type: ignore[operator]
    (gradient,) = torch.autograd.grad(found.sum(), logits)

    torch.testing.assert_close(found, loss(without(2), MASK))  # type: ignore[operator]
    assert gradient.isfinite().all()
    assert (gradient[..., 2] == 0).all()
    assert (gradient[1, 1:] == 0).all()  # padding


def a_part() -> tuple[object, Batch, list]:
    model, tokenizer = tiny.build()
    batch = examples(tokenizer, 4)
    prompts, completions = zip(*batch, strict=True)
    return model, collate(prompts, completions, tokenizer.pad_token_id), batch


@pytest.mark.parametrize("strategy", [SingleSample(), PassAtN(n=16)], ids=repr)
def test_the_loss_is_what_its_parts_add_up_to_whatever_the_strategy(strategy: Strategy) -> None:
    model, part, batch = a_part()
    how = settings(**MARGIN, label_smoothing=0.2, entropy_bonus=0.5)
    noise = rival_noise(how, batch, seed=5, step=0)
    mask, logits = part.completion_mask.bool(), completion_logits(model, part)
    log_p, margin = (
        example_losses(model, part, strategy, each, noise)
        for each in (settings(), settings(margin_share=1.0, rival_tokens=3))
    )

    found = example_losses(model, part, strategy, how, noise)[1]

    of_strategy = strategy.sft_loss(log_p[0])
    expected = 0.55 * of_strategy + 0.25 * margin[1] + 0.2 * uniform_losses(logits, mask)
    torch.testing.assert_close(found, expected - 0.5 * entropies(logits, mask))
    assert how.weight_scale == pytest.approx(0.55)
