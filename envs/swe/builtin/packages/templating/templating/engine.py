"""Parse and render templates."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from templating.errors import TemplateError
from templating.expressions import Evaluate, Expression, truth
from templating.filters import FILTERS, escape

Variables = dict[str, Any]
Render = Callable[[Variables], str]
_Token = tuple[str, str, int]  # "text", "{{" or "{%"; the content; the line it starts on

_TAG = re.compile(r"(\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\})", re.DOTALL)
_FOR = re.compile(r"([A-Za-z_]\w*)\s+in\s+(.+)", re.DOTALL)
_MAX_INCLUDES = 10


class Environment:
    """Renders templates from a mapping of names to texts.

    {{ x }} prints an expression, escaped unless it is Safe or `autoescape` is false; None
    prints nothing. {# ... #} is a comment. {% if x %}, {% elif x %}, {% else %} and
    {% endif %} choose. {% for x in xs %}, {% else %} (when there are no items) and
    {% endfor %} repeat; inside, loop.index (from 1), loop.index0, loop.first, loop.last and
    loop.length are known; x and loop are gone after the loop. {% include x %} renders the
    template named by an expression with the current variables. A "-" directly inside a tag,
    as in {%- or -}}, removes white space in the text before or after it. Expressions are
    described by `Expression`. Both mappings are copied; `filters` adds to and replaces FILTERS.
    """

    def __init__(
        self,
        templates: Mapping[str, str] | None = None,
        filters: Mapping[str, Callable[..., Any]] | None = None,
        autoescape: bool = True,
    ) -> None:
        self._templates = dict(templates or {})
        self._filters = {**FILTERS, **(filters or {})}
        self._autoescape = autoescape
        self._depth = 0

    def render(self, name: str, variables: Mapping[str, Any] | None = None) -> str:
        """Render the template of that name; the variables are not changed.

        Raises TemplateError, with the template and line, for anything that goes wrong; for an
        unknown template the line is 1.
        """
        if name not in self._templates:
            raise TemplateError("no such template", name, 1)
        return self.render_text(self._templates[name], variables, name)

    def render_text(self, text: str, variables: Mapping[str, Any] | None = None, name: str = "<text>") -> str:
        """Render a text that is not in the mapping, under a name that is used for errors."""
        return _Parser(self, text, name).parse()(dict(variables or {}))

    def include(self, name: str, variables: Variables, source: str, line: int) -> str:
        """Render a template for a tag in another; more than 10 levels are an error."""
        if name not in self._templates:
            raise TemplateError(f"no template {name!r} to include", source, line)
        if self._depth >= _MAX_INCLUDES:
            raise TemplateError("includes are nested too deep", source, line)
        self._depth += 1
        try:
            return self.render(name, variables)
        finally:
            self._depth -= 1

    def expression(self, text: str) -> Evaluate:
        """Parse an expression with the filters of this environment."""
        return Expression(text, self._filters).parse()

    def to_text(self, value: object) -> str:
        """Return what is printed for a value."""
        if value is None:
            return ""
        return escape(value) if self._autoescape else str(value)


def _lex(text: str, name: str) -> list[_Token]:
    """Split a template into texts and tags, with white space removed where tags ask for it."""
    pieces = _TAG.split(text)  # texts at even and tags at odd indexes
    tokens: list[_Token] = []
    line = 1
    for index, piece in enumerate(pieces):
        if index % 2 == 1:
            if not piece.startswith("{#"):
                tokens.append((piece[:2], piece[2:-2].strip("-").strip(), line))
        else:
            shown = piece
            if index > 0 and pieces[index - 1][-3] == "-":
                shown = shown.lstrip()
            if index + 1 < len(pieces) and pieces[index + 1][2] == "-":
                shown = shown.rstrip()
            unclosed = re.search(r"\{[{%#]", piece)
            if unclosed:
                line += piece.count("\n", 0, unclosed.start())
                raise TemplateError("tag is not closed", name, line)
            tokens.append(("text", shown, line))
        line += piece.count("\n")
    return tokens


class _Parser:
    """Turns one template into a function that renders it."""

    def __init__(self, environment: Environment, text: str, name: str) -> None:
        self._environment = environment
        self._name = name
        self._tokens = _lex(text, name)

    def parse(self) -> Render:
        return self._block((), 1)[0]

    def _block(self, ends: tuple[str, ...], opened: int) -> tuple[Render, str, str]:
        """Parse up to a tag in `ends`, or up to the end of the template if there are none.

        Return the function that renders the block, and the word and the rest of the tag.
        """
        parts: list[Render] = []
        while self._tokens:
            kind, content, line = self._tokens.pop(0)
            word, _, rest = content.partition(" ")
            if kind == "text":
                parts.append(_constant(content))
            elif kind == "{{":
                parts.append(self._guarded(self._output(content, line), line))
            elif word in ends:
                if rest and word != "elif":
                    raise TemplateError(f"unexpected {rest!r} after {word}", self._name, line)
                return _sequence(parts), word, rest
            elif word == "if":
                parts.append(self._guarded(self._if(rest, line), line))
            elif word == "for":
                parts.append(self._guarded(self._for(rest, line), line))
            elif word == "include":
                parts.append(self._guarded(self._include(rest, line), line))
            else:
                raise TemplateError(f"unexpected tag {word!r}", self._name, line)
        if ends:
            raise TemplateError(f"missing {ends[-1]}", self._name, opened)
        return _sequence(parts), "", ""

    def _guarded(self, action: Render, line: int) -> Render:
        """Turn failures of an action into TemplateError."""

        def render(variables: Variables) -> str:
            try:
                return action(variables)
            except TemplateError:
                raise
            except (LookupError, ValueError, TypeError) as error:
                raise TemplateError(str(error.args[0]), self._name, line) from error

        return render

    def _expression(self, text: str, line: int) -> Evaluate:
        try:
            return self._environment.expression(text)
        except ValueError as error:
            raise TemplateError(str(error), self._name, line) from error

    def _output(self, text: str, line: int) -> Render:
        value = self._expression(text, line)
        return lambda variables: self._environment.to_text(value(variables))

    def _include(self, text: str, line: int) -> Render:
        value = self._expression(text, line)
        include = self._environment.include
        return lambda variables: include(str(value(variables)), variables, self._name, line)

    def _if(self, text: str, line: int) -> Render:
        branches: list[tuple[Evaluate, Render]] = []
        word = "if"
        while word in ("if", "elif"):
            test = self._expression(text, line)
            body, word, text = self._block(("elif", "else", "endif"), line)
            branches.append((test, body))
        otherwise = self._block(("endif",), line)[0] if word == "else" else _constant("")

        def render(variables: Variables) -> str:
            for test, body in branches:
                if truth(test, variables):
                    return body(variables)
            return otherwise(variables)

        return render

    def _for(self, text: str, line: int) -> Render:
        match = _FOR.fullmatch(text)
        if match is None:
            raise TemplateError("expected 'for NAME in VALUES'", self._name, line)
        target, values = match.group(1), self._expression(match.group(2), line)
        body, word, _ = self._block(("else", "endfor"), line)
        otherwise = self._block(("endfor",), line)[0] if word == "else" else _constant("")

        def render(variables: Variables) -> str:
            items = list(values(variables))
            rendered = []
            for index, item in enumerate(items):
                loop = {
                    "index": index + 1,
                    "index0": index,
                    "first": index == 0,
                    "last": index == len(items) - 1,
                    "length": len(items),
                }
                rendered.append(body({**variables, target: item, "loop": loop}))
            return "".join(rendered) if items else otherwise(variables)

        return render


def _constant(text: str) -> Render:
    return lambda variables: text


def _sequence(parts: list[Render]) -> Render:
    return lambda variables: "".join(part(variables) for part in parts)
