"""Arrays of long-term satisfaction: what all users share, and what each has of its own."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from telos.envs.engine.spread import Spread

__all__ = ["Floats", "Params", "State", "Users", "new_state"]

Floats = NDArray[np.float64]


class Params(NamedTuple):
    """Shared by all users. Scalar arrays unless a shape is given.

    Attributes:
        choc_means: Float64 ``(G,)``, mean engagement with pure clickbait in each group of users.
        kale_mean: Mean engagement with an item that is no clickbait.
        memory_discount: Share of the net positive exposure that is left after a step, in [0, 1).
        sensitivity: Slope of satisfaction in the net positive exposure.
        initial_exposure: First net positive exposure, in units of ``1 / (1 - memory_discount)``.
        choc_std: Float64, standard deviation of engagement with pure clickbait.
        kale_std: Float64, standard deviation of engagement with an item that is no clickbait.
        cue_std: Float64, standard deviation of the group cue.
        innovation_std: Float64, standard deviation of the noise of the net positive exposure.
        num_items: Int64, items to recommend; item k has the clickbait score ``k / num_items``.
        horizon: Int64, steps of an episode.
        observe_group: Bool, whether the group cue is observed.
        observe_user: Bool, whether the user's hidden numbers are.
        observe_time: Bool, whether the share of the horizon that has passed is.
    """

    choc_means: Floats
    kale_mean: Spread
    memory_discount: Spread
    sensitivity: Spread
    initial_exposure: Spread
    choc_std: Floats
    kale_std: Floats
    cue_std: Floats
    innovation_std: Floats
    num_items: NDArray[np.int64]
    horizon: NDArray[np.int64]
    observe_group: NDArray[np.bool_]
    observe_user: NDArray[np.bool_]
    observe_time: NDArray[np.bool_]


class State(NamedTuple):
    """Of ``n`` users, each array ``(n,)``.

    Attributes:
        memory_discount: Float64, in [0, 1).
        sensitivity: Float64, at least 0.
        choc_mean: Float64.
        kale_mean: Float64.
        cue: Float64, a noisy sight of ``choc_mean``.
        exposure: Float64, net positive exposure.
        engagement: Float64, with the last item; 0 at the start.
        time: Int64, steps taken in the episode.
    """

    memory_discount: Floats
    sensitivity: Floats
    choc_mean: Floats
    kale_mean: Floats
    cue: Floats
    exposure: Floats
    engagement: Floats
    time: NDArray[np.int64]


class Users(NamedTuple):
    """What is hidden of ``n`` users; each array float64 ``(n,)``, as in :class:`State`."""

    memory_discount: Floats
    sensitivity: Floats
    choc_mean: Floats
    kale_mean: Floats
    exposure: Floats

    @property
    def satisfaction(self) -> Floats:
        """Share of the full engagement that the next item gets, float64 ``(n,)`` in [0, 1]."""
        return np.asarray(1.0 / (1.0 + np.exp(-self.sensitivity * self.exposure)))


def new_state(num_envs: int) -> State:
    """Arrays for ``num_envs`` users."""
    floats = {name: np.zeros(num_envs) for name in State._fields if name != "time"}
    return State(**floats, time=np.zeros(num_envs, np.int64))
