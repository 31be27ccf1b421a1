"""What language models are told of an episode, and what of their replies is an action.

* ``Prompts`` - the texts of an environment: ``SWEPrompts`` for SWEDocker-v0, ``TextPrompts`` for observations of text
* ``prompts_for`` - those for a space of observations
* ``action_in`` - the one action in a reply; ``said`` - the reply without thoughts
* ``first_kept`` - where a history begins that fits
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from gymnasium import spaces

from telos.baselines.input_errors import InputError
from telos.envs.spaces import UnicodeText

__all__ = ["Prompts", "SWEPrompts", "TextPrompts", "action_in", "first_kept", "prompts_for", "said"]

_INSTRUCTIONS = """\
You are a software engineer. The repository below /testbed has a bug, and you are to repair it. Hidden tests decide \
whether you did.

Each of your replies must hold exactly one action: a line of bash, or a script, in a fenced block,
```bash
ls -la
```
or one of these calls:
<view path="src/module.py" start="1" end="80"/>
<search pattern="def parse" path="src"/>
<edit path="src/module.py">
<old>
text that occurs once
</old>
<new>
text in its place
</new>
</edit>
<submit/>
The shell is the same all the time. You may think before the action. You get its output, and then it is your turn \
again. After <submit/> nothing can be changed; without it, nothing counts. Early turns of long episodes are forgotten.

The bug report:
"""
_FENCE = re.compile(r"^```[\w-]*[ \t]*\n(.*?)^```[ \t]*$", re.DOTALL | re.MULTILINE)
_CALL = re.compile(r"<(bash|view|search|edit|submit)\b(?:[^<>\"']|\"[^\"]*\"|'[^']*')*?(?:/>|>.*?</\1>)", re.DOTALL)
_THOUGHT = "</think>"


class Prompts(Protocol):
    """The texts of an environment's episodes."""

    def opening(self, observation: Any) -> str:
        """What the model is told before its first reply."""

    def told(self, observation: Any) -> str:
        """What it is told of an action's effect."""

    def action(self, reply: str) -> str:
        """The environment's action in a reply."""


class SWEPrompts:
    """Those of SWEDocker-v0. The wording is ours."""

    def opening(self, observation: Mapping[str, Any]) -> str:
        """The instructions and the bug report."""
        return f"{_INSTRUCTIONS}{observation['statement']}"

    def told(self, observation: Mapping[str, Any]) -> str:
        """The output, and what the action came to."""
        output = str(observation["output"])
        return f"{output}{'' if not output or output.endswith(chr(10)) else chr(10)}[{observation['result']}]"

    def action(self, reply: str) -> str:
        """See ``action_in``."""
        return action_in(reply)


class TextPrompts:
    """Those of environments whose observations and actions are text: both as they are, without white space around."""

    def opening(self, observation: str) -> str:
        """The observation."""
        return observation

    def told(self, observation: str) -> str:
        """The observation."""
        return observation

    def action(self, reply: str) -> str:
        """The reply."""
        return reply.strip()


def prompts_for(observations: spaces.Space[Any], actions: spaces.Space[Any]) -> Prompts:
    """The texts for an environment.

    Raises:
        InputError: If its observations or actions are no text.
    """
    text = (UnicodeText, spaces.Text)
    if isinstance(actions, text):
        if isinstance(observations, spaces.Dict) and {"statement", "output", "result"} <= set(observations.keys()):
            return SWEPrompts()
        if isinstance(observations, text):
            return TextPrompts()
    raise InputError(
        "a language model plays SWEDocker-v0, and environments whose observations and actions are both Text; "
        f"not observations {observations} with actions {actions}"
    )


def said(reply: str) -> str:
    """A reply without what was thought before, up to ``</think>``, and without white space around."""
    return reply.rpartition(_THOUGHT)[2].strip()


def action_in(reply: str) -> str:
    """The one action in a reply to ``SWEPrompts``: the first fenced block or tool call, whichever comes first.

    A reply without block and call is taken as it is, so that the environment
    answers what it is: bash, or a malformed call. Which action counts if there are several is ours: the model wrote
    later ones without having seen what the first came to.
    """
    text = said(reply)
    found = [match for match in (_FENCE.search(text), _CALL.search(text)) if match is not None]
    if not found:
        return text
    first = min(found, key=lambda match: match.start())
    return first[1] if first.re is _FENCE else first[0]


def first_kept(sizes: Sequence[int], first: int, budget: float) -> int:
    """Where a history begins that fits.

    One that does not fit is cut to half of the budget, so that its beginning seldom moves: an endpoint's cache of
    prefixes stays of use, and few sequences are trained on. The last turn is kept in any case.

    Args:
        sizes: Of all turns, in characters or tokens.
        first: The first turn that was kept before.
        budget: For all of them.

    Returns:
        The first turn to keep, from ``first`` to the last.
    """
    if sum(sizes[first:]) <= budget:
        return first
    left = sum(sizes[first:])
    while first < len(sizes) - 1 and left > budget / 2:
        left -= sizes[first]
        first += 1
    return first
