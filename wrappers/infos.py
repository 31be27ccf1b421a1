"""How the two faces read a step's ``info`` by row and write it back.

* ``SingleInfo`` - the dict of one environment, seen as a batch of one
* ``VectorInfo`` - the dict of arrays of a vector environment, with Gymnasium's ``_key`` masks and, under
  ``AutoresetMode.SAME_STEP``, with the finished episodes' part in ``info["final_info"]``

Both copy what they change, so the environment's own dicts stay as they were.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from telos.wrappers.terms import REWARD, Array, Terms

__all__ = ["SingleInfo", "VectorInfo", "common_dtype"]

TERMS = "reward_terms"


def common_dtype(terms: Mapping[str, Array]) -> np.dtype[Any]:
    """Returns the floating dtype in which terms are added: their own common one; float64 for integers and bools."""
    kinds = {value.dtype for value in terms.values()}
    found = kinds.pop() if len(kinds) == 1 else np.result_type(*terms.values())
    return found if found.kind == "f" else np.dtype(np.float64)


class SingleInfo:
    """The info of one environment's step.

    Attributes:
        out: The info to return, a shallow copy.
    """

    def __init__(self, info: Mapping[str, Any]) -> None:
        self.out = dict(info)

    def get(self, key: str, default: Any) -> Array:
        """Returns ``info[key]``, or ``default``, as an array of shape ``(1, ...)``."""
        value = self.out.get(key, default)
        if isinstance(value, (bool, int, float, np.ndarray, np.generic)):
            return np.asarray(value)[None]
        boxed = np.empty(1, object)
        boxed[0] = value
        return boxed

    def has(self, key: str) -> bool:
        """Whether the info has ``key``."""
        return key in self.out

    def read_terms(self, reward: float) -> Terms:
        """Returns the step's terms, each of shape ``(1,)``; the reward as one term if there are none."""
        found: Mapping[str, Any] = self.out.get(TERMS) or {REWARD: float(reward)}
        return {name: np.array((value,)) for name, value in found.items()}

    def write(self, key: str, value: Any) -> None:
        """Sets ``info[key]`` to row 0 of ``value``, an array or a dict of such."""
        self.out[key] = _first(value)


def _first(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _first(part) for key, part in value.items()}
    item = value[0]
    # float32 stays a NumPy scalar: a vector environment would keep its dtype, too.
    return item.item() if isinstance(item, (np.float64, np.bool_, np.integer)) else item


class VectorInfo:
    """The infos of one vector step.

    Attributes:
        out: The infos to return: a copy down to what is written.
        in_final: Rows whose step is described in ``out["final_info"]``, shape ``(num_envs,)``, bool; None if there
            are none.
    """

    def __init__(self, infos: Mapping[str, Any], num_envs: int) -> None:
        self.out = dict(infos)
        self.num_envs = num_envs
        self.in_final: Array | None = None
        self._final: dict[str, Any] = {}
        if isinstance(infos.get("final_info"), dict):
            self._final = self.out["final_info"] = dict(infos["final_info"])
            finals = self._rows(self.out, "final_info")
            # A native environment may leave the finished step's terms at the top, beside the rest.
            self.in_final = finals & (self._rows(self._final, TERMS) | ~self._rows(self.out, TERMS))

    def _rows(self, part: Mapping[str, Any], key: str) -> Array:
        """Returns the rows that have ``key``."""
        if key not in part:
            return np.zeros(self.num_envs, np.bool_)
        mask: Array = part.get(f"_{key}", np.ones(self.num_envs, np.bool_))
        return mask

    def has(self, key: str) -> bool:
        """Whether any row has ``key``."""
        return key in self.out or key in self._final

    def get(self, key: str, default: Any) -> Array:
        """Returns ``info[key]`` by row, ``default`` where it is missing, as an array of shape ``(num_envs, ...)``."""
        found = [
            (np.asarray(part[key]), self._rows(part, key) & where)
            for part, where in ((self.out, True), (self._final, self.in_final))
            if key in part
        ]
        if not found:
            return np.full(self.num_envs, default)
        value = np.full_like(found[0][0], default)
        for values, rows in found:
            value[rows] = values[rows]
        return value

    def read_terms(self, rewards: Array, active: Array) -> Terms:
        """Returns the terms, each of shape ``(num_envs,)``; in active rows without any, the reward as one term."""
        if self.in_final is None and TERMS in self.out and f"_{TERMS}" not in self.out:
            return {name: np.asarray(v) for name, v in self.out[TERMS].items()}  # A native environment, without masks.
        terms: Terms = {}
        has = np.zeros(self.num_envs, np.bool_)
        for part in (self.out, self._final):
            rows = self._rows(part, TERMS)
            if self.in_final is not None:
                rows = rows & (self.in_final if part is self._final else ~self.in_final)
            has |= rows
            full = bool(rows.all())
            for name, values in part.get(TERMS, {}).items():
                if name.startswith("_") and f"_{name}" not in part[TERMS]:
                    continue  # Gymnasium's mask of another key.
                inside = np.asarray(values) if full else np.where(rows, values, 0)
                terms[name] = terms[name] + inside if name in terms else inside
        if not has.all():
            alone = np.where(has | ~active, 0.0, rewards)
            if not terms or alone.any():
                terms[REWARD] = terms[REWARD] + alone if REWARD in terms else alone
        return terms

    def write(self, key: str, value: Any, rows: Array, keep: bool = False) -> None:
        """Sets ``info[key]`` in some rows, in ``final_info`` for the rows whose step is described there.

        Args:
            key: The key.
            value: Array of shape ``(num_envs, ...)``, or a dict of such.
            rows: Which rows, shape ``(num_envs,)``, bool.
            keep: Keep what any row already has, and fill only the gaps in ``rows``.
        """
        parts = [(self.out, rows)]
        if self.in_final is not None:
            parts = [(self.out, rows & ~self.in_final), (self._final, rows & self.in_final)]
        for part, mask in parts:
            if keep and key in part:
                had = self._rows(part, key)
                part[key] = np.where(mask & ~had, value, part[key])
                part[f"_{key}"] = had | mask
            elif mask.any():
                part[f"_{key}"] = mask.copy()
                part[key] = _masked(value, part[f"_{key}"], bool(mask.all()))


def _masked(value: Any, mask: Array, whole: bool) -> Any:
    """Lays ``value`` out as ``VectorEnv._add_info`` would have: zero or None outside of ``mask``."""
    if isinstance(value, dict):
        out: dict[str, Any] = {}
        for key, part in value.items():
            out[key], out[f"_{key}"] = _masked(part, mask, whole), mask
        return out
    if whole:
        return value
    filled = np.full_like(value, None if value.dtype == object else 0)
    filled[mask] = value[mask]
    return filled
