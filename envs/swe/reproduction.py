"""Turns one test into a script that stands on its own, as a user would paste it into a bug report."""

from __future__ import annotations

import ast
import builtins
import itertools
import re
import textwrap
import unittest
from collections.abc import Sequence
from typing import TypeAlias, TypeGuard

from telos.envs.swe.syntax import parse

__all__ = ["reproduction_of"]

#: What stands for `self` in a script that was a method of a `unittest.TestCase`.
_CASE = "case"

Case: TypeAlias = tuple[str, list[str]]  # a pattern for the case's part of the test id; the lines that bind its values


def reproduction_of(source: str, test_id: str) -> str | None:
    """Writes the body of a test as a script, with everything from its module that it needs.

    Args:
        source: The text of the test module.
        test_id: The test's pytest id, which names a function of the module or a method of one of its classes, and
            perhaps a case.

    Returns:
        Imports, helpers and constants, one assignment a parameter, and the test's body; or None if the test uses
        fixtures or other parts of its class, or if its case cannot be told from the id.
    """
    module = parse(source)
    name, _, case = test_id.partition("::")[2].partition("[")
    *owners, name = name.split("::")
    body: Sequence[ast.stmt] = module.body
    for owner in owners:
        classes = [node for node in body if isinstance(node, ast.ClassDef) and node.name == owner]
        body = classes[0].body if len(classes) == 1 else ()
    functions = [node for node in body if isinstance(node, ast.FunctionDef) and node.name == name]
    if len(functions) != 1:
        return None
    function = functions[0]
    bound = _bound_values(source, module, function, case.removesuffix("]"), is_method=bool(owners))
    if bound is None:
        return None
    text = _method_body(source, function) if owners else _body(source, function)
    if text is None:
        return None
    script = "\n".join([*bound, text])
    parts = _definitions(source, module, script)
    imports = "\n".join(text for text, is_import in parts if is_import)
    if text.startswith(f"{_CASE} = unittest.") and "import unittest" not in imports.split("\n"):
        imports = f"import unittest\n{imports}".rstrip()
    helpers = [text for text, is_import in parts if not is_import]
    return "\n\n".join(part for part in [imports, *helpers, script] if part)


def _names(node: ast.AST) -> set[str]:
    return {item.id for item in ast.walk(node) if isinstance(item, ast.Name)}


def _segment(source: str, node: ast.AST) -> str:
    text = ast.get_source_segment(source, node)
    assert text is not None, "the node comes from this source"
    return text


def _body(source: str, function: ast.FunctionDef) -> str | None:
    statements = function.body
    if ast.get_docstring(function) is not None:
        statements = statements[1:]
    if not statements or any(isinstance(node, (ast.Return, ast.Yield)) for node in ast.walk(function)):
        return None
    if statements[0].lineno == function.lineno:
        return None
    lines = source.split("\n")[statements[0].lineno - 1 : function.end_lineno]
    body = textwrap.dedent("\n".join(lines))
    # Text in triple quotes would lose its indentation too, or keep the statements from losing theirs.
    try:
        changed = ast.dump(parse(body)) != ast.dump(ast.Module(statements, type_ignores=[]))
    except SyntaxError:
        return None
    return None if changed else body


def _method_body(source: str, function: ast.FunctionDef) -> str | None:
    """The body of a method, with a test case of its own for ``self`` if it uses no more than `unittest` gives."""
    text = _body(source, function)
    if text is None or not function.args.args:
        return None
    this = function.args.args[0].arg
    tree = parse(text)
    of_case = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and _is_name(node.value, this)]
    used = [node for node in ast.walk(tree) if _is_name(node, this)]
    if not used:
        return text
    if len(of_case) != len(used) or not all(hasattr(unittest.TestCase, node.attr) for node in of_case):
        return None
    if _CASE in _names(tree):
        return None
    lines = text.split("\n")
    for node in sorted(used, key=lambda item: (item.lineno, item.col_offset), reverse=True):
        # Columns of the syntax tree count bytes.
        line = lines[node.lineno - 1].encode()
        column = node.col_offset
        lines[node.lineno - 1] = (line[:column] + _CASE.encode() + line[column + len(this) :]).decode()
    return "\n".join([f"{_CASE} = unittest.TestCase()", *lines])


def _is_name(node: ast.AST, name: str) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and node.id == name


def _definitions(source: str, module: ast.Module, script: str) -> list[tuple[str, bool]]:
    """The module-level statements that a script needs, each with whether it is an import, in the module's order."""
    owners: dict[str, ast.stmt] = {}
    for node in module.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            owners.update({(alias.asname or alias.name).partition(".")[0]: node for alias in node.names})
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            owners[node.name] = node
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            owners.update({name: node for target in targets for name in _names(target)})
    needed: set[str] = set()
    pending = _names(parse(script))
    while pending:
        name = pending.pop()
        if name in owners and name not in needed:
            needed.add(name)
            if not isinstance(owners[name], (ast.Import, ast.ImportFrom)):
                pending |= _names(owners[name])
    parts = []
    for node in module.body:
        if not any(owners[name] is node for name in needed):
            continue
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            parts.append((_import(node, needed), True))
        else:
            first = min([node.lineno, *(item.lineno for item in getattr(node, "decorator_list", []))])
            parts.append(("\n".join(source.split("\n")[first - 1 : node.end_lineno]), False))
    return parts


def _import(node: ast.Import | ast.ImportFrom, needed: set[str]) -> str:
    kept = [alias for alias in node.names if (alias.asname or alias.name).partition(".")[0] in needed]
    if isinstance(node, ast.Import):
        return ast.unparse(ast.Import(names=kept))
    return ast.unparse(ast.ImportFrom(module=node.module, names=kept, level=node.level))


def _bound_values(
    source: str, module: ast.Module, function: ast.FunctionDef, case: str, is_method: bool
) -> list[str] | None:
    """The assignments that stand for a test's parameters in one case."""
    decorators = [node for node in function.decorator_list if isinstance(node, ast.Call)]
    if len(decorators) != len(function.decorator_list):
        return None
    bound: set[str] = set()
    tables: list[list[Case]] = []
    for decorator in reversed(decorators):  # the one next to the function comes first in the id
        if not _segment(source, decorator.func).endswith("mark.parametrize") or len(decorator.args) != 2:
            return None
        names = _parameter_names(decorator.args[0])
        rows = _elements(module, decorator.args[1])
        if names is None or rows is None:
            return None
        bound.update(names)
        keyword = next((keyword.value for keyword in decorator.keywords if keyword.arg == "ids"), None)
        ids: Sequence[ast.expr | None] | None
        ids = [None] * len(rows) if keyword is None else _elements(module, keyword)
        if ids is None or len(ids) != len(rows):
            return None
        cases = [_case(source, names, row, place, ids[place]) for place, row in enumerate(rows)]
        tables.append([item for item in cases if item is not None])
    arguments = function.args
    if {argument.arg for argument in [*arguments.args[is_method:], *arguments.kwonlyargs]} != bound:
        return None
    matches = [
        [line for _, lines in cases for line in lines]
        for cases in itertools.product(*tables)
        if re.fullmatch("-".join(pattern for pattern, _ in cases), case, re.DOTALL)
    ]
    return matches[0] if len(matches) == 1 else None


def _parameter_names(node: ast.expr) -> list[str] | None:
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return None
    return [name.strip() for name in value.split(",")] if isinstance(value, str) else list(value)


def _elements(module: ast.Module, node: ast.expr) -> Sequence[ast.expr] | None:
    """The items of a list that is written out, here or in a constant, or made by ``range`` or ``list`` of text."""
    if isinstance(node, (ast.List, ast.Tuple)):
        return node.elts
    if isinstance(node, ast.Name):
        assigned = [item.value for item in module.body if isinstance(item, ast.Assign) and node.id in _names(item)]
        return _elements(module, assigned[0]) if len(assigned) == 1 else None
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("list", "range"):
        try:
            arguments = [ast.literal_eval(argument) for argument in node.args]
        except ValueError:
            return None
        return [ast.Constant(item) for item in (list if node.func.id == "list" else range)(*arguments)]
    return None


def _case(source: str, names: Sequence[str], row: ast.expr, place: int, explicit: ast.expr | None) -> Case | None:
    values: list[ast.expr] | None = [row]
    if isinstance(row, ast.Call) and _segment(source, row.func) == "pytest.param":
        explicit = next((keyword.value for keyword in row.keywords if keyword.arg == "id"), explicit)
        values = row.args
    elif len(names) > 1:
        values = row.elts if isinstance(row, (ast.Tuple, ast.List)) else None
    if values is not None and len(values) != len(names):
        return None
    if values is None:
        lines = [f"{', '.join(names)} = {_segment(source, row)}"]
    else:
        lines = [f"{name} = {_flat(source, value)}" for name, value in zip(names, values, strict=True)]
    if explicit is not None:
        is_text = isinstance(explicit, ast.Constant) and isinstance(explicit.value, str)
        return (_id_pattern("", explicit) if is_text else ".+"), lines
    if values is None:
        return ".+", lines
    parts = (_id_pattern(f"{name}{place}", value) for name, value in zip(names, values, strict=True))
    return "-".join(parts), lines


def _flat(source: str, value: ast.expr) -> str:
    if not hasattr(value, "lineno"):
        return ast.unparse(value)
    # Cut out of its brackets, a value over several lines needs its own.
    text = textwrap.dedent(_segment(source, value))
    return f"({text})" if "\n" in text and not text.startswith(("(", "[", "{", '"""', "'''")) else text


def _id_pattern(fallback: str, value: ast.expr) -> str:
    """A pattern for what pytest writes into an id for a value."""
    try:
        literal = ast.literal_eval(value)
    except ValueError:
        # Of a class pytest takes the name; what other expressions give is not known here.
        name = value.id if isinstance(value, ast.Name) else ""
        is_class = re.match("[A-Z][A-Za-z]*[a-z]", name) or isinstance(getattr(builtins, name, None), type)
        return re.escape(name) if is_class else ".+"
    if isinstance(literal, str):
        return re.escape(literal.encode("unicode_escape").decode("ascii"))
    if literal is None or isinstance(literal, (bool, int, float, complex)):
        return re.escape(str(literal))
    return ".+" if isinstance(literal, bytes) else re.escape(fallback)
