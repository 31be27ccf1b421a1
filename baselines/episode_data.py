"""Recorded episodes as tensors to learn from.

* ``EpisodeData`` - steps of episodes, one behind the other
* ``read_files`` - reads episodes, and checks that they fit an environment
* ``as_data`` - lays them out
* ``returns_to_go`` - what is still to come
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

from telos.baselines.action_heads import ActionHead
from telos.baselines.networks import ObservationEncoder
from telos.baselines.recording import MASK_BEFORE
from telos.wrappers import Episode, load_episodes, relabel

__all__ = ["EpisodeData", "as_data", "read_files", "returns_to_go"]

_IMPOSSIBLE = -1e8
"""Log probability below which an action is forbidden by its mask."""


@dataclass(frozen=True, eq=False)
class EpisodeData:
    """E episodes with S steps in all.

    Attributes:
        observations: Before each step, ``(S, *shape)``.
        actions: Counted from 0, as the head has them, ``(S, *head.shape)``.
        masks: Actions that were allowed, bool ``(S, entries)``; None if the data do not say.
        rewards: Float64 ``(S,)``, after reward wrappers.
        learnable: Bool ``(S,)``: False in steps that must not be learned from.
        starts: Each episode's first step, int64 ``(E,)``.
        lengths: Steps of each, int64 ``(E,)``.
    """

    observations: Tensor
    actions: Tensor
    masks: Tensor | None
    rewards: Tensor
    learnable: Tensor
    starts: Tensor
    lengths: Tensor

    def __len__(self) -> int:
        """The number of episodes, E."""
        return len(self.lengths)

    @property
    def returns(self) -> Tensor:
        """Each episode's sum of rewards, float64 ``(E,)``."""
        return self.returns_to_go[self.starts]

    @cached_property
    def returns_to_go(self) -> Tensor:
        """The sum of the rewards of each step and those after it in its episode, float64 ``(S,)``."""
        return returns_to_go(self.rewards, self.lengths)

    @property
    def timesteps(self) -> Tensor:
        """The place of each step in its episode, from 0, int64 ``(S,)``."""
        return torch.arange(len(self.actions)) - self.starts.repeat_interleave(self.lengths)

    def pick(self, episodes: Tensor) -> EpisodeData:
        """Returns some episodes, in this order."""
        lengths = self.lengths[episodes]
        ends = lengths.cumsum(0)
        rows = torch.arange(int(lengths.sum())) + (self.starts[episodes] - ends + lengths).repeat_interleave(lengths)
        return EpisodeData(
            observations=self.observations[rows],
            actions=self.actions[rows],
            masks=None if self.masks is None else self.masks[rows],
            rewards=self.rewards[rows],
            learnable=self.learnable[rows],
            starts=ends - lengths,
            lengths=lengths,
        )

    def best(self, share: float) -> EpisodeData:
        """Returns the episodes of the highest return that together have this share of all steps, at least one.

        Source: Chen et al., Decision Transformer (NeurIPS 2021), section 5.1, percentile behaviour cloning.
        """
        if share >= 1.0:
            return self
        order = self.returns.argsort(descending=True, stable=True)
        before = self.lengths[order].cumsum(0) - self.lengths[order]
        return self.pick(order[before < share * self.lengths.sum()].sort().values)

    def split(self, share: float, seed: int) -> tuple[EpisodeData, EpisodeData | None]:
        """Returns episodes to learn from, and a share that is held out, drawn at random; None if the share is 0.

        At least one episode is held out, and one is left.

        Raises:
            ValueError: If there is only one, and one is to be held out.
        """
        if not share:
            return self, None
        if len(self) < 2:
            raise ValueError("there is only one episode, so none can be held out: give more, or --validation 0")
        count = min(max(round(share * len(self)), 1), len(self) - 1)
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))
        return self.pick(order[count:].sort().values), self.pick(order[:count].sort().values)


def returns_to_go(rewards: Tensor, lengths: Tensor) -> Tensor:
    """The sum of the rewards of each step and those after it in its episode, undiscounted.

    A truncated episode's is what it paid until then: nothing is known of what would have followed.

    Args:
        rewards: Of all episodes, one behind the other, float64 ``(S,)``.
        lengths: Steps of each episode, int64 ``(E,)``.

    Source: Chen et al., Decision Transformer (NeurIPS 2021), section 3.
    """
    parts = torch.split(rewards, lengths.tolist())
    return torch.cat([part.flip(0).cumsum(0).flip(0) for part in parts])


def read_files(
    paths: Sequence[str | Path], observation_space: spaces.Space[Any], action_space: spaces.Space[Any]
) -> tuple[list[Episode], str]:
    """Reads files of ``telos.wrappers.save_episodes`` that were recorded in an environment with these spaces.

    Returns:
        The episodes, and a hash of the files.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If one is another kind of file, or does not fit the spaces.
    """
    episodes: list[Episode] = []
    digest = hashlib.sha256()
    for path in paths:
        loaded = load_episodes(path)
        digest.update(Path(path).read_bytes())
        for episode in loaded:
            _check_fit(str(path), "observations", observation_space, episode.obs, len(episode) + 1)
            _check_fit(str(path), "actions", action_space, episode.actions, len(episode))
        episodes += loaded
    return episodes, digest.hexdigest()


def as_data(
    episodes: list[Episode], encode: ObservationEncoder, head: ActionHead, wrappers: Sequence[str] = ()
) -> EpisodeData:
    """Lays episodes out as tensors.

    Args:
        episodes: At least one.
        encode: What encodes their observations, on the CPU.
        head: Of their actions.
        wrappers: Specs of reward wrappers that pay instead of what was recorded, see ``telos.wrappers.specs``.

    Raises:
        ValueError: If a wrapper or a mask does not fit, or no step may be learned from.
    """
    observed = _joined([episode.obs for episode in episodes], drop_last=True)
    actions = torch.as_tensor(_joined([episode.actions for episode in episodes]))
    if not head.dtype.is_floating_point:
        actions = actions - head.to_env(torch.zeros(head.shape, dtype=head.dtype))
    actions, masks = actions.to(head.dtype), _masks(episodes, observed, encode, head)
    if masks is not None:
        forbidden = head.log_prob_and_entropy(torch.zeros(masks.shape), actions, masks)[0] < _IMPOSSIBLE
        if forbidden.any():
            raise ValueError(f"{int(forbidden.sum())} recorded actions are forbidden by their own action masks")
    learnable = torch.as_tensor(
        [bool(episode.info("trainable", t, True)) for episode in episodes for t in range(len(episode))]
    )
    if not learnable.any():
        raise ValueError("no recorded step may be learned from: all are marked as not trainable")
    lengths = torch.tensor([len(episode) for episode in episodes])
    return EpisodeData(
        observations=encode(observed),
        actions=actions,
        masks=masks,
        rewards=torch.as_tensor(np.concatenate(_paid(episodes, list(wrappers)))),
        learnable=learnable,
        starts=lengths.cumsum(0) - lengths,
        lengths=lengths,
    )


def _paid(episodes: list[Episode], wrappers: list[str]) -> list[NDArray[np.float64]]:
    """The rewards of each episode, as the wrappers would have a learner paid."""
    if not wrappers:
        return [np.asarray(episode.reward, np.float64) for episode in episodes]
    paid = []
    for relabelled in relabel(episodes, wrappers):
        hindsight = relabelled.info.get("hindsight")
        paid.append(np.asarray(relabelled.reward if hindsight is None else hindsight.reward, np.float64))
    return paid


def _masks(episodes: list[Episode], observed: Any, encode: ObservationEncoder, head: ActionHead) -> Tensor | None:
    """Actions that were allowed, as the observations or the recorder say; None if neither does."""
    masks = encode.action_mask(observed, {})
    if masks is None and any(episode.has_info(MASK_BEFORE) for episode in episodes):
        every = np.ones(head.outputs, np.bool_)
        rows = [np.reshape(e.info(MASK_BEFORE, t, every), -1) for e in episodes for t in range(len(e))]
        masks = torch.as_tensor(np.stack(rows) != 0)
    if masks is not None and masks.shape[1] != head.outputs:
        raise ValueError(
            f"recorded action masks have {masks.shape[1]} entries, and a policy has {head.outputs} outputs"
        )
    return masks


def _joined(parts: list[Any], drop_last: bool = False) -> Any:
    """Returns the values of all episodes one after the other, of each perhaps without the last."""
    if isinstance(parts[0], dict):
        return {key: _joined([part[key] for part in parts], drop_last) for key in parts[0]}
    if isinstance(parts[0], tuple):
        return tuple(_joined([part[k] for part in parts], drop_last) for k in range(len(parts[0])))
    return np.concatenate([part[:-1] if drop_last else part for part in parts])


def _check_fit(path: str, what: str, space: spaces.Space[Any], values: Any, steps: int) -> None:
    """Raises ``ValueError`` if recorded values are not from a space, as far as a network would notice."""
    wrong = _misfit(space, values, steps)
    if wrong:
        raise ValueError(f"{path} was not recorded in this environment: its {what} {wrong}, and the space is {space}")


def _misfit(space: spaces.Space[Any], values: Any, steps: int) -> str:
    """Says why values cannot be from a space; nothing if they can."""
    if values is None:
        return "are missing"
    if isinstance(space, (spaces.Dict, spaces.Tuple)):
        parts = dict(space.spaces if isinstance(space, spaces.Dict) else enumerate(space.spaces))
        given = values if isinstance(values, dict) else dict(enumerate(values)) if isinstance(values, tuple) else {}
        if set(given) != set(parts):
            return f"have the parts {sorted(map(str, given))}"
        return next((wrong for key, part in parts.items() if (wrong := _misfit(part, given[key], steps))), "")
    if not isinstance(values, np.ndarray):
        return f"have the parts {sorted(map(str, values)) if isinstance(values, dict) else len(values)}"
    if values.shape != (steps, *(space.shape or ())):
        return f"have the shape {values.shape[1:]}"
    whole = not (isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.floating))
    if whole and values.dtype.kind == "f":
        return f"are numbers of dtype {values.dtype}"
    if isinstance(space, (spaces.Discrete, spaces.MultiDiscrete)):
        size = space.n if isinstance(space, spaces.Discrete) else space.nvec
        if (values < space.start).any() or (values >= space.start + size).any():
            return f"go from {values.min()} to {values.max()}"
    return "" if np.isfinite(values).all() else "are not all finite"
