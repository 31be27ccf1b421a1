"""What the faces share: construction, and how a batch's arrays become observations and infos."""

from __future__ import annotations

import difflib
import inspect
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telos.envs.engine.batch import Step
from telos.envs.engine.family import Family

__all__ = ["batched", "make_family", "observation_of", "row_of", "unbatched"]


def make_family(family: type[Family], arguments: dict[str, Any]) -> Family:
    """Configures a family.

    Raises:
        TypeError: If it has no such argument; the message names the nearest.
    """
    known = list(inspect.signature(family).parameters)
    for name in arguments:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1) or known
            raise TypeError(f"{family.__name__} has no argument {name!r}; did you mean {', '.join(map(repr, near))}?")
    return family(**arguments)


def observation_of(family: Family, observation: Any) -> Any:
    """A batch of observations as the space has it."""
    return observation if family.observation_type is None else observation._asdict()


def row_of(family: Family, observation: Any, row: int) -> Any:
    """One environment's observation."""
    if family.observation_type is None:
        return observation[row]
    return {name: values[row] for name, values in observation._asdict().items()}


def unbatched(family: Family, step: Step) -> dict[str, Any]:
    """The info of a batch of one."""
    terms = {name: float(step.terms[0, k]) for k, name in enumerate(family.terms)}
    return {"reward_terms": terms} | {name: float(step.metrics[0, k]) for k, name in enumerate(family.metrics)}


def batched(family: Family, step: Step, rows: NDArray[np.bool_]) -> dict[str, Any]:
    """The infos of a batch for some rows, with Gymnasium's ``_key`` masks; zero elsewhere."""

    def column(values: NDArray[np.float64], k: int) -> NDArray[np.float64]:
        return values[:, k] if full else np.where(rows, values[:, k], 0.0)

    full = bool(rows.all())
    terms: dict[str, Any] = {}
    for k, name in enumerate(family.terms):
        terms |= {name: column(step.terms, k), f"_{name}": rows}
    infos: dict[str, Any] = {"reward_terms": terms, "_reward_terms": rows}
    for k, name in enumerate(family.metrics):
        infos |= {name: column(step.metrics, k), f"_{name}": rows}
    return infos
