"""Recorded episodes of SWEDocker-v0 as one HTML page that needs no network.

* ``write_trace_page`` - a table of episodes, and for each its turns on a time line
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

try:
    import jinja2
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(f"{error.name} is missing; reports need: pip install 'telos-gym[report]'") from error

import telos
from telos.baselines.input_errors import bad_input
from telos.envs.swe.telemetry import KINDS
from telos.envs.swe.trace import Event, read_trace

__all__ = ["write_trace_page"]

_OUTCOMES = ("no submit", "empty patch", "fails tests", "passes tests")
_HEAD_LINES, _HEAD_LENGTH = 12, 2_000


def write_trace_page(traces: Path, page: Path) -> int:
    """Draws the page of a file or of all ``*.jsonl`` files of a folder; returns the number of episodes.

    Raises:
        InputError: If there is no trace, or a file is none.
    """
    with bad_input():
        paths = [traces] if traces.is_file() else sorted(traces.glob("*.jsonl"))
        if not paths:
            raise ValueError(f"{traces} holds no trace: an environment made with trace=FOLDER writes *.jsonl there")
        episodes = [_episode(path.name, read_trace(path)) for path in paths]
    template = (resources.files("telos.baselines") / "templates" / "swe_traces.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    text = environment.from_string(template).render(episodes=episodes, kinds=KINDS, version=telos.__version__)
    page.parent.mkdir(parents=True, exist_ok=True)
    # Outputs may hold bytes that are no text, as lone surrogates.
    page.write_text(text, encoding="utf-8", errors="replace")
    return len(episodes)


def _episode(name: str, events: Sequence[Event]) -> dict[str, Any]:
    """What the page shows of an episode; times in seconds since its first event."""
    first, last = events[0]["time"], events[-1]
    turns: list[dict[str, Any]] = []
    tree = hack = None
    for event in events[1:]:
        since = event["time"] - first
        if event["event"] == "branch":
            turns.append({"branch": event["snapshot"], "end": since})
            continue
        seconds = event["timing"]["step"]
        new = event.get("tree")
        turns.append(
            {
                **event,
                "start": max(0.0, since - seconds),
                "seconds": seconds,
                "head": _head(event["output"]),
                "changed": new is not None and tree is not None and new != tree,
                "reward": sum(event["reward_terms"].values()),
                "flags": [seen for seen in event.get("hack", {}).get("evidence", ()) if seen["turn"] == event["turn"]],
            }
        )
        tree, hack = new or tree, event.get("hack", hack)
    steps = [turn for turn in turns if "branch" not in turn]
    terms = {name: sum(step["reward_terms"].get(name, 0.0) for step in steps) for name in _terms(steps)}
    return {
        "name": name,
        "task": events[0]["task"],
        "sandbox": events[0]["arguments"]["sandbox"],
        "turns": turns,
        "steps": len(steps),
        "seconds": max(last["time"] - first, 1e-3),
        "terms": terms,
        "total": sum(terms.values()),
        "end": _end(last),
        "hack": {kind: (hack or {}).get(kind, 0) for kind in KINDS},
        "cpu": sum(step["resources"]["cpu"] for step in steps),
        "peak_memory": max((step["resources"]["peak_memory"] for step in steps), default=0),
    }


def _terms(steps: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for step in steps for name in step["reward_terms"]))


def _end(last: Event) -> str:
    if "infra" in last:
        return f"infrastructure failure: {last['infra']['kind']}"
    return _OUTCOMES[last["outcome_level"]] if "outcome_level" in last else "not over"


def _head(output: str) -> str:
    lines = output.splitlines()
    head = "\n".join(lines[:_HEAD_LINES])[:_HEAD_LENGTH]
    return head if len(head) >= len(output.rstrip("\n")) else f"{head}\n[... {len(lines)} lines in all]"
