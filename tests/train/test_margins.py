import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from compute_aligned.train.margins import draw_rivals, pairwise_losses, sequence_losses, step_noise

BELOW_1 = math.nextafter(1, 0)
LEVELS = st.one_of(st.floats(0, 1, exclude_max=True), st.sampled_from([0.0, BELOW_1]))


def loss_of(z_target: float, z_rival: float) -> float:
    """-log sigmoid(z_target - z_rival), from the definition."""
    return math.log1p(math.exp(z_rival - z_target))


def rival_probabilities(logits: list[float], target: int) -> dict[int, float]:
    masses = {token: math.exp(z) for token, z in enumerate(logits) if token != target}
    return {token: mass / sum(masses.values()) for token, mass in masses.items()}


# --- the loss ---------------------------------------------------------------------------------


def test_the_loss_is_the_mean_over_rivals_of_the_logistic_loss_of_the_lead() -> None:
    logits = torch.tensor([[2.0, 0.0, 1.0], [0.0, 3.0, 0.0]], dtype=torch.float64)
    targets, rivals = torch.tensor([0, 2]), torch.tensor([[1, 1, 2, 1], [1, 0, 1, 0]])

    found = pairwise_losses(logits, targets, rivals)

    # leads of 2, 2, 1, 2 and of -3, 0, -3, 0: log(1 + e^-2) is 0.12693, log(1 + e^3) is 3.04859
    first, second = (3 * 0.126928 + 0.313262) / 4, (2 * 3.048587 + 2 * math.log(2)) / 4
    assert found.tolist() == pytest.approx([first, second], abs=1e-6)


def test_its_gradient_is_that_of_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, 3, 5, dtype=torch.float64, generator=generator)
    targets = torch.randint(0, 5, (2, 3), generator=generator)
    rivals = draw_rivals(logits, targets, torch.rand(2, 3, 4, generator=generator).double())

    assert torch.autograd.gradcheck(
        lambda z: pairwise_losses(z, targets, rivals), logits.requires_grad_()
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [50.0, 1e4, 1e30])
def test_extreme_logits_give_the_lead_itself_or_nothing(size: float, dtype: torch.dtype) -> None:
    logits = torch.tensor([[size, -size, -size], [-size, size, size]], dtype=dtype)
    logits.requires_grad_()
    noise = torch.tensor([[0.0, BELOW_1]] * 2, dtype=torch.float64)
    targets = torch.tensor([0, 0])

    losses = pairwise_losses(logits, targets, draw_rivals(logits, targets, noise))
    losses.sum().backward()

    assert losses.tolist() == pytest.approx([0, 2 * size])
    assert logits.grad is not None
    assert logits.grad[:, 0].tolist() == pytest.approx([0, -1])
    assert logits.grad.isfinite().all()


def test_a_target_s_loss_is_the_sum_over_its_tokens_without_the_padding() -> None:
    logits = torch.tensor([[[2.0, 0.0], [1.0, 0.0]], [[0.5, 0.0], [9.0, -9.0]]])
    targets = torch.tensor([[0, 1], [1, 1]])
    mask = torch.tensor([[True, True], [True, False]])

    found = sequence_losses(logits, targets, mask, torch.rand(2, 3, 4))

    expected = [loss_of(2, 0) + loss_of(0, 1), loss_of(0, 0.5)]
    assert found.tolist() == pytest.approx(expected, rel=1e-6)


# --- the rivals -------------------------------------------------------------------------------


def test_rivals_are_as_frequent_as_the_model_finds_them_likely_without_the_target() -> None:
    logits = [0.3, 2.0, -1.1, 1.2]
    spread = ((torch.arange(10_000, dtype=torch.float64) + 0.5) / 10_000).reshape(2_500, 4)

    drawn = draw_rivals(
        torch.tensor(logits).expand(2_500, -1), torch.full((2_500,), 1), spread
    ).flatten()

    shares = torch.bincount(drawn, minlength=4) / 10_000
    expected = rival_probabilities(logits, 1)
    assert shares.tolist() == pytest.approx([expected.get(i, 0) for i in range(4)], abs=1e-4)


def test_the_mean_loss_is_the_expectation_over_all_that_could_be_drawn() -> None:
    logits, target, count = [0.3, 2.0, -1.1, 1.2], 3, 40_000
    chances = rival_probabilities(logits, target)
    outcomes = [
        (
            math.prod(chances[r] for r in rivals),
            sum(loss_of(logits[target], logits[r]) for r in rivals) / 4,
        )
        for rivals in itertools.product(chances, repeat=4)
    ]
    expected = sum(chance * loss for chance, loss in outcomes)
    variance = sum(chance * (loss - expected) ** 2 for chance, loss in outcomes)

    found = sequence_losses(
        torch.tensor([[logits]], dtype=torch.float64).expand(count, -1, -1),
        torch.full((count, 1), target),
        torch.ones(count, 1, dtype=torch.bool),
        step_noise(100, 0, (count, 1, 4)),
    )

    assert len(outcomes) == 3**4
    assert found.mean().item() == pytest.approx(expected, abs=4 * math.sqrt(variance / count))
    assert found.var().item() == pytest.approx(variance, rel=0.05)


@given(
    st.lists(st.one_of(st.floats(-1e4, 1e4), st.just(-math.inf)), min_size=2, max_size=7),
    st.data(),
)
def test_the_target_and_what_is_never_written_are_never_drawn(
    logits: list[float], data: st.DataObject
) -> None:
    target = data.draw(st.integers(0, len(logits) - 1))
    others = [z for token, z in enumerate(logits) if token != target and z > -math.inf]
    assume(others)
    levels = data.draw(st.lists(LEVELS, min_size=1, max_size=5))
    noise = torch.tensor([levels], dtype=torch.float64)

    drawn = draw_rivals(torch.tensor([logits]), torch.tensor([target]), noise)

    assert drawn.shape == noise.shape
    assert all(token != target and logits[token] > -math.inf for token in drawn[0].tolist())


def test_drawing_has_no_gradient_and_leaves_the_logits_as_they_are() -> None:
    logits = torch.randn(3, 5, requires_grad=True)
    before = logits.detach().clone()

    drawn = draw_rivals(logits, torch.tensor([0, 1, 2]), torch.rand(3, 4))

    assert not drawn.requires_grad
    assert torch.equal(logits.detach(), before)


def test_noise_is_a_function_of_seed_and_step_and_is_not_that_of_the_order_of_the_data() -> None:
    shape = (5, 3, 4)
    first = step_noise(100, 7, shape)

    assert torch.equal(first, step_noise(100, 7, shape))
    others = [step_noise(101, 7, shape), step_noise(100, 8, shape)]
    others.append(torch.from_numpy(np.random.default_rng([100, 7]).random(shape)))
    assert not any((first == other).any() for other in others)
    assert 0 <= first.min() < first.max() < 1
