"""The commands in a script of bash, found without running it and without a full parser of the language.

* ``simple_commands`` - each as a list of words
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import PurePosixPath

__all__ = ["INTERPRETERS", "SHELLS", "simple_commands"]

#: Characters of a command that are looked at, and how deep scripts within scripts are.
_LONGEST_SCRIPT, _DEEPEST = 20_000, 4

_HERE_DOCUMENT = re.compile(
    r"^(?P<line>[^\n]*<<-?\s*(['\"]?)(?P<end>\w+)\2[^\n]*)\n(?P<body>.*?)\n\s*(?P=end)$", re.M | re.S
)
_COMMENT_LINE = re.compile(r"^\s*#[^\n]*$", re.M)
_SUBSTITUTION = re.compile(r"\$\((.*)\)|`([^`]*)`", re.S)
_ASSIGNMENT = re.compile(r"\w+=")
_SEPARATORS = ";&|()<>\n"
#: Words that may stand before a program's name, and those of them that take an argument.
_PREFIXES = {
    "sudo",
    "env",
    "exec",
    "command",
    "nohup",
    "time",
    "xargs",
    "setsid",
    "then",
    "do",
    "else",
    "if",
    "while",
    "!",
    "{",
}
_PREFIXES_WITH_ARGUMENT = {"timeout", "nice"}
SHELLS, INTERPRETERS = {"bash", "sh", "dash", "zsh"}, {"python", "python3", "perl", "ruby", "node"}


def simple_commands(text: str, depth: int = 0) -> Iterator[list[str]]:
    """The simple commands of a script as words; a source of another language is a command of one word."""
    if depth > _DEEPEST:
        return
    for match in _HERE_DOCUMENT.finditer(text):
        reader = {PurePosixPath(word).name for word in re.split(r"[\s;|&]+", match["line"])}
        if reader & SHELLS:
            yield from simple_commands(match["body"], depth + 1)
        elif reader & INTERPRETERS:
            yield ["source", match["body"][:_LONGEST_SCRIPT]]
    script = _COMMENT_LINE.sub("", _HERE_DOCUMENT.sub(lambda match: match["line"], text))[:_LONGEST_SCRIPT]
    for words in _split(script):
        program = PurePosixPath(words[0]).name
        if "-c" in words[1:-1] and program in SHELLS | INTERPRETERS:
            inner = words[words.index("-c") + 1]
            if program in SHELLS:
                yield from simple_commands(inner, depth + 1)
            else:
                yield ["source", inner]
        yield words
        for word in words:
            for inner in _SUBSTITUTION.findall(word):
                yield from simple_commands("".join(inner), depth + 1)


def _split(script: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(script, posix=True, punctuation_chars=_SEPARATORS)
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, ""
    words: list[str] = []
    try:
        tokens = list(lexer)
    except ValueError:
        # An open quote: bash would refuse it or read on.
        tokens = script.split()
    for token in [*tokens, ";"]:
        if token and not token.strip(_SEPARATORS):
            # A redirection's target stays a word of its command.
            if not set(token) <= set("<>&") or token == "&" or token == "&&":
                if command := _without_prefixes(words):
                    yield command
                words = []
        else:
            words.append(token.removeprefix("$").strip("`") if token in ("$", "`") else token)


def _without_prefixes(words: list[str]) -> list[str]:
    """A simple command from its program's name on."""
    at = 0
    while at < len(words):
        word = words[at]
        if word in _PREFIXES_WITH_ARGUMENT:
            at += 2
        elif not word or word in _PREFIXES or _ASSIGNMENT.match(word) or (at and word.startswith("-")):
            at += 1
        else:
            break
    return words[at:]
