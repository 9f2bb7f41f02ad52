import numpy as np
import pytest
import torch
from scipy import integrate, stats

from compute_aligned.files.errors import InputError
from compute_aligned.method.activity import (
    Kind,
    is_active,
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
        *((BestOfN(n=n), "raw", n) for n in (2, 8, 512)),
        (BestOfN(n=8), "sft", 1.0),
        *((MajorityVote(n=n, k=k), "raw", density_at_mode(n, k)) for n, k in ((8, 5), (64, 26))),
    ],
)
def test_weights_range_from_0_to_their_limit_or_the_height_of_their_density(
    strategy: Strategy, kind: Kind, largest: float
) -> None:
    assert weight_range(strategy, kind) == pytest.approx((0, largest), rel=1e-4, abs=1e-12)


@pytest.mark.parametrize(
    ("strategy", "kind", "inside", "outside"),
    [
        # 4 p (1-p)^3 / (1 - (1-p)^4) is .9 at p = .06602 and .1 at p = 2/3
        (PassAtN(n=4), "sft", (0.0661, 0.666), (0.0659, 0.667)),
        # n (1-p)^(n-1) / n: .9^(1/3) and .1^(1/3) of 1 - p
        (PassAtN(n=4), "raw", (0.0347, 0.535), (0.0345, 0.537)),
        (BestOfN(n=4), "raw", (0.465, 0.965), (0.463, 0.966)),
        # both flanks of a density, and not its top
        (MajorityVote(n=8, k=5), "raw", (0.3, 0.45, 0.75, 0.8), (0.1, 4 / 7, 0.97)),
    ],
)
def test_a_weight_is_active_between_a_tenth_and_nine_tenths_of_its_range(
    strategy: Strategy, kind: Kind, inside: tuple[float, ...], outside: tuple[float, ...]
) -> None:
    log_p = torch.tensor([*inside, *outside], dtype=torch.float64).log()

    expected = [True] * len(inside) + [False] * len(outside)
    assert is_active(strategy, log_p, kind).tolist() == expected
    share = weight(strategy, log_p, kind) / weight_range(strategy, kind)[1]
    assert ((share > 0.1) & (share < 0.9)).tolist() == expected


@pytest.mark.parametrize("strategy", [SingleSample(), MajorityVote(n=8, k=8), PassAtN(n=1)])
def test_a_weight_that_is_the_same_everywhere_is_never_active(strategy: Strategy) -> None:
    log_p = torch.linspace(-20, 0, 101, dtype=torch.float64)

    assert not is_active(strategy, log_p, "sft").any()


def test_a_form_that_a_strategy_lacks_is_refused() -> None:
    with pytest.raises(InputError, match="Best-of-4 has no log form"):
        is_active(BestOfN(n=4), torch.zeros(1), "log")


@pytest.mark.parametrize(("correct", "samples"), [(0, 16), (3, 16), (16, 16), (40, 64)])
@pytest.mark.parametrize("strategy", [PassAtN(n=16), MajorityVote(n=8, k=3)])
def test_means_over_the_posterior_are_integrals_over_the_beta_density(
    strategy: Strategy, correct: int, samples: int
) -> None:
    log_p = torch.from_numpy(posterior_log_p([correct], [samples], 2000))[0]
    beta = stats.beta(correct + 0.5, samples - correct + 0.5)
    # the density has a pole at an end: substituted by its own distribution function
    grid = np.linspace(0, 1, 20_001)[1:-1]
    at = torch.from_numpy(np.log(beta.ppf(grid)))

    for function in (
        lambda x: weight(strategy, x, "sft"),
        lambda x: is_active(strategy, x, "sft").double(),
    ):
        expected = integrate.trapezoid(function(at).numpy(), grid)
        assert function(log_p).mean().item() == pytest.approx(expected, abs=1e-3)
    assert np.exp(log_p.numpy()).mean() == pytest.approx((correct + 0.5) / (samples + 1), rel=1e-3)
