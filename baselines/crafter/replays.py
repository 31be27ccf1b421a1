"""Replays of Crafter: what was done in an episode, from which all that happened follows.

* ``Replay`` - an episode that can be saved, loaded and played again
* ``Recorder``, ``ParallelRecorder`` - wrappers that record, for one agent and for several
* ``ReplayDivergedError`` - an episode went otherwise than it did
* ``whole_file`` - a file that is whole or not there

A replay is an ``.npz`` file: NumPy reads it without this module, its checksums find damage, and its compression brings
random actions to 5 bits each, close to what they hold, and play far below. Rewards are with the actions so that
another game, such as that of a later version, is not taken for the one that was played; most are 0 and take no room.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from pettingzoo.utils import BaseParallelWrapper

from telos.envs.crafter.env import parallel_env
from telos.envs.crafter.family import Crafter
from telos.envs.engine.batch import Snapshot

__all__ = ["ParallelRecorder", "Recorder", "Replay", "ReplayDivergedError", "whole_file"]

_FORMAT = "telos-crafter-replay-1"

Outcome = tuple[dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]


class ReplayDivergedError(RuntimeError):
    """An episode that is played again goes otherwise than it did."""


@dataclass(frozen=True, eq=False)
class Replay:
    """An episode, or the first part of one.

    Attributes:
        arguments: Of ``telos.envs.crafter.parallel_env``.
        seed: Of the environment.
        episode: Episodes since it was seeded; 0 is the seed's first.
        actions: uint8 ``(steps, agents)``, 0 where an agent is gone.
        rewards: float64 ``(steps, agents)``, 0 where an agent is gone.
    """

    arguments: Mapping[str, Any]
    seed: int
    episode: int
    actions: NDArray[np.uint8]
    rewards: NDArray[np.float64]

    def make_env(self, **changes: Any) -> parallel_env:
        """The environment in which it was played.

        Args:
            **changes: Arguments to change: none but ``obs``, ``view``, ``image_size`` and ``render_mode``, which leave
                the game as it is.
        """
        return parallel_env(**{**self.arguments, **changes})

    def play(self, env: Any) -> Iterator[Outcome]:
        """Plays it again.

        Args:
            env: What ``make_env`` returns, or a wrapper of that which leaves rewards and actions as they are.

        Yields:
            What ``env.step`` returns: observations, rewards, terminations, truncations and infos, by agent. First comes
            what there is after the reset, with no rewards, terminations and truncations.

        Raises:
            ReplayDivergedError: If rewards or the episode's end are not those that there were.
        """
        observations, infos = env.reset(seed=self.seed)
        for _ in range(self.episode):
            observations, infos = env.reset()
        yield observations, {}, {}, {}, infos
        columns = {agent: k for k, agent in enumerate(env.possible_agents)}
        for step, (actions, rewards) in enumerate(zip(self.actions, self.rewards, strict=True), start=1):
            if not env.agents:
                raise ReplayDivergedError(f"the episode ended after {step - 1} steps; it went on when it was recorded")
            outcome = env.step({agent: int(actions[columns[agent]]) for agent in env.agents})
            for agent, reward in outcome[1].items():
                recorded = float(rewards[columns[agent]])
                if reward != recorded:
                    raise ReplayDivergedError(
                        f"step {step} pays {agent} {reward}, and paid {recorded} when it was recorded: the rules of "
                        "this version of Telos, or the environment's wrappers, are others"
                    )
            yield outcome

    def save(self, path: str | Path) -> None:
        """Writes a file, whole or not at all."""
        origin = {"arguments": dict(self.arguments), "seed": self.seed, "episode": self.episode}
        text = json.dumps({"format": _FORMAT, **origin}, default=lambda value: value.tolist())
        with whole_file(Path(path)) as draft, draft.open("wb") as file:
            np.savez_compressed(
                file, allow_pickle=False, origin=np.array(text), actions=self.actions, rewards=self.rewards
            )

    @classmethod
    def load(cls, path: str | Path) -> Replay:
        """Reads what ``save`` wrote.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is another kind of file, or damaged.
        """
        with Path(path).open("rb") as file:
            try:
                with np.load(file, allow_pickle=False) as arrays:
                    origin = json.loads(str(arrays["origin"]))
                    actions, rewards = arrays["actions"], arrays["rewards"]
                if origin.pop("format") != _FORMAT or actions.ndim != 2 or actions.shape != rewards.shape:
                    raise ValueError("another format")
                return cls(**origin, actions=actions, rewards=rewards)
            except (ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
                raise ValueError(f"{path} is no replay of Crafter, or damaged ({error})") from error


@dataclass
class _Log:
    """What has been done since the last reset."""

    actions: list[list[int]] = field(default_factory=list)
    rewards: list[list[float]] = field(default_factory=list)

    def add(self, actions: Sequence[int], rewards: Sequence[float]) -> None:
        self.actions.append([int(action) for action in actions])
        self.rewards.append([float(reward) for reward in rewards])

    def replay(self, env: Any) -> Replay:
        family, clock = env.unwrapped.family, env.unwrapped.clone_state().clock
        if clock.step[0] != len(self.actions):
            raise RuntimeError(
                f"the episode has {clock.step[0]} steps, of which {len(self.actions)} were recorded: reset the "
                "environment through its recorder, and restore states through it, too"
            )
        shape = len(self.actions), len(family.agents)
        return Replay(
            family.arguments,
            int(clock.seed[0]),
            int(clock.episode[0]),
            np.array(self.actions, np.uint8).reshape(shape),
            np.array(self.rewards, np.float64).reshape(shape),
        )

    def copy(self) -> _Log:
        return _Log(self.actions.copy(), self.rewards.copy())


class Recorder(gym.Wrapper[Any, Any, Any, Any]):
    """Records the episodes of ``Crafter-v0``; put it right around what ``gym.make`` returns.

    Args:
        env: The environment.

    Raises:
        TypeError: If it is another one.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        _check_crafter(env)
        self._log = _Log()

    @property
    def replay(self) -> Replay:
        """The episode so far, or the last one if it is over.

        Raises:
            RuntimeError: If steps were taken, or states restored, past the recorder.
        """
        return self._log.replay(self.env)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begins an episode and its record."""
        self._log = _Log()
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Takes a step and records it."""
        outcome = self.env.step(action)
        self._log.add([action], [outcome[1]])  # type: ignore[list-item]  # Gymnasium's type of rewards is wider
        return outcome

    def clone_state(self) -> tuple[Snapshot, _Log]:
        """A copy of the environment's state and of the record."""
        return self.env.unwrapped.clone_state(), self._log.copy()  # type: ignore[attr-defined]

    def restore_state(self, snapshot: tuple[Snapshot, _Log]) -> None:
        """Goes back to a copy, which stays valid."""
        self.env.unwrapped.restore_state(snapshot[0])  # type: ignore[attr-defined]
        self._log = snapshot[1].copy()


class ParallelRecorder(BaseParallelWrapper[str, Any, Any]):  # type: ignore[misc]  # it has no types
    """The same for ``telos.envs.crafter.parallel_env``; put it right around that, within other wrappers."""

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        _check_crafter(env)
        self._log = _Log()

    @property
    def replay(self) -> Replay:
        """See :attr:`Recorder.replay`."""
        return self._log.replay(self.env)

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Begins an episode and its record."""
        self._log = _Log()
        result: tuple[dict[str, Any], dict[str, dict[str, Any]]] = self.env.reset(seed=seed, options=options)
        return result

    def step(self, actions: Mapping[str, Any]) -> Outcome:
        """Takes a step and records it."""
        acting = set(self.env.agents)
        outcome: Outcome = self.env.step(actions)
        everyone = self.env.possible_agents
        self._log.add(
            [actions[agent] if agent in acting else 0 for agent in everyone],
            [outcome[1].get(agent, 0.0) for agent in everyone],
        )
        return outcome

    def clone_state(self) -> tuple[Snapshot, _Log]:
        """See :meth:`Recorder.clone_state`."""
        return self.env.clone_state(), self._log.copy()

    def restore_state(self, snapshot: tuple[Snapshot, _Log]) -> None:
        """Goes back to a copy, which stays valid."""
        self.env.restore_state(snapshot[0])
        self._log = snapshot[1].copy()


def _check_crafter(env: Any) -> None:
    family = getattr(env.unwrapped, "family", None)
    if not isinstance(family, Crafter):
        raise TypeError(f"replays are of Crafter; {env.unwrapped} is another environment")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A draft to write to, with the same ending; it becomes the file unless an exception is raised, and goes if one is.

    Args:
        path: The file; its folder is made if need be.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".draft-{path.name}")
    try:
        yield draft
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
