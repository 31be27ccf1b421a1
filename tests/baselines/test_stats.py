"""Interquartile means, bootstrap intervals, profiles, probability of improvement and pass@k."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from telos.baselines.stats import (
    Interval,
    bootstrap_interval,
    bootstrap_mean,
    iqm,
    pass_at_k,
    performance_profile,
    probability_of_improvement,
)

# Scores of rliable's own tests (tests/rliable/metrics_test.py): runs x tasks.
THEIR_X = np.array([[1, 2], [2, 2], [1, 1], [2, 1]])
THEIR_Y = np.array([[1, 1], [2, 2], [3, 3]])


def spread(runs, tasks, offset=0.0):
    """Scores in [0, 1) from multiples of the golden ratio: the same on every machine."""
    return (np.arange(1, runs * tasks + 1).reshape(runs, tasks) * 0.6180339887498949 + offset) % 1.0


def limits(interval):
    return [interval.low, interval.high]


@pytest.mark.parametrize("count", range(1, 25))
def test_iqm_as_scipy(count):
    scores = np.random.default_rng(count).exponential(size=(6, count))
    assert iqm(scores) == pytest.approx(stats.trim_mean(scores, 0.25, axis=-1))
    assert iqm(scores[0]) == pytest.approx(stats.trim_mean(scores[0], 0.25))


def test_iqm_by_hand():
    assert iqm([7, 1, 100, 3, 5, -50, 2, 4]) == (2 + 3 + 4 + 5) / 4
    assert iqm([5.0]) == 5.0


def test_published_values():
    assert bootstrap_interval(THEIR_X).estimate == 1.5
    assert bootstrap_interval(THEIR_Y).estimate == 2.0
    assert probability_of_improvement(THEIR_X, THEIR_Y).estimate == pytest.approx(1 / 3)


def test_as_rliable():
    """Recorded from rliable 1.2.0, with 3,000 to 20,000 resamples."""
    found = bootstrap_interval(np.random.default_rng(0).random((10, 20)))
    assert found.estimate == pytest.approx(0.55555501, abs=1e-8)
    assert limits(found) == pytest.approx([0.50039, 0.61080], abs=0.003)
    found = bootstrap_interval(spread(10, 20) ** 2)
    assert found.estimate == pytest.approx(0.2735336474917018)
    assert limits(found) == pytest.approx([0.22032, 0.33197], abs=0.002)
    found = probability_of_improvement(spread(10, 20) ** 2, spread(8, 20, 0.1))
    assert found.estimate == pytest.approx(0.345)
    assert limits(found) == pytest.approx([0.28875, 0.40439], abs=0.004)
    profile = performance_profile(spread(10, 20) ** 2, [0.0, 0.25, 0.5, 0.75, 1.0], resamples=5_000)
    assert profile.share == pytest.approx([1.0, 0.505, 0.295, 0.135, 0.0])
    assert profile.low == pytest.approx([1.0, 0.44, 0.235, 0.09, 0.0], abs=0.006)
    assert profile.high == pytest.approx([1.0, 0.575, 0.36, 0.185, 0.0], abs=0.006)


def test_mean_as_scipy():
    values = np.random.default_rng(0).exponential(size=30)
    found = bootstrap_mean(values, resamples=50_000)
    other = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=50_000, rng=1).confidence_interval
    assert found.estimate == values.mean()
    assert limits(found) == pytest.approx([other.low, other.high], abs=0.01)


def test_all_resamples():
    """Of four runs there are 256 resamples."""
    scores = np.array([0.3, 1.1, 2.7, 4.0])
    every = iqm(np.array(list(itertools.product(scores, repeat=4))))
    found = bootstrap_interval(scores, level=0.8, resamples=100_000)
    assert limits(found) == pytest.approx(np.quantile(every, [0.1, 0.9]), abs=0.01)


def test_tasks_are_drawn_apart():
    scores = np.tile([0.0, 10.0, 30.0], (6, 1))
    assert bootstrap_mean(scores.ravel()).high > bootstrap_mean(scores.ravel()).low + 5
    found = bootstrap_interval(scores, lambda drawn: drawn.mean(axis=-1))
    assert limits(found) == pytest.approx([40 / 3, 40 / 3])


def test_any_statistic():
    scores = spread(9, 3)
    found = bootstrap_interval(scores, lambda drawn: drawn.max(axis=-1))
    assert found.estimate == found.high == scores.max()
    assert found.low < scores.max()


def test_numbers_of_runs_may_differ():
    scores = spread(7, 4)
    assert bootstrap_interval(list(scores.T)) == bootstrap_interval(scores)
    ragged = [spread(3, 1).ravel(), spread(9, 1, 0.3).ravel()]
    assert bootstrap_interval(ragged).estimate == iqm(np.concatenate(ragged))
    profile = performance_profile(ragged, [0.2])
    assert profile.share[0] == pytest.approx(np.mean([(task > 0.2).mean() for task in ragged]))


def test_probability_of_improvement_pair_by_pair():
    rng = np.random.default_rng(2)
    ours, theirs = rng.integers(5, size=(6, 3)), rng.integers(5, size=(8, 3))
    pairs = [
        1.0 if x > y else 0.5 if x == y else 0.0 for task in range(3) for x in ours[:, task] for y in theirs[:, task]
    ]
    found = probability_of_improvement(ours, theirs)
    assert found.estimate == pytest.approx(np.mean(pairs))
    other = stats.mannwhitneyu(ours, theirs, axis=0).statistic / (6 * 8)
    assert found.estimate == pytest.approx(other.mean())
    assert found.low < found.estimate < found.high
    assert probability_of_improvement(theirs, ours).estimate == pytest.approx(1.0 - found.estimate)


def test_probability_of_improvement_draws_both():
    """Two runs each: of the 16 resamples, 1 in 4 of ours is all better, 1 in 4 all worse, against any of theirs."""
    found = probability_of_improvement([0.0, 2.0], [1.0, 1.5], level=0.9)
    assert (found.estimate, found.low, found.high) == (0.5, 0.0, 1.0)
    certain = probability_of_improvement([3.0, 4.0, 5.0], [0.0, 1.0])
    assert (certain.estimate, certain.low, certain.high) == (1.0, 1.0, 1.0)


def test_profile_counts_runs_above():
    profile = performance_profile([1.0, 2.0, 2.0, 4.0], [0.0, 1.0, 2.0, 4.0])
    assert profile.share.tolist() == [1.0, 0.75, 0.25, 0.0]
    assert (profile.low <= profile.share).all()
    assert (profile.high >= profile.share).all()


@pytest.mark.parametrize(("runs", "share"), [(3, 0.75), (5, 0.90), (10, 0.93), (40, 0.95)])
def test_how_often_the_interval_covers(runs, share):
    """As docs/comparing.md says."""
    rng = np.random.default_rng(1)
    found = [bootstrap_interval(rng.normal(size=runs), resamples=500) for _ in range(600)]
    assert np.mean([each.low <= 0.0 <= each.high for each in found]) == pytest.approx(share, abs=0.04)


def test_seeds():
    scores = spread(5, 2)
    assert bootstrap_interval(scores, seed=3) == bootstrap_interval(scores, seed=3)
    assert bootstrap_interval(scores, seed=3) != bootstrap_interval(scores, seed=4)
    assert probability_of_improvement(scores, spread(5, 2, 0.2)) == probability_of_improvement(
        scores, spread(5, 2, 0.2)
    )


def test_text():
    assert f"{bootstrap_mean([0.5, 0.5])}" == "0.500 [0.500, 0.500]"
    assert f"{Interval(2.0, 1.25, 3.0):.1f}" == "2.0 [1.2, 3.0]"


@pytest.mark.parametrize(
    "scores", [[1.0], [], [1.0, np.nan], [[1.0, 2.0], [3.0]], np.ones((1, 4)), np.ones((2, 2, 2)), [1.0, np.inf]]
)
def test_unfit_scores_are_refused(scores):
    with pytest.raises(ValueError, match="two finite values"):
        bootstrap_interval(scores)
    with pytest.raises(ValueError, match="two finite values"):
        performance_profile(scores, [0.0])


def test_unfit_arguments_are_refused():
    with pytest.raises(ValueError, match="level"):
        bootstrap_mean([1.0, 2.0], level=1.0)
    with pytest.raises(ValueError, match="resamples"):
        bootstrap_interval([1.0, 2.0], resamples=0)
    with pytest.raises(ValueError, match="two finite values"):
        bootstrap_mean([[1.0, 2.0]])
    with pytest.raises(ValueError, match="same tasks"):
        probability_of_improvement(np.ones((2, 3)), np.ones((2, 2)))


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_pass_at_k_is_the_share_of_draws_that_succeed(k):
    """Of all sets of k among 5 tries; and unbiased: over all outcomes of 5 tries it is the probability itself."""
    chosen = list(itertools.combinations(range(5), k))
    by_count = [np.mean([min(tries) < solved for tries in chosen]) for solved in range(6)]
    found = pass_at_k(5, np.arange(6), k)
    assert found == pytest.approx(by_count)
    p = 0.3
    odds = [math.comb(5, solved) * p**solved * (1 - p) ** (5 - solved) for solved in range(6)]
    assert odds @ found == pytest.approx(1 - (1 - p) ** k)


def test_pass_at_k_of_many_tries():
    assert pass_at_k(100_000, 1, 50_000) == pytest.approx(0.5)
    assert pass_at_k(16, [[0, 16], [1, 15]], 16).tolist() == [[0.0, 1.0], [1.0, 1.0]]


@pytest.mark.parametrize(("tries", "successes", "k"), [(4, [1], 5), (4, [1], 0), (4, [5], 2), (4, [-1], 2)])
def test_pass_at_k_refuses_what_cannot_be(tries, successes, k):
    with pytest.raises(ValueError, match=r"must be from"):
        pass_at_k(tries, successes, k)
