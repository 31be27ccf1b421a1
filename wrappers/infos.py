"""How the faces read a step's ``info`` by row and write it back.

* ``SingleInfo`` - the dict of one environment, seen as a batch of one
* ``VectorInfo`` - the dict of arrays of a vector environment, with Gymnasium's ``_key`` masks and, under
  ``AutoresetMode.SAME_STEP``, with the finished episodes' part in ``info["final_info"]``
* ``AgentInfos`` - the dicts of a ``ParallelEnv``'s agents, a row each
* ``look_up`` - a key of an info, or a dotted path into the dicts that it holds
* ``trainable_rows`` - which rows of the last two may be learned from

All copy what they change, so the environment's own dicts stay as they were.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from telos.wrappers.arrays import NUMPY, Arrays
from telos.wrappers.terms import REWARD, Array, Terms, sum_terms

__all__ = ["TERMS", "AgentInfos", "SingleInfo", "VectorInfo", "by_row", "look_up", "row_of", "trainable_rows"]

TERMS = "reward_terms"
_PLAIN = (bool, int, float, np.ndarray, np.generic)


class SingleInfo:
    """The info of one environment's step.

    Attributes:
        out: The info to return, a shallow copy.
    """

    __slots__ = ("out",)

    def __init__(self, info: Mapping[str, Any]) -> None:
        self.out = dict(info)

    def get(self, key: str, default: Any) -> Array:
        """Returns what ``look_up`` finds, as an array of shape ``(1, ...)``."""
        return by_row([look_up(self.out, key, default)])

    def read_terms(self, reward: float) -> tuple[Terms, float]:
        """Returns the step's terms, each of shape ``(1,)``, the reward as one term if there are none; and their sum."""
        found: Mapping[str, Any] = self.out.get(TERMS) or {REWARD: float(reward)}
        column: Array = np.array(list(found.values()))[:, None]
        return dict(zip(found, column, strict=True)), sum_terms(found)

    def write(self, key: str, value: Any) -> None:
        """Sets ``info[key]`` to row 0 of ``value``, an array or a dict of such."""
        self.out[key] = row_of(value, 0)


def look_up(info: Mapping[str, Any], key: str, default: Any) -> Any:
    """Returns ``info[key]``; where there is no such key, ``info["a"]["b"]`` for ``"a.b"``; else ``default``."""
    if key in info:
        return info[key]
    outer, _, inner = key.partition(".")
    inside = info.get(outer)
    return look_up(inside, inner, default) if inner and isinstance(inside, Mapping) else default


def row_of(value: Any, row: int) -> Any:
    """Returns one row of an array, or of every array in nested dicts; numbers as Python's."""
    if isinstance(value, dict):
        return {key: row_of(part, row) for key, part in value.items()}
    item = value[row]
    # float32 stays a NumPy scalar: a vector environment would keep its dtype, too.
    return item.item() if isinstance(item, (np.float64, np.bool_, np.integer)) else item


def by_row(values: Sequence[Any]) -> Array:
    """Returns one value a row: numbers and arrays of one shape stacked, anything else as objects."""
    if all(isinstance(value, _PLAIN) for value in values) and len({np.shape(value) for value in values}) == 1:
        return np.stack([np.asarray(value) for value in values])
    boxed = np.empty(len(values), object)
    boxed[:] = values
    return boxed


class VectorInfo:
    """The infos of one vector step.

    Attributes:
        out: The infos to return: a copy down to what is written.
        in_final: Rows whose step is described in ``out["final_info"]``, shape ``(num_envs,)``, bool; None if there
            are none.
    """

    def __init__(self, infos: Mapping[str, Any], num_envs: int, xp: Arrays = NUMPY) -> None:
        self.out = dict(infos)
        self.num_envs = num_envs
        self.xp = xp
        self.in_final: Array | None = None
        self._final: dict[str, Any] = {}
        if isinstance(infos.get("final_info"), dict):
            self._final = self.out["final_info"] = dict(infos["final_info"])
            finals = self._rows(self.out, "final_info")
            # A native environment may leave the finished step's terms at the top, beside the rest.
            self.in_final = finals & (self._rows(self._final, TERMS) | ~self._rows(self.out, TERMS))

    def _rows(self, part: Mapping[str, Any], key: str) -> Array:
        """Returns the rows that have ``key``."""
        mask: Array | None = part.get(f"_{key}")
        if mask is None or key not in part:
            none: Array = self.xp.zeros(self.num_envs, dtype=self.xp.bool)
            return ~none if key in part else none
        return mask

    def has(self, key: str) -> bool:
        """Whether any row has ``key``."""
        return key in self.out or key in self._final

    def get(self, key: str, default: Any) -> Array:
        """Returns what ``look_up`` would find in each row.

        Returns:
            Shape ``(num_envs, ...)``, of a dtype that can hold both what was found and ``default``: whole numbers and
            truth values become floating beside NaN.
        """
        xp = self.xp
        # As an array: beside PyTorch's whole numbers a Python float would be float32.
        value: Array = xp.asarray(default, dtype=xp.float64 if isinstance(default, float) else None)
        for part, where in ((self.out, True), (self._final, self.in_final)):
            values, rows = self._look_up(part, key)
            if values is not None:
                values = xp.asarray(values)
                value = xp.where((rows & where).reshape(-1, *(1 for _ in values.shape[1:])), values, value)
        return value if len(value.shape) else xp.where(xp.zeros(self.num_envs, dtype=xp.bool), value, value)

    def _look_up(self, part: Mapping[str, Any], key: str) -> tuple[Any, Any]:
        """Returns the batch that a key, or a dotted path, leads to, None if to nothing; and the rows that have it."""
        if key in part:
            return part[key], self._rows(part, key)
        outer, _, inner = key.partition(".")
        if not inner or not isinstance(part.get(outer), Mapping):
            return None, None
        values, rows = self._look_up(part[outer], inner)
        return values, rows if values is None else rows & self._rows(part, outer)

    def read_terms(self, rewards: Array, active: Array) -> Terms:
        """Returns the terms, each of shape ``(num_envs,)``; in active rows without any, the reward as one term.

        Where no row is active and none has terms, there are none.
        """
        if self.in_final is None and TERMS in self.out:
            mask = self.out.get(f"_{TERMS}")
            if mask is None or bool((mask | ~active).all()):
                return self._values(self.out[TERMS])
        xp = self.xp
        terms: Terms = {}
        has: Array = xp.zeros(self.num_envs, dtype=xp.bool)
        for part in (self.out, self._final):
            rows = self._rows(part, TERMS)
            if self.in_final is not None:
                rows = rows & (self.in_final if part is self._final else ~self.in_final)
            has = has | rows
            for name, values in self._values(part.get(TERMS, {})).items():
                inside = xp.where(rows, values, 0)
                terms[name] = terms[name] + inside if name in terms else inside
        if not has.all():
            alone = xp.where(has | ~active, 0.0, rewards)
            if (not terms and active.any()) or alone.any():
                terms[REWARD] = terms[REWARD] + alone if REWARD in terms else alone
        return terms

    def _values(self, found: Mapping[str, Any]) -> Terms:
        """Returns the terms without Gymnasium's masks: ``_key`` beside ``key``."""
        return {
            name: self.xp.asarray(values)
            for name, values in found.items()
            if not (name.startswith("_") and name[1:] in found and f"_{name}" not in found)
        }

    def write(self, key: str, value: Any, rows: Array, keep: bool = False, blank: bool = False) -> None:
        """Sets ``info[key]`` in some rows, in ``final_info`` for the rows whose step is described there.

        Args:
            key: The key.
            value: Array of shape ``(num_envs, ...)``, or a dict of such.
            rows: Which rows, shape ``(num_envs,)``, bool.
            keep: Keep what any row already has, and fill only the gaps in ``rows``.
            blank: ``value`` is 0 in all other rows.
        """
        parts = [(self.out, rows)]
        if self.in_final is not None:
            parts = [(self.out, rows & ~self.in_final), (self._final, rows & self.in_final)]
        for part, mask in parts:
            if keep and key in part:
                had = self._rows(part, key)
                part[key] = self.xp.where(mask & ~had, value, self.xp.asarray(part[key]))
                part[f"_{key}"] = had | mask
            elif mask.any():
                part[f"_{key}"] = mask = self.xp.copy(mask)
                as_it_is = (blank and self.in_final is None) or bool(mask.all())
                part[key] = _masked(self.xp, value, mask, None if as_it_is else self.xp.rows(mask))


def _masked(xp: Arrays, value: Any, mask: Array, rows: Any) -> Any:
    """Lays ``value`` out as ``VectorEnv._add_info`` would have: zero or None in all but some rows (None: in none)."""
    if isinstance(value, dict):
        out: dict[str, Any] = {}
        for key, part in value.items():
            out[key], out[f"_{key}"] = _masked(xp, part, mask, rows), mask
        return out
    return value if rows is None else xp.kept(value, rows)


class AgentInfos:
    """The infos of one step of a ``ParallelEnv``, one row for each possible agent.

    Attributes:
        out: Agent to the info to return, a shallow copy.
    """

    def __init__(self, infos: Mapping[Hashable, Mapping[str, Any]], agents: Sequence[Hashable]) -> None:
        self.out = {agent: dict(info) for agent, info in infos.items()}
        self._agents = agents

    def has(self, key: str) -> bool:
        """Whether any agent's info has ``key``."""
        return any(key in info for info in self.out.values())

    def get(self, key: str, default: Any) -> Array:
        """Returns what ``look_up`` finds in each agent's info, as an array of shape ``(num_envs, ...)``."""
        return by_row([look_up(self.out.get(agent, {}), key, default) for agent in self._agents])

    def read_terms(self, rewards: Mapping[Hashable, float], active: Array) -> Terms:
        """Returns the terms, each of shape ``(num_envs,)``; of an active agent without any, the reward as one term."""
        rows: list[Mapping[str, Any]] = [
            (self.out.get(agent, {}).get(TERMS) or {REWARD: float(rewards[agent])}) if alive else {}
            for agent, alive in zip(self._agents, active, strict=True)
        ]
        terms: Terms = {}
        for name in dict.fromkeys(name for row in rows for name in row):
            having = [k for k, row in enumerate(rows) if name in row]
            values = np.array([rows[k][name] for k in having])
            terms[name] = np.zeros(len(rows), values.dtype)
            terms[name][having] = values
        return terms or {REWARD: np.zeros(len(rows))}

    def write(self, key: str, value: Any, rows: Array) -> None:
        """Sets ``info[key]`` of some agents, shape ``(num_envs,)``, bool, to their rows of ``value``."""
        for k in np.flatnonzero(rows).tolist():
            self.out[self._agents[k]][key] = row_of(value, k)


def trainable_rows(info: VectorInfo | AgentInfos, every: Array) -> Array:
    """Returns the rows that may be learned from, shape ``(num_envs,)``, bool: those whose ``trainable`` is not False.

    Args:
        info: The infos.
        every: What to return if no row has the key: all rows.
    """
    if not info.has("trainable"):
        return every
    trainable: Array = info.get("trainable", True) != False  # noqa: E712  (objects, too)
    return trainable
