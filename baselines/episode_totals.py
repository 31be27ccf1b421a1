"""What whole episodes paid, by reward term.

* ``EpisodeTotals`` - each finished episode's length and the sums of its reward terms
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from numpy.typing import NDArray

from telos.envs.engine.arrays import on_host
from telos.wrappers.arrays import arrays_of
from telos.wrappers.infos import VectorInfo

__all__ = ["EpisodeTotals"]


class EpisodeTotals(VectorWrapper[Any, Any, Any, Any, Any]):
    """Sums the reward terms of each episode, at the place in the stack where it is put.

    Below the reward wrappers it logs what these cannot touch, above them what they pay.

    Args:
        env: A vector environment; one that names no reward terms pays one, ``reward``. Its arrays may be NumPy's or
            PyTorch's.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        super().__init__(env)
        self._next_step = env.metadata.get("autoreset_mode") is AutoresetMode.NEXT_STEP
        self._begin(np.zeros(self.num_envs))

    def _begin(self, like: Any) -> None:
        xp = arrays_of(like)
        self._sums: dict[str, Any] = {}
        self._lengths = xp.zeros(self.num_envs, dtype=xp.int64)
        self._waiting = xp.zeros(self.num_envs, dtype=xp.bool)
        self._finished: list[dict[str, Any]] = []
        self._library = xp.array_type

    def _clear(self, rows: Any) -> None:
        self._sums = {name: total * ~rows for name, total in self._sums.items()}
        self._lengths = self._lengths * ~rows

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begins episodes; unfinished ones are not counted."""
        mask = (options or {}).get("reset_mask")
        if mask is None:
            self._begin(self._lengths)
        else:
            mask = arrays_of(self._lengths).asarray(mask)
            self._clear(mask)
            self._waiting = self._waiting & ~mask
        return super().reset(seed=seed, options=options)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Takes a step, and sums up the episodes that it ends."""
        observation, rewards, terminated, truncated, infos = super().step(actions)
        if not isinstance(rewards, self._library):
            self._begin(rewards)
        xp, active = arrays_of(rewards), ~self._waiting
        for name, values in VectorInfo(infos, self.num_envs, xp).read_terms(rewards, active).items():
            # Not in place: arrays with the same content may be handed out again.
            earned = xp.where(active, values, 0.0) if self._next_step else values
            self._sums[name] = self._sums.get(name, xp.zeros(self.num_envs)) + earned
        self._lengths = self._lengths + active
        done = (terminated | truncated) & active
        if done.any():
            totals = {"row": xp.asarray(np.arange(self.num_envs)), "length": self._lengths, **self._sums}
            self._finished.append({name: total[done] for name, total in totals.items()})
            self._clear(done)
        if self._next_step:
            self._waiting = done
        return observation, rewards, terminated, truncated, infos

    def take(self) -> dict[str, NDArray[Any]]:
        """Hands out the episodes that ended since the last call, in the order of their ends.

        Returns:
            One entry an episode in each array: ``row``, the environment, and ``length``, its steps, int64; ``return``
            and each term's sum, float64. Empty if there are none.
        """
        finished, self._finished = self._finished, []
        if not finished:
            return {}
        row, length = (np.concatenate([on_host(part.pop(name)) for part in finished]) for name in ("row", "length"))
        names = dict.fromkeys(name for part in finished for name in part)
        counts = [len(next(iter(part.values()))) for part in finished]
        totals = {
            name: np.concatenate(
                [
                    on_host(part[name]).astype(np.float64) if name in part else np.zeros(count)
                    for part, count in zip(finished, counts, strict=True)
                ]
            )
            for name in names
        }
        return {"row": row, "length": length, "return": np.sum(list(totals.values()), axis=0), **totals}
