"""Repairs by a single mutation: what an agent without imagination tries on a task.

* ``reproduction_of`` - the script in a bug report
* ``save_reproduction`` - the bash command that writes it to the sandbox
* ``candidate_repairs`` - single-mutation edits, the likeliest first
* ``try_repairs`` - the bash command that tries some of them
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources

from telos.envs.swe.mutations import Mutation, mutations_of

__all__ = ["REPRODUCTION", "Edit", "candidate_repairs", "reproduction_of", "save_reproduction", "try_repairs"]

Edit = tuple[str, int, int, str]
"""Path, offset of the first character that is replaced, offset behind the last one, and what takes their place."""

REPRODUCTION = "/tmp/reproduction.py"
"""Where the sandbox keeps the report's script."""

_PYTHON_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def reproduction_of(statement: str) -> str:
    """Returns the script that a bug report gives, empty if it gives none."""
    block = _PYTHON_BLOCK.search(statement)
    return block.group(1) if block else ""


def save_reproduction(script: str) -> str:
    """Returns the bash command that writes a bug report's script to ``REPRODUCTION``."""
    return f"cat > {REPRODUCTION} <<'END_OF_SCRIPT'\n{script.rstrip()}\nEND_OF_SCRIPT"


def candidate_repairs(sources: Mapping[str, str], hints: str) -> list[Edit]:
    """Lists single-mutation edits of modules, those of functions that the hints name first.

    Args:
        sources: Text of each module, by path; what does not compile is left out.
        hints: Any text, such as a bug report and a traceback.
    """
    words = set(re.findall(r"\w+", hints))
    mutations = [mutation for path, source in sources.items() for mutation in _mutations_of(path, source)]
    mutations.sort(key=lambda mutation: mutation.function.rpartition(".")[2] not in words)
    return [(mutation.path, mutation.start, mutation.end, mutation.replacement) for mutation in mutations]


@lru_cache(maxsize=512)
def _mutations_of(path: str, source: str) -> Sequence[Mutation]:
    try:
        return mutations_of(path, source)
    except SyntaxError:
        return ()


def try_repairs(candidates: Sequence[Edit]) -> str:
    """Returns the bash command that tries edits one by one until the report's script and the visible tests pass.

    It leaves the first that helps in place and prints ``repaired``, or leaves the files as they were. The script must
    be at ``REPRODUCTION``.
    """
    program = (resources.files("telos.envs.swe.guest") / "repair.py").read_text()
    return (
        f"cat > /tmp/repair.py <<'END_OF_PROGRAM'\n{program}END_OF_PROGRAM\n"
        f"python3 /tmp/repair.py <<'END_OF_CANDIDATES'\n{json.dumps(candidates)}\nEND_OF_CANDIDATES"
    )
