import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from compute_aligned.config.settings import Decoding
from compute_aligned.models.rollouts import invert, token_distribution


def distribution_by_hand(
    logits: list[float], temperature: float, top_k: int, top_p: float
) -> list[float]:
    """Keep the top k, then the fewest most likely tokens that together reach top_p."""
    order = sorted(range(len(logits)), key=lambda token: -logits[token])
    kept = order[: top_k or len(order)]
    mass = {token: math.exp(logits[token] / temperature) for token in kept}
    total = sum(mass.values())
    nucleus: list[int] = []
    for token in kept:
        nucleus.append(token)
        if sum(mass[t] for t in nucleus) >= top_p * total:
            break
    total = sum(mass[token] for token in nucleus)
    return [mass[t] / total if t in nucleus else 0.0 for t in range(len(logits))]


@pytest.mark.parametrize("temperature", [0.7, 1.0, 1.3])
@pytest.mark.parametrize(("top_k", "top_p"), [(0, 1.0), (3, 1.0), (0, 0.8), (4, 0.6)])
def test_the_distribution_is_the_softmax_cut_by_top_k_and_then_by_top_p(
    temperature: float, top_k: int, top_p: float
) -> None:
    settings = Decoding(temperature=temperature, top_k=top_k, top_p=top_p, max_new_tokens=1)
    logits = torch.tensor([[0.3, 2.0, -1.1, 1.2, 0.9, -3.0], [1.0, 0.2, 2.5, 2.4, -0.5, 0.0]])

    found = token_distribution(logits, settings)

    expected = [distribution_by_hand(row, temperature, top_k, top_p) for row in logits.tolist()]
    assert found.dtype == torch.float64
    torch.testing.assert_close(
        found, torch.tensor(expected, dtype=torch.float64), rtol=1e-6, atol=0
    )


def test_evenly_spread_noise_draws_every_token_as_often_as_it_is_likely() -> None:
    probabilities = torch.tensor([0.125, 0.0, 0.5, 0.25, 0.125], dtype=torch.float64)
    noise = (torch.arange(800, dtype=torch.float64) + 0.5) / 800

    drawn = invert(probabilities.expand(800, -1), noise)

    assert torch.bincount(drawn, minlength=5).tolist() == [100, 0, 400, 200, 100]
    assert drawn.tolist() == sorted(drawn.tolist())


def test_draws_may_be_several_from_a_row_and_from_any_row() -> None:
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.softmax(torch.randn(6, 40, generator=generator).double(), -1)
    noise = torch.rand(6, 4, generator=generator, dtype=torch.float64)
    rows = torch.tensor([2, 0, 2, 1, 5, 2])

    one_by_one = [invert(probabilities, column) for column in noise.T]
    assert torch.equal(invert(probabilities, noise), torch.stack(one_by_one, dim=1))
    picked = invert(probabilities[rows], noise[:, 0])
    assert torch.equal(invert(probabilities, noise[:, 0], rows), picked)


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=9).filter(any),
    st.one_of(st.floats(0, 1, exclude_max=True), st.sampled_from([0.0, math.nextafter(1, 0)])),
)
def test_a_token_of_probability_0_is_never_drawn(masses: list[float], noise: float) -> None:
    probabilities = torch.tensor([masses], dtype=torch.float64)
    probabilities = probabilities / probabilities.sum()

    drawn = invert(probabilities, torch.tensor([noise], dtype=torch.float64)).item()

    assert probabilities[0, drawn] > 0
