import numpy as np
import pytest
import torch
from scipy import stats

from compute_aligned.method.foresight import (
    Kind,
    is_constant,
    kinds_of,
    posterior_log_p,
    weight,
    weight_range,
)
from compute_aligned.method.strategies import (
    BestOfN,
    MajorityVote,
    PassAtN,
    SingleSample,
    Strategy,
)


def density_at_mode(n: int, k: int) -> float:
    return float(stats.beta.pdf((k - 1) / (n - 1), k, n - k + 1))


@pytest.mark.parametrize(
    ("strategy", "kind", "largest"),
    [
        *((PassAtN(n=n), kind, 1.0) for n in (2, 64) for kind in ("sft", "log")),
        *((MajorityVote(n=n, k=k), "sft", k) for n, k in ((8, 3), (64, 26), (9, 8))),
        *((PassAtN(n=n), "raw", n) for n in (2, 64, 4096)),
        (BestOfN(n=8), "sft", 1.0),
        *((MajorityVote(n=n, k=k), "raw", density_at_mode(n, k)) for n, k in ((8, 5), (64, 26))),
    ],
)
def test_weights_range_from_0_to_their_limit_or_the_height_of_their_density(
    strategy: Strategy, kind: Kind, largest: float
) -> None:
    assert weight_range(strategy, kind) == pytest.approx((0, largest), rel=1e-4, abs=1e-12)
    assert not is_constant(strategy)


@pytest.mark.parametrize("strategy", [SingleSample(), MajorityVote(n=8, k=8), PassAtN(n=1)])
def test_some_weights_are_the_same_everywhere(strategy: Strategy) -> None:
    assert is_constant(strategy)


def test_in_reinforcement_learning_best_of_n_has_no_weight_that_p_decides() -> None:
    assert kinds_of(BestOfN(n=4)) == ["sft"]
    assert kinds_of(PassAtN(n=4)) == ["sft", "log", "raw"]


@pytest.mark.parametrize(("correct", "samples"), [(0, 16), (3, 16), (16, 16), (40, 64)])
@pytest.mark.parametrize("strategy", [PassAtN(n=16), MajorityVote(n=8, k=3)])
def test_means_over_the_posterior_are_integrals_over_the_beta_density(
    strategy: Strategy, correct: int, samples: int
) -> None:
    log_p = torch.from_numpy(posterior_log_p([correct], [samples], 2000))[0]

    # p = sin(a)^2: the density times dp is then smooth at both ends
    angles = (np.arange(100_000) + 0.5) * np.pi / 200_000
    p = np.sin(angles) ** 2
    density = stats.beta.pdf(p, correct + 0.5, samples - correct + 0.5)
    measure = density * 2 * np.sin(angles) * np.cos(angles) * np.pi / 200_000
    assert measure.sum() == pytest.approx(1)
    weights = weight(strategy, torch.from_numpy(np.log(p)), "sft").numpy()
    found = weight(strategy, log_p, "sft").mean().item()
    assert found == pytest.approx(weights @ measure, abs=2e-4)
    assert log_p.exp().mean().item() == pytest.approx((correct + 0.5) / (samples + 1), rel=1e-3)
