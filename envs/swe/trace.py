"""The record of an episode: one JSON object an event, from which it can be shown and played again.

* ``Trace`` - an episode's events, in memory and, if wanted, in a file
* ``read_trace`` - the events of a file
* ``tree_hash`` - what a repository's files are, in one number
* ``compare_steps`` - where two records of the same action differ
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["Event", "ReplayDivergedError", "Trace", "compare_steps", "read_trace", "tree_hash"]

Event = dict[str, Any]

#: What programs print of clocks and memory: the same commands print something else each time.
_NOISE = (
    (re.compile(r"\b\d+(\.\d+)? ?(s|ms|sec|secs|seconds)\b"), "<time>"),
    (re.compile(r"\b0x[0-9a-f]+\b"), "<address>"),
)
_COMPARED = ("exit_code", "result", "output", "reward_terms", "tree")


class ReplayDivergedError(RuntimeError):
    """An episode that was played again went another way.

    Attributes:
        turn: The first action whose effect was another.
        field: What differs: ``"exit_code"``, ``"result"``, ``"output"``, ``"reward_terms"`` or ``"tree"``.
    """

    def __init__(self, turn: int, field: str, recorded: Any, played: Any) -> None:
        super().__init__(f"turn {turn}: {field} was {_excerpt(recorded)} and is now {_excerpt(played)}")
        self.turn, self.field = turn, field


class Trace:
    """The events of one episode.

    Args:
        folder: Where a file of its own is written as the episode goes on, or None.
        events: Events that came before, as of a fork; they are written first.
    """

    def __init__(self, folder: Path | None, events: Iterable[Event] = ()) -> None:
        self.events: list[Event] = list(events)
        self.path = None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            name = re.sub(r"\W+", "-", str(self.events[0]["task"]))[:80]
            self.path = folder / f"{name}-{secrets.token_hex(4)}.jsonl"
            self._write(self.events)

    def add(self, event: Event) -> None:
        """Adds an event."""
        self.events.append(event)
        if self.path is not None:
            self._write([event])

    def _write(self, events: list[Event]) -> None:
        assert self.path is not None
        # Opened anew each time: no descriptor is left, and what was written survives a killed trainer.
        with self.path.open("a") as file:
            file.writelines(json.dumps(event) + "\n" for event in events)


def read_trace(path: Path) -> list[Event]:
    """The events of a file; a last line that a killed trainer left half written is not among them.

    Raises:
        ValueError: If the file is no trace.
    """
    events: list[Event] = []
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines, 1):
        try:
            events.append(json.loads(line))
        except json.JSONDecodeError as error:
            if number < len(lines):
                raise ValueError(f"{path}:{number} is no line of a trace: {error}") from error
    if not events or events[0].get("event") != "reset":
        raise ValueError(f"{path} is no trace: its first line is not the reset of an episode")
    return events


def tree_hash(tree: Iterable[tuple[tarfile.TarInfo, Any]]) -> str:
    """SHA-256 over paths, modes and contents of a tree's files, without git's own; hexadecimal."""
    entries = []
    for member, file in tree:
        if member.name.split("/")[0] == ".git" or member.isdir():
            continue
        content = file.read() if file is not None else member.linkname.encode("utf-8", "surrogateescape")
        entries.append(
            (member.name.encode("utf-8", "surrogateescape"), member.mode & 0o111, hashlib.sha256(content).hexdigest())
        )
    return hashlib.sha256(repr(sorted(entries)).encode()).hexdigest()


def compare_steps(recorded: Mapping[str, Any], played: Mapping[str, Any]) -> None:
    """Checks that an action had the same effect again; times and addresses in its output may differ.

    Raises:
        ReplayDivergedError: With the first difference.
    """
    for field in _COMPARED:
        before, now = recorded.get(field), played.get(field)
        if field == "tree" and None in (before, now):
            continue  # not recorded
        if field == "output":
            before, now = _quiet(str(before)), _quiet(str(now))
        if before != now:
            raise ReplayDivergedError(recorded["turn"], field, before, now)


def _quiet(text: str) -> str:
    for pattern, name in _NOISE:
        text = pattern.sub(name, text)
    return text


def _excerpt(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:140]} [...] {text[-140:]}"
