"""Counter-based random numbers: the published generator, uniformity, independence."""

import numpy as np
import pytest
from numba import njit
from scipy import stats

from telos.envs.engine.random import bits, episode_key, integer, step_key, uniform


@njit
def draws(seeds, episodes, steps, purposes, indexes):
    values = np.empty(seeds.size)
    for k in range(seeds.size):
        key = step_key(episode_key(seeds[k], episodes[k]), steps[k])
        values[k] = uniform(key, purposes[k], indexes[k])
    return values


@njit
def raw(key, purpose, index):
    return bits(np.uint64(key), purpose, index)


@njit
def integers(count, size):
    values = np.empty(count, np.int64)
    for k in range(count):
        values[k] = integer(np.uint64(7), 3, k, size)
    return values


VARIED = ("seeds", "episodes", "steps", "purposes", "indexes")


def columns(count, **varied):
    """Counters that are all zero but for some."""
    types = {"seeds": np.uint64, "episodes": np.uint64}
    return [varied.get(name, np.zeros(count)).astype(types.get(name, np.int64)) for name in VARIED]


def test_with_key_0_the_sequence_is_splitmix64_from_seed_0():
    """The first outputs that the generator's reference implementation is known for."""
    found = [int(raw(0, 0, index)) for index in range(3)]
    assert found == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


@pytest.mark.parametrize("varied", VARIED)
def test_draws_are_uniform_and_uncorrelated_along_every_counter(varied):
    count = 200_000
    values = draws(*columns(count, **{varied: np.arange(count)}))
    assert values.min() >= 0
    assert values.max() < 1
    assert stats.kstest(values, "uniform").pvalue > 1e-4
    for lag in (1, 2, 8, 256):
        assert abs(np.corrcoef(values[:-lag], values[lag:])[0, 1]) < 5 / np.sqrt(count)


@pytest.mark.parametrize("first", VARIED)
@pytest.mark.parametrize("second", VARIED)
def test_counters_do_not_stand_in_for_one_another(first, second):
    """Moving one counter from 0 to k is not moving another one."""
    if first == second:
        return
    at = np.arange(1, 1000)
    one, other = (draws(*columns(at.size, **{name: at})) for name in (first, second))
    assert np.intersect1d(one, other).size == 0


def test_integers_cover_their_range_evenly():
    values = integers(60_000, 6)
    assert set(values) == set(range(6))
    assert stats.chisquare(np.bincount(values)).pvalue > 1e-4
