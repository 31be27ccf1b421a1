"""A readable transcript of an episode."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

from telos.envs.swe.tasks import Task
from telos.envs.swe.trace import Event

__all__ = ["Transcript"]

_LINES, _WIDTH = 40, 200


class Transcript:
    """Collects an episode's turns as text for ``render``."""

    def __init__(self, task: Task | None = None) -> None:
        self._parts: list[str] = []
        if task is not None:
            self._parts.append(f"== {task.id} (difficulty {task.difficulty}) ==\n{task.statement}\n")

    def add(
        self, turn: int, action: str, observation: Mapping[str, Any], reward: float, info: Mapping[str, Any]
    ) -> None:
        """Adds one turn."""
        terms = ", ".join(f"{name} {value:+g}" for name, value in info["reward_terms"].items() if value)
        part = [f"\n-- turn {turn} " + "-" * 60, *_excerpt(f"> {action.strip()}"), *_excerpt(observation["output"])]
        part.append(f"[{observation['result']}; reward {reward:+g}{f' ({terms})' if terms else ''}]")
        if "outcome_level" in info:
            verdict = ("no submission", "empty patch", "fails tests", "passes all tests")[info["outcome_level"]]
            part.append(f"== {verdict} ==")
            part.extend(f"   failed: {test}" for test in info["tests_failed"])
        if "infra" in info:
            part.append(f"== infrastructure failure: {info['infra']['kind']}: {info['infra']['detail']} ==")
        self._parts.append("\n".join(part) + "\n")

    @classmethod
    def of(cls, events: Iterable[Event]) -> Self:
        """The transcript of a recorded episode."""
        transcript = cls()
        for event in events:
            if event["event"] == "reset":
                transcript._parts.append(f"== {event['task']} ==\n")
            elif event["event"] == "branch":
                transcript._parts.append(f"== goes on from snapshot {event['snapshot']} ==\n")
            else:
                reward = sum(event["reward_terms"].values())
                transcript.add(event["turn"], event["action"], event, reward, event)
        return transcript

    def text(self) -> str:
        """Everything so far."""
        return "".join(self._parts)

    def last(self) -> str:
        """The part added last."""
        return self._parts[-1] if self._parts else ""


def _excerpt(text: str) -> list[str]:
    """The head and the tail of a text, in lines that fit a screen."""
    lines = [line if len(line) <= _WIDTH else f"{line[:_WIDTH]} [...]" for line in text.splitlines()]
    half = _LINES // 2
    if len(lines) <= _LINES:
        return lines
    return [*lines[:half], f"[... {len(lines) - 2 * half} lines ...]", *lines[-half:]]
