import tracemalloc

import numpy as np
import pytest

from compute_aligned.method import resampling
from compute_aligned.method.resampling import resampled_means


def test_means_are_those_of_resamples_with_replacement():
    values = np.random.default_rng(1).normal(size=7)
    means, _ = resampled_means(values, num_bootstrap=50, seed=3)
    drawn = np.random.default_rng(3).integers(7, size=(50, 7))
    np.testing.assert_allclose(means, values[drawn].mean(axis=1), rtol=1e-12)


def test_inverse_chi_squares_have_their_mean_and_spread():
    _, inflation = resampled_means(np.arange(21.0), num_bootstrap=20_000, seed=3)
    chi_squares = 20 / inflation
    assert chi_squares.mean() == pytest.approx(20, abs=0.2)  # 4 standard errors
    assert chi_squares.var() == pytest.approx(40, rel=0.05)


@pytest.mark.parametrize("block", [1, 40, 1000, 12_345])
def test_blocks_of_draws_draw_the_same(monkeypatch, block):
    values = np.random.default_rng(1).normal(size=40)
    kept = resampled_means(values, num_bootstrap=400, seed=5)
    monkeypatch.setattr(resampling, "BLOCK_DRAWS", block)
    monkeypatch.setattr(resampling, "KEPT_DRAWS", 0)
    monkeypatch.setattr(resampling, "kept_resampling", pytest.fail)

    in_blocks = resampled_means(values, num_bootstrap=400, seed=5)
    np.testing.assert_allclose(in_blocks, kept, rtol=0, atol=1e-14)


def test_memory_does_not_grow_with_problems_beyond_a_block():
    tracemalloc.start()
    resampled_means(np.arange(200_000.0), num_bootstrap=200, seed=5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30e6  # an array of all draws would be 320 MB
