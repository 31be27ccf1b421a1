"""Tasks of published data sets: rows of each format, in images with a repository at /testbed."""

import hashlib
import http.server
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
import time
from dataclasses import replace

import docker
import gymnasium as gym
import pytest

from telos.baselines.cli import main
from telos.envs.swe.datasets.dataset_tasks import DatasetTasks, load_dataset
from telos.envs.swe.datasets.images import ensure_image, evict_images, images_present
from telos.envs.swe.datasets.logs import parse_log, status_of
from telos.envs.swe.datasets.rows import read_row
from telos.envs.swe.datasets.sources import DATASETS, ListRows, load_rows
from telos.envs.swe.errors import InfrastructureError, SandboxUnavailableError
from telos.envs.swe.grading import Outcome, grade, judge
from telos.envs.swe.pool import SandboxPool, SandboxSpec
from telos.envs.swe.repository import Repository, TreeTooLargeError
from telos.envs.swe.sandbox import SandboxLimits
from telos.envs.swe.sandbox.docker import client
from telos.envs.swe.tasks import FileTree, Suite, load_tasks

FILE, PROGRAM, LINK = 0o100644, 0o100755, 0o120000

#: A conda installation as far as a row's script sees it.
CONDA = {
    "opt/miniconda3/bin/activate": (FILE, b"conda() { PATH=/opt/miniconda3/envs/$2/bin:$PATH; }\n"),
    "opt/miniconda3/envs/testbed/bin/python": (LINK, b"/usr/bin/python3"),
    "opt/miniconda3/envs/testbed/bin/pytest": (
        PROGRAM,
        b"#!/opt/miniconda3/envs/testbed/bin/python\nimport pytest, sys\nsys.exit(pytest.console_main())\n",
    ),
    # An editable installation.
    "usr/local/lib/python3.11/dist-packages/testbed.pth": (FILE, b"/testbed\n"),
}
SCRIPT = """#!/bin/bash
set -uxo pipefail
source /opt/miniconda3/bin/activate
conda activate testbed
cd /testbed
git config --global --add safe.directory /testbed
cd /testbed
git status
git show
git -c core.fileMode=false diff 0123456789
source /opt/miniconda3/bin/activate
conda activate testbed
python -c 'print("PASSED", "set-up")'
python -m pip install -e .
export LANG=en_US.UTF-8
git checkout 0123456789 {files}
git apply -v - <<'EOF_114329324912'
{test_patch}
EOF_114329324912
: '>>>>> Start Test Output'
pytest -rA {files}
: '>>>>> End Test Output'
git checkout 0123456789 {files}
"""


# -- what the rows are made of --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def source():
    """A built-in task as other people would publish it: trees before and after, and its patches."""
    tasks = load_tasks("builtin")
    easy_task = tasks.by_id(next(name for name in tasks.ids if tasks.difficulty_of(name) == 1))
    before = FileTree({path: (FILE, content) for path, content in easy_task.files.items()})
    repository = Repository(before)
    repaired = repository.apply(easy_task.gold_patch)
    tests = {path: (FILE, content) for path, content in easy_task.test_files.items() if before.get(path) != content}
    test_patch = repository.patch(tests)
    repository.close()
    after = {**{path: (FILE, content) for path, content in before.items()}, **repaired}
    return easy_task, after, tests, test_patch


def build_image(name, entries):
    """An image of the base image and some files."""
    client()
    context, files = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=files, mode="w") as archive:
        for path, (mode, content) in entries.items():
            member = tarfile.TarInfo(path)
            if mode == LINK:
                member.type, member.linkname = tarfile.SYMTYPE, content.decode()
                archive.addfile(member)
            else:
                member.mode, member.size = mode & 0o777, len(content)
                archive.addfile(member, io.BytesIO(content))
    with tarfile.open(fileobj=context, mode="w") as archive:
        for path, content in {
            "Dockerfile": b"FROM telos-swe-base\nADD files.tar /\n",
            "files.tar": files.getvalue(),
        }.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    context.seek(0)
    lines = list(client().build(fileobj=context, custom_context=True, tag=name, rm=True, decode=True))
    assert not any("error" in line for line in lines), lines
    return name


def git_folder(tmp_path, entries):
    """The .git of an image whose repository knows a later commit, as careless images do."""
    folder = tmp_path / "repository"
    for path, (_, content) in entries.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    identity = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }
    for command in ("git init -q", "git add -A", "git commit -qm base", "git commit -q --allow-empty -m the-answer"):
        subprocess.run(command.split(), cwd=folder, check=True, env={**os.environ, **identity})
    return {
        f".git/{path.relative_to(folder / '.git')}": (FILE, path.read_bytes())
        for path in (folder / ".git").rglob("*")
        if path.is_file()
    }


def swe_bench_row(source, **others):
    task, _, _, test_patch = source
    files = " ".join(sorted({test.partition("::")[0] for test in task.fail_to_pass + task.pass_to_pass}))
    return {
        "repo": "telos/ledger",
        "instance_id": "telos__ledger-1",
        "base_commit": "0123456789",
        "patch": task.gold_patch,
        "test_patch": test_patch,
        "problem_statement": task.statement,
        "hints_text": "",
        "created_at": "2024-01-01T00:00:00Z",
        "version": "1.0",
        "FAIL_TO_PASS": json.dumps(task.fail_to_pass),
        "PASS_TO_PASS": json.dumps(task.pass_to_pass),
        "environment_setup_commit": "0123456789",
        "image": "telos-test/sweb.eval.x86_64.telos_1776_ledger-1:latest",
        "eval_script": SCRIPT.format(files=files, test_patch=test_patch),
        "log_parser": "parse_log_pytest",
        "eval_type": "pass_and_fail",
        **others,
    }


def swe_gym_row(source):
    names = ("repo", "base_commit", "patch", "test_patch", "problem_statement", "hints_text", "created_at", "version")
    row = {name: value for name, value in swe_bench_row(source).items() if name in names}
    task, _, tests, _ = source
    # As published: only the files of the test patch were ever run.
    kept = [test for test in task.pass_to_pass if test.partition("::")[0] in tests]
    lists = {"FAIL_TO_PASS": list(task.fail_to_pass), "PASS_TO_PASS": kept}
    return {**row, **lists, "repo": "iterative/dvc", "instance_id": "iterative__dvc-99999999"}


def swe_smith_row(source):
    task, after, _, _ = source
    repository = Repository(FileTree(after))
    bug = repository.patch(
        {path: (FILE, content) for path, content in task.files.items() if after.get(path) != (FILE, content)}
    )
    repository.close()
    return {
        "instance_id": "telos__ledger.01234567.lm_rewrite__abcdefgh",
        "patch": bug,
        "FAIL_TO_PASS": list(task.fail_to_pass),
        "PASS_TO_PASS": [*task.pass_to_pass, "tests/test_elsewhere.py::test_slow"],
        "image_name": "swesmith.x86_64.telos__ledger.01234567",
        "repo": "swesmith/telos__ledger.01234567",
        "problem_statement": task.statement,
    }


def r2e_row(source):
    task, *_ = source
    hunk = {"start": 1, "length": None}
    # Names are TestClass.test or test, without the file.
    expected = {test.partition("::")[2].replace("::", "."): "PASSED" for test in task.fail_to_pass + task.pass_to_pass}
    files = []
    lines = task.gold_patch.splitlines()
    for line in lines:
        if line.startswith("--- "):
            files.append(
                {"header": {"file": {"path": line[6:]}, "misc_line": None}, "is_binary_file": False, "hunks": []}
            )
            files[-1] |= {"minus_file": {"path": line[4:]}, "plus_file": {"path": f"b/{line[6:]}"}}
        elif line.startswith("@@"):
            old, new = line.split()[1:3]
            spans = [[int(number) for number in text[1:].split(",")] for text in (old, new)]
            ranges = [{"start": span[0], "length": span[1] if len(span) > 1 else None} for span in spans]
            place = {"old_range": ranges[0], "new_range": ranges[1], "section": ""}
            files[-1]["hunks"].append({"descriptor": place, "line_group": {"all_lines": []}})
        elif files and line[:1] in (" ", "+", "-") and not line.startswith("+++"):
            kind = {" ": "context", "+": "added", "-": "deleted"}[line[0]]
            files[-1]["hunks"][-1]["line_group"]["all_lines"].append({"content": line[1:], "type": kind})
    hidden = {
        "header": {"file": {"path": "tests/test_new.py"}},
        "hunks": [{"descriptor": {"old_range": hunk, "new_range": hunk}}],
    }
    return {
        "repo_name": "ledger",
        "docker_image": "namanjain12/ledger_final:0123456789",
        "commit_hash": "0123456789",
        "parsed_commit_content": json.dumps({"file_diffs": [*files, hidden], "old_commit_hash": "0123456789^"}),
        "expected_output_json": json.dumps(expected),
        "problem_statement": f"Solve it.\n[ISSUE]\n{task.statement}\n[/ISSUE]\n",
    }


ROWS = {"swe-bench": swe_bench_row, "swe-gym": swe_gym_row, "swe-smith": swe_smith_row, "r2e": r2e_row}


def image_files(format_name, source, tmp_path):
    """What is in the image of a row."""
    task, after, tests, _ = source
    before = {path: (FILE, content) for path, content in task.files.items()}
    if format_name == "swe-smith":
        tree, others = {**after, **tests}, CONDA
    elif format_name == "r2e":
        tree = {
            **before,
            ".venv/bin/python": (LINK, b"/usr/bin/python3"),
            ".venv/pyvenv.cfg": (FILE, b"home = /usr/bin\ninclude-system-site-packages = true\n"),
            "run_tests.sh": (FILE, b"#!/bin/bash\n.venv/bin/python -W ignore -m pytest -rA r2e_tests\n"),
        }
        others = {f"r2e_tests/{path.rpartition('/')[2]}": (FILE, content) for path, content in task.test_files.items()}
    else:
        # A program and a link must stay what they are.
        tree, others = {**before, "run": (PROGRAM, b"#!/bin/sh\n"), "link": (LINK, b"run")}, CONDA
    tree = {**tree, **git_folder(tmp_path, before), "__pycache__/x.pyc": (FILE, b"")}
    return {f"testbed/{path}": entry for path, entry in tree.items()} | others


@pytest.fixture(scope="module", params=[pytest.param(name, marks=pytest.mark.docker) for name in ROWS])
def made(request, source, tmp_path_factory):
    """A row of each format, its image, and its task."""
    _need_docker()
    row = ROWS[request.param](source)
    tasks = DatasetTasks(ListRows([row]), request.param)
    image = tasks.image_of(tasks.ids[0])
    build_image(image, image_files(request.param, source, tmp_path_factory.mktemp("image")))
    task = tasks[0]
    pool = SandboxPool(SandboxSpec("docker", task.image, SandboxLimits(memory=384 << 20, disk=64 << 20), 16_384))
    pool.want("tests", 1)
    yield request.param, task, pool
    pool.close()
    for name in dict.fromkeys((task.image, image)):
        remove_image(name)


def remove_image(name):
    """Removes an image once the last of its containers is gone; by force it would stay, without its name."""
    deadline = time.monotonic() + 30.0
    while True:
        try:
            return client().remove_image(name)
        except docker.errors.APIError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _need_docker():
    try:
        client()
    except SandboxUnavailableError as error:
        if os.environ.get("TELOS_REQUIRE_DOCKER") == "1":
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def docker_engine():
    _need_docker()


def graded(pool, task, patch):
    repository = Repository(task.files)
    try:
        return grade(pool, repository, task, patch)
    finally:
        repository.close()


# -- end to end -----------------------------------------------------------------------------------------


def test_the_gold_patch_resolves_and_a_wrong_one_does_not(made, source):
    format_name, task, pool = made
    verdict = graded(pool, task, task.gold_patch)
    assert (verdict.outcome, verdict.detail, verdict.failed) == (Outcome.PASSES_TESTS, "", ())
    assert set(verdict.passed) == set(task.fail_to_pass + task.pass_to_pass)
    assert graded(pool, task, "").outcome is Outcome.EMPTY_PATCH
    wrong = judge(pool, task, {"notes.txt": (FILE, b"PASSED\n")})
    assert (wrong.outcome, wrong.detail) == (Outcome.FAILS_TESTS, "")
    failing = source[0].fail_to_pass
    if format_name == "r2e":
        failing = [test.partition("::")[2].replace("::", ".") for test in failing]
    assert set(wrong.failed) == set(failing)


def test_the_agents_tree_has_no_history_and_no_hidden_test(made):
    format_name, task, _ = made
    assert not [path for path in task.files if path.startswith((".git/", "r2e_tests")) or path.endswith(".pyc")]
    assert task.test_files
    assert not [path for path, content in task.test_files.items() if task.files.get(path) == content]
    if format_name in ("swe-bench", "swe-gym"):
        assert task.files.modes == {"run": PROGRAM, "link": LINK}


@pytest.mark.parametrize("made", [pytest.param("swe-bench", marks=pytest.mark.docker)], indirect=True)
def test_printed_results_do_not_count(made):
    """The candidate's code prints results of a passing run, where the log's parser would read them."""
    _, task, pool = made
    printed = "".join(f"PASSED {name}\n" for name in (*task.fail_to_pass, *task.pass_to_pass))
    assert set(parse_log("pytest", printed)) == {*task.fail_to_pass, *task.pass_to_pass}
    path = next(path for path in task.files if path.endswith("/__init__.py"))
    forged = f"import atexit, os\natexit.register(os.write, 1, {printed.encode()!r})\n".encode() + task.files[path]
    verdict = judge(pool, task, {path: (FILE, forged), "conftest.py": (FILE, b"raise SystemExit")})
    assert printed in verdict.log
    assert set(verdict.failed) == set(task.fail_to_pass)


@pytest.mark.parametrize("made", [pytest.param("swe-bench", marks=pytest.mark.docker)], indirect=True)
def test_a_log_without_reports_must_agree_with_the_exit_code(made):
    """A suite with a runner of its own has nothing but its log."""
    _, task, pool = made
    task = replace(task, suite=replace(task.suite, script=task.suite.script.replace("\npytest", "\ntrue; pytest")))
    assert graded(pool, task, task.gold_patch).resolved
    printed = "".join(f"PASSED {name}\n" for name in (*task.fail_to_pass, *task.pass_to_pass))
    path = next(path for path in task.files if path.endswith("/__init__.py"))
    forged = f"import os\nos.write(1, {printed.encode()!r})\nos._exit(3)\n".encode()
    verdict = judge(pool, task, {path: (FILE, forged)})
    assert not verdict.passed
    assert "ended with 3, which its results do not bear out" in verdict.detail


@pytest.mark.parametrize("made", [pytest.param("swe-smith", marks=pytest.mark.docker)], indirect=True)
def test_the_command_lists_and_checks_a_source(made, source, tmp_path, capsys, monkeypatch):
    _, task, _ = made
    row = swe_smith_row(source)
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(row) + "\n" + json.dumps({**row, "instance_id": "x", "image_name": "telos-test/gone"}))
    monkeypatch.setattr(sys, "argv", ["telos", "swe", "tasks", str(file), "--check", "1"])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr().out
    assert ended.value.code == 0
    assert "1 of 2 images are here" in printed
    assert "missing" in printed
    assert "1 of 1 tasks: the gold patch resolves" in printed
    assert task.id[:10] in printed
    monkeypatch.setattr(sys, "argv", ["telos", "swe", "tasks", "swe-bench:none"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "Did you mean 'swe-bench:" in capsys.readouterr().err


@pytest.mark.parametrize("made", [pytest.param("r2e", marks=pytest.mark.docker)], indirect=True)
def test_hidden_tests_of_an_image_are_not_in_the_sandbox(made):
    _, task, pool = made
    repository = Repository(task.files)
    sandbox = pool.take()
    try:
        sandbox.put({**repository.files, **repository.guest_git()})
        name = task.fail_to_pass[0].rpartition(".")[2].partition("[")[0]
        look = f"grep -rls {name} / --include=*.py --exclude-dir=proc --exclude-dir=sys; git log --all --format=%s"
        assert sandbox.run(look, 20.0).output == "base\n"
        assert sandbox.run(".venv/bin/python -c 'import pytest; print(7)'", 20.0).output == "7\n"
    finally:
        sandbox.close()
        repository.close()


@pytest.mark.parametrize("made", [pytest.param("swe-bench", marks=pytest.mark.docker)], indirect=True)
def test_an_episode_plays_in_its_tasks_image(made, source, tmp_path):
    _, task, _ = made
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(swe_bench_row(source)))
    limits = {"memory": 384 << 20, "disk": 64 << 20}
    env = gym.make("SWEDocker-v0", tasks=str(file), limits=limits, warm=1, max_turns=5)
    try:
        assert env.reset(seed=3)[1]["task"] == task.id
        activate = "source /opt/miniconda3/bin/activate; conda activate testbed"
        seen = env.step(f"{activate}; which pytest; ./run; git status --short")
        assert (seen[0]["output"], seen[0]["result"]) == ("/opt/miniconda3/envs/testbed/bin/pytest\n", "exit code 0")
        env.step(f"git apply <<'END'\n{task.gold_patch}END\n")
        info = env.step("<submit/>")[4]
        assert (info["resolved"], info["grade_detail"], info["patch"] != "") == (True, "", True)
    finally:
        env.close()


def test_only_tasks_whose_image_is_here(docker_engine, tmp_path, source):
    rows = [
        swe_bench_row(source, image="telos-swe-base"),
        swe_bench_row(source, instance_id="other", image="telos-test/gone"),
    ]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert list(load_tasks(str(file)).ids) == ["telos__ledger-1", "other"]
    assert list(load_tasks(f"local:{file}").ids) == ["telos__ledger-1"]
    file.write_text(json.dumps(rows[1]))
    with pytest.raises(ValueError, match="no task whose image is on this engine"):
        load_dataset(f"local:{file}")


def test_a_suite_of_its_own_needs_its_image():
    task = replace(load_tasks("builtin")[0], suite=Suite("pytest\n", "pytest"))
    pool = SandboxPool(SandboxSpec("bubblewrap", task.image, SandboxLimits(), 16_384))
    try:
        with pytest.raises(SandboxUnavailableError, match="pass sandbox='docker'"):
            judge(pool, task, {})
    finally:
        pool.close()


def test_large_files_of_the_base_are_no_change_and_cannot_be_changed():
    """Repositories of the data sets hold files that are larger than any repair may be."""
    content = bytes(5 << 20)
    repository = Repository(FileTree({"data": (FILE, content), "run": (PROGRAM, b"#!/bin/sh\n")}))

    def tree(data):
        for path, mode, text in (("data", 0o644, data), ("run", 0o755, b"#!/bin/sh\n")):
            member = tarfile.TarInfo(path)
            member.mode, member.size = mode, len(text)
            yield member, io.BytesIO(text)

    try:
        assert repository.changes(tree(content)) == {}
        for other in (content[:-1] + b"x", content + b"x"):
            with pytest.raises(TreeTooLargeError):
                repository.changes(tree(other))
    finally:
        repository.close()


# -- rows -----------------------------------------------------------------------------------------------


def test_published_image_names(source):
    row = swe_bench_row(source, image="", instance_id="Django__django-11099", repo="django/django")
    assert read_row(row).image == "swebench/sweb.eval.x86_64.django_1776_django-11099:latest"
    gym = {**swe_gym_row(source), "repo": "Project-MONAI/MONAI", "instance_id": "Project-MONAI__MONAI-1121"}
    assert read_row(gym).image == "xingyaoww/sweb.eval.x86_64.project-monai_s_monai-1121:latest"
    assert read_row(gym).format == "swe-gym"
    smith = swe_smith_row(source)
    assert read_row(smith).image == "jyangballin/swesmith.x86_64.telos_1776_ledger.01234567:latest"
    smith["image_name"] = "swebench/swesmith.x86_64.telos_1776_ledger.01234567"
    assert read_row(smith).image == f"{smith['image_name']}:latest"
    assert read_row(r2e_row(source)).image == "namanjain12/ledger_final:0123456789"


def test_a_rows_own_script_is_kept_without_what_git_and_the_test_patch_do(source):
    script = read_row(swe_bench_row(source)).suite.script
    assert "git " not in script
    assert "diff --git" not in script
    assert script.rstrip().splitlines()[-1].startswith("pytest -rA tests/")
    assert 'python -c \'print("PASSED", "set-up")\'' in script
    assert "conda activate testbed" in script
    assert "pip install" not in script
    plain = swe_bench_row(source)["eval_script"].replace("pip install -e .", "pip install .")
    assert "\nexport PYTHONPATH=$PWD" in read_row(swe_bench_row(source, eval_script=plain)).suite.script


@pytest.mark.parametrize(
    ("repo", "path", "command"),
    [
        ("pallets/flask", "tests/test_basic.py", "pytest -rA tests/test_basic.py"),
        (
            "django/django",
            "tests/utils_tests/test_text.py",
            "./tests/runtests.py --verbosity 2 --settings=test_sqlite --parallel 1 utils_tests.test_text",
        ),
        ("sphinx-doc/sphinx", "tests/test_domain_py.py", "tox --current-env -epy39 -v -- tests/test_domain_py.py"),
        ("dask/dask", "dask/tests/test_core.py", "pytest -n0 -rA --color=no dask/tests/test_core.py"),
    ],
)
def test_rows_without_a_script_have_their_repositorys_command(source, repo, path, command):
    """The commands of the benchmarks' harnesses; data files of a test patch are no arguments."""
    patch = "".join(f"diff --git a/{name} b/{name}\n--- a/{name}\n+++ b/{name}\n" for name in (path, "tests/data.json"))
    row = swe_bench_row(source, repo=repo, test_patch=patch, eval_script="")
    assert read_row(row).suite.script.rstrip().splitlines()[-1] == command


def test_cases_of_mypy_are_chosen_by_name(source):
    patch = (
        "diff --git a/test-data/unit/check-x.test b/test-data/unit/check-x.test\n+[case testOne]\n x\n+[case testTwo]\n"
    )
    row = swe_bench_row(source, repo="python/mypy", test_patch=patch, eval_script="")
    assert read_row(row).suite.script.rstrip().endswith("pytest -rA -k 'testOne or testTwo'")


def test_difficulty_is_what_the_row_says_or_goes_by_the_repairs_size(source):
    told = {"<15 min fix": 1, "15 min - 1 hour": 2, "1-4 hours": 3, ">4 hours": 3}
    assert {word: read_row(swe_bench_row(source, difficulty=word)).difficulty for word in told} == told
    for lines, difficulty in ((2, 1), (20, 2), (200, 3)):
        rows = [swe_bench_row(source, patch="--- a/x\n+++ b/x\n@@ -1,0 +1 @@\n" + "+x\n" * lines)]
        tasks = DatasetTasks(ListRows(rows), "rows")
        assert tasks.difficulty_of(tasks.ids[0]) == tasks.row(tasks.ids[0]).difficulty == difficulty
    tasks = DatasetTasks(ListRows([r2e_row(source)]), "rows")
    assert tasks.difficulty_of("ledger-0123456789") == tasks.row("ledger-0123456789").difficulty


def test_the_issue_of_an_r2e_row_and_its_repair(source):
    row = read_row(r2e_row(source))
    assert row.statement == source[0].statement.strip()
    repository = Repository(source[0].files)
    assert repository.apply(row.patch) == repository.apply(source[0].gold_patch)
    repository.close()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"test_patch": "", "image_name": ""}, "of no known format"),
        ({"patch": None}, "'telos__ledger-1' has no patch"),
        ({"FAIL_TO_PASS": None}, "has no FAIL_TO_PASS"),
        ({"eval_type": "fail_only"}, "a test that never ran would pass"),
        ({"eval_script": "pytest"}, "Start Test Output"),
    ],
)
def test_rows_that_cannot_be_used_say_why(source, change, message):
    with pytest.raises(ValueError, match=message):
        read_row(swe_bench_row(source, **change))


def test_two_tasks_of_one_id_are_refused(source):
    with pytest.raises(ValueError, match="two tasks of the id 'telos__ledger-1'"):
        DatasetTasks(ListRows([swe_bench_row(source)] * 2), "rows")


def test_an_unknown_task_names_the_nearest(source):
    with pytest.raises(KeyError, match="telos__ledger-1"):
        DatasetTasks(ListRows([swe_bench_row(source)]), "rows").by_id("telos__ledger-2")


# -- logs -----------------------------------------------------------------------------------------------

PYTEST_LOG = """\
tests/test_a.py::test_one PASSED                                         [ 16%]
tests/test_a.py::test_two[a b] FAILED                                    [ 33%]
=================================== FAILURES ===================================
it PASSED, says a test
=========================== short test summary info ============================
PASSED tests/test_a.py::test_one
FAILED tests/test_a.py::test_two[a b] - AssertionError: assert PASSED == 1
ERROR tests/test_a.py::test_three - RuntimeError
SKIPPED [1] tests/test_a.py:9: no reason
XFAIL tests/test_a.py::test_four - later
\x1b[32mPASSED\x1b[0m tests/test_a.py::\x1b[1mTestC::test_five\x1b[0m
"""


def test_statuses_of_a_pytest_log():
    assert parse_log("pytest", PYTEST_LOG) == {
        "tests/test_a.py::test_one": "PASSED",
        "tests/test_a.py::test_two[a b]": "FAILED",
        "tests/test_a.py::test_three": "ERROR",
        "tests/test_a.py::test_four": "XFAIL",
        "tests/test_a.py::TestC::test_five": "PASSED",
    }
    assert parse_log("r2e", PYTEST_LOG)["TestC.test_five"] == "PASSED"
    assert parse_log("r2e", PYTEST_LOG)["test_two[a b]"] == "FAILED"


def test_a_name_cut_off_within_its_parameters_stands_for_all_that_agree():
    statuses = {"t.py::a[x y]": "PASSED", "t.py::a[x z]": "PASSED", "t.py::b[x y]": "PASSED", "t.py::b[x z]": "FAILED"}
    assert [status_of(name, statuses) for name in ("t.py::a[x", "t.py::b[x", "t.py::a", "t.py::c[")] == [
        "PASSED",
        *[None] * 3,
    ]


def test_parsers_of_the_swebench_package():
    pytest.importorskip("swebench")
    django = "test_a (utils_tests.test_text.T) ... ok\ntest_b (utils_tests.test_text.T) ... FAIL\n"
    expected = {"test_a (utils_tests.test_text.T)": "PASSED", "test_b (utils_tests.test_text.T)": "FAILED"}
    for name in ("parse_log_django", "django/django"):
        assert parse_log(name, django) == expected
    plain = "PASSED tests/test_a.py::test_one\nFAILED tests/test_a.py::test_two - AssertionError\n"
    for name in ("parse_log_pytest", "parse_log_pytest_v2", "parse_log_seaborn", "pallets/flask"):
        assert parse_log(name, plain) == parse_log("pytest", plain)


def test_a_parser_that_is_missing_or_unknown_says_what_to_do(monkeypatch):
    with pytest.raises(ValueError, match=r"unknown log parser 'pytset'.*'pytest'"):
        parse_log("pytset", "")
    monkeypatch.setitem(sys.modules, "swebench.harness.log_parsers", None)
    with pytest.raises(ValueError, match=r"pip install 'telos-gym\[swebench\]'"):
        parse_log("sympy/sympy", "")


# -- sources --------------------------------------------------------------------------------------------


@pytest.fixture
def rows(source):
    return [swe_bench_row(source), {**swe_bench_row(source), "instance_id": "other"}]


def test_rows_from_json(tmp_path, rows):
    for name, text in {"a.jsonl": "\n\n".join(map(json.dumps, rows)), "b.json": json.dumps(rows)}.items():
        (tmp_path / name).write_text(text)
        loaded = load_rows(str(tmp_path / name))
        assert [loaded.row(number) for number in range(len(loaded))] == rows
    assert [row["instance_id"] for row in loaded.columns(["instance_id", "none"])] == ["telos__ledger-1", "other"]


@pytest.mark.parametrize("layout", ["parquet", "stream", "file", "folder"])
def test_rows_from_parquet_and_arrow(tmp_path, rows, layout):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table, path = pyarrow.Table.from_pylist(rows), tmp_path / f"rows.{'parquet' if layout == 'parquet' else 'arrow'}"
    if layout == "parquet":
        parquet.write_table(table, path)
    elif layout == "folder":
        path = tmp_path / "test"
        (path / "data").mkdir(parents=True)
        for part in (0, 1):
            parquet.write_table(table.slice(part, 1), path / "data" / f"test-0000{part}-of-00002.parquet")
    else:
        new = pyarrow.ipc.new_stream if layout == "stream" else pyarrow.ipc.new_file
        with new(str(path), table.schema) as writer:
            writer.write_table(table)
    loaded = load_rows(str(path))
    assert [loaded.row(number) for number in range(len(loaded))] == rows
    tasks = load_dataset(str(path))
    assert [tasks.row(name) for name in tasks.ids] == [read_row(row) for row in rows]


def test_a_named_data_set_is_looked_for_in_the_folder_of_data_sets(tmp_path, rows, monkeypatch):
    monkeypatch.setenv("TELOS_SWE_DATA", str(tmp_path))
    (tmp_path / "swe-bench-verified.jsonl").write_text(json.dumps(rows[0]))
    assert list(load_dataset("swe-bench:verified").ids) == ["telos__ledger-1"]


@pytest.mark.parametrize("name", DATASETS)
def test_a_data_set_that_is_nowhere_says_where_to_put_it(tmp_path, monkeypatch, name):
    monkeypatch.setenv("TELOS_SWE_DATA", str(tmp_path))
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ValueError, match="pip install 'telos-gym") as error:
        load_rows(name)
    assert f"{tmp_path / name.replace(':', '-')}.parquet" in str(error.value)
    assert f"https://huggingface.co/datasets/{DATASETS[name][0]}" in str(error.value)


def test_without_network_and_cache_hugging_face_is_no_help(tmp_path):
    pytest.importorskip("datasets")
    code = "from telos.envs.swe import load_tasks; load_tasks('swe-bench:lite')"
    home = {"HF_HOME": str(tmp_path), "TELOS_SWE_DATA": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    run = subprocess.run([sys.executable, "-c", code], env={**os.environ, **home}, capture_output=True, text=True)
    assert "ValueError: swe-bench:lite is neither in" in run.stderr
    assert "swe-bench-lite.parquet" in run.stderr


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.jsonl", '{"a": 1}\n{', "row 2 is no JSON"),
        ("rows.json", "[1]", "no list of JSON objects"),
        ("rows.csv", "", "ends in none of .jsonl"),
        ("rows.jsonl", "", "has no task"),
        ("rows.jsonl", "{}", "neither instance_id nor docker_image"),
    ],
)
def test_files_that_cannot_be_read_say_why(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        load_dataset(str(tmp_path / name))


def test_an_unknown_source_names_the_nearest(tmp_path):
    with pytest.raises(ValueError, match="Did you mean 'swe-bench:lite'"):
        load_tasks("swe-bench:light")
    with pytest.raises(ValueError, match=r"holds no \.arrow"):
        load_tasks(str(tmp_path))
    with pytest.raises(ValueError, match=r"there is no file or folder rows\.jsonl"):
        load_tasks("rows.jsonl")


# -- images ---------------------------------------------------------------------------------------------


class Registry(http.server.ThreadingHTTPServer):
    """A registry of one-file images, as far as pulling goes; refuses the first requests if told to."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), RegistryHandler)
        self.blobs, self.manifests, self.refusals = {}, {}, 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def add(self, name):
        layer = io.BytesIO()
        with tarfile.open(fileobj=layer, mode="w") as archive:
            member = tarfile.TarInfo(name)
            member.size = 100_000
            archive.addfile(member, io.BytesIO(name.encode() * (100_000 // len(name) + 1)))
        kind, blob = "application/vnd.docker.distribution.manifest.v2+json", self._store
        root = {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer.getvalue()).hexdigest()]}
        config = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/x"]}, "rootfs": root}
        manifest = {
            "schemaVersion": 2,
            "mediaType": kind,
            "config": blob("application/vnd.docker.container.image.v1+json", json.dumps(config).encode()),
            "layers": [blob("application/vnd.docker.image.rootfs.diff.tar", layer.getvalue())],
        }
        self.manifests[name] = (kind, json.dumps(manifest).encode())
        return f"127.0.0.1:{self.server_port}/telos/{name}:latest"

    def _store(self, kind, content):
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        self.blobs[digest] = (kind, content)
        return {"mediaType": kind, "size": len(content), "digest": digest}


class RegistryHandler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        parts = self.path.strip("/").split("/")
        status, kind, content = 200, "application/json", b"{}"
        if len(parts) > 2:
            name, place = parts[2], self.server.manifests if parts[3] == "manifests" else self.server.blobs
            entry = place.get(name if parts[3] == "manifests" else parts[4])
            if entry is None and parts[3] == "manifests":
                entry = next(
                    (entry for entry in place.values() if parts[4].endswith(hashlib.sha256(entry[1]).hexdigest())), None
                )
            if self.server.refusals and parts[3] == "manifests":
                self.server.refusals -= 1
                error = {"code": "TOOMANYREQUESTS", "message": "You have reached your pull rate limit."}
                status, content = 429, json.dumps({"errors": [error]}).encode()
            elif entry is None:
                status, content = (
                    404,
                    json.dumps({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}).encode(),
                )
            else:
                kind, content = entry
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        if status == 200 and len(parts) > 2:
            self.send_header("Docker-Content-Digest", "sha256:" + hashlib.sha256(content).hexdigest())
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_):
        """Says nothing."""


@pytest.fixture
def registry(docker_engine, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("TELOS_SWE_IMAGE_BUDGET", raising=False)
    server = Registry()
    yield server
    server.shutdown()
    server.server_close()
    for name in images_present():
        if name.startswith(f"127.0.0.1:{server.server_port}/"):
            remove_image(name)


@pytest.mark.docker
def test_a_pull_tells_its_progress_and_is_done_once(registry):
    image, told = registry.add("one"), []
    assert ensure_image(image.removesuffix(":latest"), lambda *event: told.append(event)) == image
    assert images_present()[image] >= 100_000
    assert all(0 <= fraction <= 1 for _, fraction in told)
    assert told[-1][1] == 1.0
    ensure_image(image, lambda *_: pytest.fail("pulled twice"))


@pytest.mark.docker
def test_a_rate_limit_is_waited_for_and_named(registry):
    image, told = registry.add("one"), []
    registry.refusals = 2
    ensure_image(image, lambda *event: told.append(event), pause=0.001)
    waits = [text for text, _ in told if "rate" in text]
    assert waits
    assert all("docker login" in text for text in waits)
    registry.refusals = 1000
    with pytest.raises(InfrastructureError, match="after 5 attempts: the registry limits the rate of pulls"):
        ensure_image(registry.add("two"), lambda *_: None, pause=0.001)


@pytest.mark.docker
def test_an_image_that_no_registry_has_is_not_asked_for_again(registry):
    started = []
    with pytest.raises(SandboxUnavailableError, match="no registry has the image"):
        ensure_image(
            f"127.0.0.1:{registry.server_port}/telos/none:latest", lambda *event: started.append(event), pause=60.0
        )


@pytest.mark.docker
def test_a_registry_that_does_not_answer_says_how_to_do_without(docker_engine, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with pytest.raises(InfrastructureError, match=r"after 5 attempts.*docker load"):
        ensure_image("127.0.0.1:1/telos/none:latest", lambda *_: None, pause=0.001)


@pytest.mark.docker
def test_the_least_recently_used_image_goes_and_one_in_use_stays(registry, monkeypatch):
    first, second, third = (registry.add(name) for name in ("one", "two", "three"))
    for image in (first, second, third, first):
        ensure_image(image, lambda *_: None)
    container = client().create_container(second, ["/x"])["Id"]
    try:
        assert evict_images(None) == []
        assert evict_images(0, keep=third) == [first]
        assert {second, third} <= set(images_present())
        # A budget that nothing fits into: what is pulled now stays.
        monkeypatch.setenv("TELOS_SWE_IMAGE_BUDGET", "1 KB")
        ensure_image(first, lambda *_: None)
        assert {first, second} <= set(images_present())
        assert third not in images_present()
    finally:
        client().remove_container(container, force=True)
    assert evict_images(0) == [second, first]


@pytest.mark.docker
def test_what_telos_did_not_pull_is_never_removed(registry):
    image = registry.add("one")
    client().pull(image.removesuffix(":latest"), tag="latest")
    ensure_image(image, lambda *_: pytest.fail("it is here"))
    assert evict_images(0) == []
    assert {image, "telos-swe-base:latest"} <= set(images_present())


@pytest.mark.docker
def test_a_budget_that_is_no_size_says_how_to_write_one(registry, monkeypatch):
    monkeypatch.setenv("TELOS_SWE_IMAGE_BUDGET", "much")
    with pytest.raises(ValueError, match="write a size such as 200GB"):
        ensure_image("telos-swe-base")
