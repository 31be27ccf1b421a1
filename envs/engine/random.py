"""Counter-based random numbers: a draw is a pure function of seed, episode, step, purpose and index.

So a trajectory depends on nothing but its seed and its actions: not on batch size, order, threads, device or
``PYTHONHASHSEED``; and two policies can be compared under the same luck. The mixing function is the finaliser of
SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014, with Stafford's
"Mix13" constants).

A family names its purposes once, as module constants, so that a new purpose shifts no other draw::

    START, TRANSITION = 0, 1
    u = uniform(key, TRANSITION, arm)
"""

from __future__ import annotations

import math

import numpy as np

from telos.envs.engine.rules import rule

__all__ = ["bits", "categorical", "episode_key", "integer", "standard_normal", "step_key", "uniform"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLIER_1 = np.uint64(0xBF58476D1CE4E5B9)
_MULTIPLIER_2 = np.uint64(0x94D049BB133111EB)
_SHIFT_1, _SHIFT_2, _SHIFT_3 = np.uint64(30), np.uint64(27), np.uint64(31)
_PURPOSE_SHIFT = np.uint64(40)
_MANTISSA_SHIFT = np.uint64(11)
_ULP = 2.0**-53
#: Taylor's series of ``sin(2 pi x) / x`` in ``x ** 2``, the highest power first.
_SINE_SERIES = tuple((-1) ** k * math.tau ** (2 * k + 1) / math.factorial(2 * k + 1) for k in range(8, -1, -1))


@rule
def _mix(value):
    value = (value ^ (value >> _SHIFT_1)) * _MULTIPLIER_1
    value = (value ^ (value >> _SHIFT_2)) * _MULTIPLIER_2
    return value ^ (value >> _SHIFT_3)


@rule
def episode_key(seed, episode):
    """The key of an episode: ``seed`` and ``episode`` are uint64."""
    return _mix(_mix(seed + _GOLDEN) ^ (episode * _MULTIPLIER_2 + _GOLDEN))


@rule
def step_key(key, step):
    """The key of a step within an episode; step 0 is the reset."""
    return _mix(key + np.uint64(step) * _GOLDEN)


@rule
def bits(key, purpose, index):
    """64 random bits for ``purpose`` (below 2**24) and ``index`` (below 2**40) under a step's key."""
    counter = (np.uint64(purpose) << _PURPOSE_SHIFT) | np.uint64(index)
    return _mix(key + (counter + np.uint64(1)) * _GOLDEN)


@rule
def uniform(key, purpose, index):
    """A float64 in [0, 1) with 53 random bits."""
    return float(bits(key, purpose, index) >> _MANTISSA_SHIFT) * _ULP


@rule
def integer(key, purpose, index, size):
    """An int64 in [0, size); the bias is below ``size / 2**53``."""
    return int(uniform(key, purpose, index) * size)


@rule
def _cosine(turns):
    """The cosine of an angle in [0, 1) turns, within 5e-14: five times as fast as the C library's."""
    x = abs(turns - 0.5) - 0.25  # a sine's, in [-1/4, 1/4]
    square = x * x
    series = 0.0
    for coefficient in _SINE_SERIES:
        series = series * square + coefficient
    return series * x


@rule
def standard_normal(key, purpose, index):
    """A float64 with mean 0 and standard deviation 1, within 8.6 of 0.

    Box and Muller's transform of the uniform draws ``2 * index`` and ``2 * index + 1``.
    """
    radius = math.sqrt(-2.0 * math.log(1.0 - uniform(key, purpose, 2 * index)))
    return radius * _cosine(uniform(key, purpose, 2 * index + 1))


@rule
def categorical(cumulative, u):
    """The first entry whose cumulative probability is above ``u``, a uniform draw; the last one is not looked at."""
    entry = 0
    # Without a branch out of the loop, which would be taken at random.
    for k in range(cumulative.shape[0] - 1):
        entry += u >= cumulative[k]
    return entry
