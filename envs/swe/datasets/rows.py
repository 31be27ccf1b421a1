"""Row formats of published data sets, read into one form.

==========  ==========================================================  =====================================
format      marked by the fields                                        source
==========  ==========================================================  =====================================
swe-bench   ``test_patch`` (and ``eval_script`` since version 5)        Jimenez et al., arXiv:2310.06770
swe-gym     the same, of SWE-Gym's eleven repositories                  Pan et al., arXiv:2412.21139
swe-smith   ``image_name``; ``patch`` makes the bug                     Yang et al., arXiv:2504.21798
r2e         ``docker_image``, ``parsed_commit_content``                 Jain et al., arXiv:2504.07164
==========  ==========================================================  =====================================
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from telos.envs.swe.datasets.scripts import ACTIVATE, R2E_PATH, SWE_GYM_COMMANDS, swe_bench_script
from telos.envs.swe.tasks import Suite

__all__ = ["BRIEF", "FORMATS", "TaskRow", "difficulty_of_row", "id_of_row", "image_of_row", "read_row"]

FORMATS = ("swe-bench", "swe-gym", "swe-smith", "r2e")
#: The short fields, from which a row's id and image can be told.
BRIEF = ("instance_id", "repo", "repo_name", "commit_hash", "image", "image_name", "docker_image")

_SMITH_COMMAND = "pytest --disable-warnings --color=no --tb=no --verbose"
#: SWE-bench Verified says how long an engineer needs.
_DIFFICULTY = {"<15 min fix": 1, "15 min - 1 hour": 2, "1-4 hours": 3, ">4 hours": 3}
#: Changed lines up to which a repair counts as easy or medium where the row does not say; ours.
_EASY, _MEDIUM = 5, 30


@dataclass(frozen=True)
class TaskRow:
    """What a row of any of the formats says.

    Attributes:
        id: Unique name within the data set.
        format: One of ``FORMATS``.
        image: Name of the container image, with the repository at ``/testbed``.
        statement: The issue.
        patch: Repairs the image's tree; for swe-smith it makes the bug instead.
        test_patch: Brings the hidden tests; empty for swe-smith, whose tests are in the image's tree, and for r2e,
            whose tests are in the image's ``/r2e_tests``.
        fail_to_pass: Tests that must pass, and fail before.
        pass_to_pass: Tests that pass before and after.
        suite: How the tests are run. For r2e its script only sets the path up; the rest is in the image.
        difficulty: 1 to 3.
    """

    id: str
    format: str
    image: str
    statement: str = field(repr=False)
    patch: str = field(repr=False)
    test_patch: str = field(repr=False)
    fail_to_pass: tuple[str, ...] = field(repr=False)
    pass_to_pass: tuple[str, ...] = field(repr=False)
    suite: Suite
    difficulty: int


def read_row(row: Mapping[str, Any]) -> TaskRow:
    """Reads one row; its format is told by its fields.

    Raises:
        ValueError: If it is of none of the formats, lacks a field, or is of a kind that cannot be graded here.
    """
    if row.get("parsed_commit_content") and row.get("docker_image"):
        return _read_r2e(row)
    if row.get("test_patch"):
        return _read_swe_bench(row)
    if row.get("image_name"):
        return _read_swe_smith(row)
    raise ValueError(
        f"the row {str(row.get('instance_id', ''))!r} is of no known format: SWE-bench and SWE-Gym rows have "
        f"test_patch, SWE-smith rows image_name, R2E-Gym rows docker_image and parsed_commit_content; this one has "
        f"{', '.join(sorted(name for name, value in row.items() if value)) or 'nothing'}"
    )


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"the row {str(row.get('instance_id', ''))!r} has no {name}")
    return value


def _tests(row: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """A list of tests, which some data sets store as JSON text."""
    value = row.get(name)
    if isinstance(value, str):
        value = json.loads(value)
    if value is None:
        raise ValueError(f"the row {str(row.get('instance_id', ''))!r} has no {name}")
    return tuple(map(str, value))


def id_of_row(row: Mapping[str, Any]) -> str:
    """The id of a row, from its short fields."""
    if row.get("instance_id"):
        return str(row["instance_id"])
    image = str(row.get("docker_image") or "")
    if not image:
        raise ValueError(f"a row has neither instance_id nor docker_image, but {', '.join(sorted(row)) or 'nothing'}")
    repo = row.get("repo_name") or row.get("repo") or "r2e"
    return f"{repo}-{row.get('commit_hash') or hashlib.sha256(image.encode()).hexdigest()[:12]}"


def image_of_row(row: Mapping[str, Any]) -> str:
    """The name of a row's container image, from its short fields.

    Rows of SWE-bench and SWE-Gym without one have the image that their authors publish: ``swebench/sweb.eval...``
    with ``_1776_`` for two underscores, and ``xingyaoww/sweb.eval...`` with ``_s_``.
    """
    image = next((str(row[key]) for key in ("image", "docker_image", "image_name") if row.get(key)), "")
    name = str(row.get("instance_id") or "")
    if not image and str(row.get("repo")).lower() in SWE_GYM_COMMANDS:
        image = f"xingyaoww/sweb.eval.x86_64.{name.replace('__', '_s_')}".lower()
    elif not image:
        image = f"swebench/sweb.eval.x86_64.{name.replace('__', '_1776_')}".lower()
    elif image.startswith("swesmith."):
        # Older rows have the bare name, in which Docker Hub does not allow two underscores.
        image = f"jyangballin/{image.replace('__', '_1776_')}".lower()
    return image if ":" in image.rpartition("/")[2] else f"{image}:latest"


def difficulty_of_row(row: Mapping[str, Any], patch: str) -> int:
    """1 to 3: what SWE-bench Verified says, else by the number of lines that the repair changes."""
    told = _DIFFICULTY.get(str(row.get("difficulty", "")))
    if told is not None:
        return told
    changed = row.get("num_non_test_lines")
    if changed is None:
        lines = patch.splitlines()
        changed = sum(line.startswith(("+", "-")) and not line.startswith(("+++", "---")) for line in lines)
    return 1 if changed <= _EASY else 2 if changed <= _MEDIUM else 3


# -- SWE-bench and SWE-Gym ------------------------------------------------------------------------------


def _read_swe_bench(row: Mapping[str, Any]) -> TaskRow:
    name, repo, patch = _text(row, "instance_id"), _text(row, "repo"), _text(row, "patch")
    if row.get("eval_type") == "fail_only":
        raise ValueError(f"the log of {name} names failing tests only, so that a test that never ran would pass")
    gym = repo.lower() in SWE_GYM_COMMANDS
    return TaskRow(
        id=name,
        format="swe-gym" if gym else "swe-bench",
        image=image_of_row(row),
        statement=_text(row, "problem_statement"),
        patch=patch,
        test_patch=_text(row, "test_patch"),
        fail_to_pass=_tests(row, "FAIL_TO_PASS"),
        pass_to_pass=_tests(row, "PASS_TO_PASS"),
        suite=Suite(swe_bench_script(row, repo), str(row.get("log_parser") or repo)),
        difficulty=difficulty_of_row(row, patch),
    )


# -- SWE-smith ------------------------------------------------------------------------------------------


def _read_swe_smith(row: Mapping[str, Any]) -> TaskRow:
    name, patch = _text(row, "instance_id"), _text(row, "patch")
    fail_to_pass = _tests(row, "FAIL_TO_PASS")
    files = sorted({test.partition("::")[0] for test in fail_to_pass})
    # What SWE-smith itself does: only the files with a failing test are run.
    pass_to_pass = tuple(test for test in _tests(row, "PASS_TO_PASS") if test.partition("::")[0] in files)
    command = row.get("test_cmd") or _SMITH_COMMAND
    return TaskRow(
        id=name,
        format="swe-smith",
        image=image_of_row(row),
        statement=str(row.get("problem_statement") or "") or _without_statement(files),
        patch=patch,
        test_patch="",
        fail_to_pass=fail_to_pass,
        pass_to_pass=pass_to_pass,
        suite=Suite(f"{ACTIVATE}{command} {shlex.join(files)}\n", "pytest"),
        difficulty=difficulty_of_row(row, patch),
    )


def _without_statement(files: Sequence[str]) -> str:
    """Some rows have no issue: what can be said is where tests fail."""
    return f"Some of the tests in {', '.join(files)} fail. Find the bug and repair it."


# -- R2E-Gym --------------------------------------------------------------------------------------------


def _read_r2e(row: Mapping[str, Any]) -> TaskRow:
    commit = json.loads(_text(row, "parsed_commit_content"))
    expected = row.get("expected_output_json")
    expected = json.loads(expected) if isinstance(expected, str) else dict(expected or {})
    # Names are compared without colours and without the reason of a failure, as R2E-Gym does.
    names = {re.sub(r"\x1b\[\d+m", "", test).split(" - ")[0]: status for test, status in expected.items()}
    fail_to_pass = tuple(test for test, status in names.items() if test and status == "PASSED")
    if not fail_to_pass:
        raise ValueError(f"the row of {row['docker_image']} expects no test to pass")
    statement = _text(row, "problem_statement")
    issue = re.search(r"\[ISSUE\](.*)\[/ISSUE\]", statement, re.DOTALL)
    patch = _commit_patch(commit)
    return TaskRow(
        id=id_of_row(row),
        format="r2e",
        image=image_of_row(row),
        statement=(issue[1] if issue else statement).strip(),
        patch=patch,
        test_patch="",
        # The rows do not tell which of the tests fail before: all must pass.
        fail_to_pass=fail_to_pass,
        pass_to_pass=(),
        suite=Suite(R2E_PATH, "r2e"),
        difficulty=difficulty_of_row(row, patch),
    )


def _is_test(path: str) -> bool:
    pure = PurePosixPath(path)
    if pure.name.startswith("test_") or pure.name.endswith("_test.py"):
        return True
    return not {"tests", "Tests", "test", "Test"}.isdisjoint(pure.parts)


_MARKS = {"context": " ", "added": "+", "deleted": "-", "note": "\\ "}


def _commit_patch(commit: Mapping[str, Any]) -> str:
    """The patch of a parsed commit, for its Python sources alone: tests are hidden elsewhere."""
    lines = []
    for file in commit.get("file_diffs", []):
        path = file["header"]["file"]["path"]
        if not path.endswith(".py") or _is_test(path) or file.get("is_binary_file"):
            continue
        lines.append(f"diff --git a/{path} b/{path}")
        if file["header"].get("misc_line"):
            lines.append(file["header"]["misc_line"])
        if file.get("minus_file") and file.get("plus_file"):
            lines += [f"--- {file['minus_file']['path']}", f"+++ {file['plus_file']['path']}"]
        for hunk in file.get("hunks") or []:
            place = hunk["descriptor"]
            lines.append(f"@@ -{_span(place['old_range'])} +{_span(place['new_range'])} @@")
            lines += [_MARKS[line["type"]] + line["content"] for line in hunk["line_group"]["all_lines"]]
    return "\n".join(lines) + "\n" if lines else ""


def _span(part: Mapping[str, Any]) -> str:
    return str(part["start"]) if part.get("length") is None else f"{part['start']},{part['length']}"
