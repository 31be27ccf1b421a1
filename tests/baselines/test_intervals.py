"""Confidence intervals of means."""

import numpy as np
import pytest
from scipy import stats

from telos.baselines.intervals import bootstrap_mean


def test_as_scipy():
    values = np.random.default_rng(0).exponential(size=30)
    found = bootstrap_mean(values, resamples=50_000)
    other = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=50_000, rng=1).confidence_interval
    assert found.mean == values.mean()
    assert [found.low, found.high] == pytest.approx([other.low, other.high], abs=0.01)


def test_the_interval_covers():
    rng = np.random.default_rng(1)
    found = [bootstrap_mean(rng.normal(size=40), level=0.9, resamples=500) for _ in range(300)]
    assert 0.82 < np.mean([each.low <= 0.0 <= each.high for each in found]) < 0.95


def test_text():
    assert f"{bootstrap_mean([0.5, 0.5])}" == "0.500 [0.500, 0.500]"
    assert f"{bootstrap_mean([2, 2]):.1f}" == "2.0 [2.0, 2.0]"


@pytest.mark.parametrize("values", [[1.0], [], [1.0, np.nan], [[1.0, 2.0]]])
def test_unfit_values_are_refused(values):
    with pytest.raises(ValueError, match="two finite values"):
        bootstrap_mean(values)
    with pytest.raises(ValueError, match="level"):
        bootstrap_mean([1.0, 2.0], level=1.0)
