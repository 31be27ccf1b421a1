"""The action format: one tool call in tags, or plain bash.

An action whose first character is ``<`` followed by a letter is a tool call, anything else is bash::

    <bash>ls -la</bash>
    <view path="ledger/accounts.py" start="40" end="80"/>
    <search pattern="def post" path="ledger"/>
    <edit path="ledger/accounts.py">
    <old>
        return total + 1
    </old>
    <new>
        return total
    </new>
    </edit>
    <submit/>

Text between ``<old>`` and ``</old>`` (and ``<new>``, ``<bash>``) is taken as it is, without escapes; one
line break right after the opening tag and one right before the closing tag belong to the format.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from telos.envs.swe.tasks import nearest

__all__ = ["TOOLS", "Action", "MalformedActionError", "parse_action"]

#: Tool name to its attributes; those marked True must be given.
TOOLS: Mapping[str, Mapping[str, bool]] = {
    "bash": {},
    "view": {"path": True, "start": False, "end": False},
    "search": {"pattern": True, "path": False},
    "edit": {"path": True},
    "submit": {},
}
_EXAMPLES = {
    "bash": "<bash>ls -la</bash>",
    "view": '<view path="src/module.py" start="1" end="80"/>',
    "search": '<search pattern="def parse" path="src"/>',
    "edit": '<edit path="src/module.py">\n<old>\nold text\n</old>\n<new>\nnew text\n</new>\n</edit>',
    "submit": "<submit/>",
}
_OPEN = re.compile(r"<([A-Za-z][\w-]*)((?:\s+[\w-]+\s*=\s*(?:\"[^\"]*\"|'[^']*'))*)\s*(/?)>")
_ATTRIBUTE = re.compile(r"([\w-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_EDIT_MIDDLE = re.compile(r"</old>\s*<new>")
_LONGEST_NAME = 60
_LONGEST_NUMBER = 9


class MalformedActionError(ValueError):
    """The text is no action; the message says what to write instead."""


@dataclass(frozen=True)
class Action:
    """A parsed action.

    Attributes:
        tool: ``"bash"``, ``"view"``, ``"search"``, ``"edit"`` or ``"submit"``.
        arguments: What the tool is called with; ``{"command": ...}`` for bash.
    """

    tool: str
    arguments: Mapping[str, str | int] = field(default_factory=dict)


def parse_action(text: str) -> Action:
    """Parses an action.

    Raises:
        MalformedActionError: If the text is empty, holds a NUL character or a lone surrogate, or starts like a tool
            call and is none.
    """
    stripped = text.strip()
    if not stripped:
        raise MalformedActionError("the action is empty; write a line of bash or one tool call, such as <submit/>")
    if "\0" in stripped:
        raise MalformedActionError("the action holds a NUL character, which bash cannot take; use printf '\\000'")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise MalformedActionError("the action holds a lone surrogate, which no text encoding has") from error
    if not re.match(r"<[A-Za-z]", stripped):
        return Action("bash", {"command": text})
    opening = _OPEN.match(stripped)
    if opening is None:
        name = re.match(r"<([A-Za-z][\w-]*)", stripped)
        example = _EXAMPLES.get(name.group(1) if name else "", _EXAMPLES["view"])
        raise MalformedActionError(
            f"the opening tag is not closed or an attribute is not quoted; write {example}, or put bash that starts "
            "with < between <bash> and </bash>"
        )
    tool, raw_attributes, closed = opening.groups()
    if tool not in TOOLS:
        short = tool[:_LONGEST_NAME]
        raise MalformedActionError(f"unknown tool <{short}>. {nearest(short, list(TOOLS))}")
    return Action(tool, _arguments(tool, _attributes(tool, raw_attributes), stripped[opening.end() :], bool(closed)))


def _attributes(tool: str, raw: str) -> dict[str, str]:
    attributes: dict[str, str] = {}
    for name, double, single in _ATTRIBUTE.findall(raw):
        if name not in TOOLS[tool]:
            raise MalformedActionError(f"<{tool}> has no attribute {name[:_LONGEST_NAME]!r}; write {_EXAMPLES[tool]}")
        attributes[name] = double or single
    missing = [name for name, needed in TOOLS[tool].items() if needed and not attributes.get(name)]
    if missing:
        raise MalformedActionError(f"<{tool}> needs the attribute {missing[0]!r}; write {_EXAMPLES[tool]}")
    return attributes


def _arguments(tool: str, attributes: dict[str, str], rest: str, closed: bool) -> dict[str, str | int]:
    body = _body(tool, rest, closed)
    if tool == "bash":
        if not body.strip():
            raise MalformedActionError(f"<bash> is empty; write {_EXAMPLES['bash']}")
        return {"command": _trim(body)}
    if tool == "edit":
        inner = body.strip()
        parts = _EDIT_MIDDLE.split(inner.removeprefix("<old>").removesuffix("</new>"))
        if not (inner.startswith("<old>") and inner.endswith("</new>") and len(parts) == 2):
            raise MalformedActionError(f"<edit> needs one <old> and one <new> part; write {_EXAMPLES['edit']}")
        return {"path": attributes["path"], "old": _trim(parts[0]), "new": _trim(parts[1])}
    if body.strip():
        raise MalformedActionError(f"<{tool}> takes no text; write {_EXAMPLES[tool]}")
    arguments: dict[str, str | int] = dict(attributes)
    for name in ("start", "end"):
        if name in attributes:
            digits = attributes[name]
            if not digits.isdecimal() or len(digits) > _LONGEST_NUMBER or int(digits) < 1:
                short = digits[:_LONGEST_NAME]
                raise MalformedActionError(f"{name}={short!r} is no line number; lines count from 1")
            arguments[name] = int(digits)
    return arguments


def _body(tool: str, rest: str, closed: bool) -> str:
    """The text between the tags; an action is exactly one call."""
    if closed:
        if rest.strip():
            raise MalformedActionError(f"there is text after <{tool}/>; an action is exactly one tool call")
        return ""
    ending = f"</{tool}>"
    if not rest.endswith(ending):
        where = "there is text after" if ending in rest else "there is no"
        raise MalformedActionError(f"{where} {ending}; an action is exactly one tool call: {_EXAMPLES[tool]}")
    return rest.removesuffix(ending)


def _trim(text: str) -> str:
    return text.removeprefix("\n").removesuffix("\n")
