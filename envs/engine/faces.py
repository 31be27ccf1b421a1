"""What the faces share: construction, and how a batch's arrays become observations and infos."""

from __future__ import annotations

import difflib
import inspect
from typing import Any

import gymnasium as gym

from telos.envs.engine.arrays import Arrays
from telos.envs.engine.batch import Batch, Snapshot, Step, View
from telos.envs.engine.family import Family
from telos.envs.engine.window import Window

__all__ = [
    "Cloneable",
    "Watchable",
    "batched",
    "make_family",
    "metadata_of",
    "observation_of",
    "row_of",
    "shown",
    "signature_of",
    "unbatched",
]


class Cloneable:
    """Mixed into every face: its states can be copied and gone back to."""

    _batch: Batch
    _seeded: bool

    def clone_state(self) -> Snapshot:
        """An exact copy of the states of all environments, random numbers to come included."""
        return self._batch.clone()

    def restore_state(self, snapshot: Snapshot) -> None:
        """Goes back to a copy, which stays valid.

        Raises:
            ValueError: If the copy is of another number of environments, or of other arguments.
        """
        self._batch.restore(snapshot)
        self._seeded = True


class Watchable:
    """Mixed into the faces of one environment: pictures of it, and a window with ``render_mode="human"``."""

    family: Any
    render_mode: str | None
    _batch: Batch
    _window: Window

    def _open(self, family: type[Family], render_mode: str | None) -> None:
        """Takes a render mode.

        Raises:
            ValueError: If the family does not have it.
        """
        if render_mode not in (None, *family.render_modes):
            raise ValueError(f"render_mode {render_mode!r} is unknown: choose from {list(family.render_modes)}")
        self.render_mode = render_mode
        self._window = Window(family.__name__, metadata_of(family)["render_fps"])

    def _watch(self) -> None:
        """Shows the current state, if someone is to see it."""
        if self.render_mode == "human":
            self._window.show(self.family.render_row(self._batch.state, 0, "rgb_array"))

    def render(self) -> Any:
        """Renders the current state; with ``render_mode="human"``, every reset and step have shown it already."""
        if self.render_mode is None:
            gym.logger.warn("render() needs a render_mode: make the environment with render_mode=...")
            return None
        if self.render_mode == "human":
            return self._watch()
        return self.family.render_row(self._batch.state, 0, self.render_mode)

    def close(self) -> None:
        """Closes the window, if there is one."""
        self._window.close()


def signature_of(family: type[Family], **further: Any) -> inspect.Signature:
    """The arguments of a face: the family's, and further ones with their defaults."""
    keyword = inspect.Parameter.KEYWORD_ONLY
    own = [inspect.Parameter(name, keyword, default=default) for name, default in further.items()]
    return inspect.Signature([*inspect.signature(family).parameters.values(), *own])


def metadata_of(family: type[Family]) -> dict[str, Any]:
    """What all faces of a family have in their metadata."""
    return {"render_modes": list(family.render_modes), "render_fps": 10}


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
    made = family(**arguments)
    made.arguments = arguments
    return made


def observation_of(family: Family, observation: Any) -> Any:
    """A batch of observations as the space has it."""
    return observation if family.observation_type is None else observation._asdict()


def row_of(family: Family, observation: Any, row: Any) -> Any:
    """The observation of one environment, or at ``(environment, agent)`` of one agent."""
    if family.text_observations and isinstance(row, tuple):
        return observation[row[0]][row[1]]
    if family.observation_type is None:
        return observation[row]
    return {name: values[row] for name, values in observation._asdict().items()}


def unbatched(family: Family, step: Step) -> dict[str, Any]:
    """The info of a batch of one."""
    info: dict[str, Any] = {"reward_terms": dict(zip(family.terms, step.terms[0].tolist(), strict=True))}
    info.update(zip(family.metrics, step.metrics[0].tolist(), strict=True))
    return info | shown(step.view, 0)


def shown(view: View, row: Any) -> dict[str, Any]:
    """What the info of one environment, or of one agent at ``(environment, agent)``, says of a view."""
    return {} if view.action_mask is None else {"action_mask": view.action_mask[row]}


def batched(family: Family, arrays: Arrays, step: Step, rows: Any, full: bool) -> dict[str, Any]:
    """The infos of a batch, with Gymnasium's ``_key`` masks.

    Args:
        family: The family.
        arrays: Where the arrays are.
        step: What a step returned.
        rows: Which rows to tell of, bool, as ``step.acted``; others are zero.
        full: Whether these are all that acted.
    """

    def columns(names: tuple[str, ...], values: Any) -> dict[str, Any]:
        values = values if full else arrays.where(rows[..., None], values, 0.0)
        named: dict[str, Any] = {}
        for k, name in enumerate(names):
            named[name], named[f"_{name}"] = values[..., k], rows
        return named

    return {
        "reward_terms": columns(family.terms, step.terms),
        "_reward_terms": rows,
        **columns(family.metrics, step.metrics),
    }
