"""Tasks from any package: nothing of it runs on the host, and what is made is the same however often it is stopped."""

import functools
import gzip
import http.server
import io
import json
import shutil
import tarfile
import textwrap
import threading
import zipfile
from pathlib import Path

import gymnasium as gym
import pytest

import telos  # noqa: F401 - registers the environments
from telos.baselines.swe_tasks import sandbox_pool
from telos.envs.swe import load_tasks
from telos.envs.swe.builtin_tasks import without_tests
from telos.envs.swe.errors import PackageError
from telos.envs.swe.grading import TestReport, grade, judge
from telos.envs.swe.making.dataset import DatasetRecipe, make_dataset
from telos.envs.swe.making.download import download_source, download_wheels, read_archive, read_folder
from telos.envs.swe.making.journal import JournaledRunner
from telos.envs.swe.making.layout import read_project, with_wheels
from telos.envs.swe.making.reach import trace_tests
from telos.envs.swe.making.runner import SandboxRunner
from telos.envs.swe.mutations import mutations_of
from telos.envs.swe.repository import Repository
from telos.envs.swe.reproduction import reproduction_of

CORE = '''
"""Numbers."""


def clamp(value, low=0, high=10):
    """Moves a value between two bounds."""
    if low > high:
        raise ValueError("low above high")
    return min(max(value, low), high)


def mean(values):
    """The arithmetic mean."""
    return sum(values) / len(values)


def span(values):
    """Largest minus smallest, 0 of nothing."""
    if not values:
        return 0
    return max(values) - min(values)


def unused(value):
    return value + 1
'''
TEST_FUNCTIONS = """
import os

import pytest
from helper import SMALL
from toy import clamp


def test_inside():
    assert clamp(4) == 4


@pytest.mark.parametrize(("value", "bound"), [(-3, 0), (30, 10)])
def test_outside(value, bound):
    assert clamp(value) == bound


def test_order():
    with pytest.raises(ValueError):
        clamp(1, 5, 2)


def test_bounds():
    assert clamp(SMALL, 2, 3) == 2


@pytest.mark.skip
def test_skipped():
    assert False


def test_needs_a_network():
    assert os.environ["ADDRESS"]
"""
TEST_CLASS = """
import unittest

from toy import mean, span


class NumbersTest(unittest.TestCase):
    def test_mean(self):
        self.assertEqual(mean([1, 2]), 1.5)

    def test_span(self):
        values = [3, 8, 1]
        self.assertEqual(span(values), 7)

    def test_many_spans(self):
        for value in range(3):
            with self.subTest(value=value):
                self.assertEqual(span([value, value]), 0)

    # Nothing spans nothing.
    def test_span_of_nothing(self):
        self.assertEqual(span([]), 0)
"""


def toy_files() -> dict[str, bytes]:
    """A package as a source distribution has it, with tests of which two cannot pass in a sandbox."""
    texts = {
        "PKG-INFO": "Metadata-Version: 2.1\nName: Toy\nVersion: 1.2\n"
        "License: MIT\nRequires-Dist: absent; extra == 'x'\n",
        "LICENSE": "MIT\n",
        "setup.py": "raise SystemExit('setup.py was run')\n",
        "tox.ini": "[pytest]\naddopts = --no-such-option\n",
        "src/toy/__init__.py": "from toy.core import clamp, mean, span\n",
        "src/toy/core.py": CORE.lstrip(),
        "testing/helper.py": "SMALL = -1\n",
        "testing/test_functions.py": TEST_FUNCTIONS.lstrip(),
        "testing/test_class.py": TEST_CLASS.lstrip(),
        "testing/test_broken.py": "import no_such_module\n",
    }
    return {path: text.encode() for path, text in texts.items()}


def write_tree(files: dict[str, bytes], folder: Path) -> Path:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def tar_of(files: dict[str, bytes], top: str = "") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(top + path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


# -- from the index to a tree ---------------------------------------------------------------------------


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A package index of one project, whose build would leave a file behind."""
    ran = tmp_path / "ran"
    files = {**toy_files(), "setup.py": f"open({str(ran)!r}, 'w').close()\n".encode()}
    files["pyproject.toml"] = b'[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    files["backend.py"] = files["setup.py"]
    folder = tmp_path / "index" / "simple" / "toy"
    folder.mkdir(parents=True)
    (folder / "toy-1.2.tar.gz").write_bytes(tar_of(files, "toy-1.2/"))
    (folder / "index.html").write_text('<!DOCTYPE html><a href="toy-1.2.tar.gz">toy-1.2.tar.gz</a>')

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=str(tmp_path / "index"))
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    yield ran
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_source_distribution_comes_from_an_index_and_nothing_in_it_runs(index):
    name, content = download_source("toy")
    assert name == "toy-1.2.tar.gz"
    assert read_archive(name, content)["src/toy/core.py"] == CORE.lstrip().encode()
    assert not index.exists()
    with pytest.raises(PackageError, match=r"no source distribution of 'toi' .* or give the path of a folder"):
        download_source("toi")
    with pytest.raises(PackageError, match="no wheels in pure Python"):
        download_wheels(["toy"])
    assert not index.exists()


def test_archives_hold_no_way_out():
    assert read_archive("a.tar.gz", tar_of({"b": b"1", "c/d": b"2"}, "a-1/")) == {"b": b"1", "c/d": b"2"}
    for path in ("../evil", "a/../../evil", "/evil"):
        with pytest.raises(PackageError, match="leads out of it"):
            read_archive("a.tar.gz", tar_of({path: b""}))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        link = tarfile.TarInfo("a/passwd")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    assert read_archive("a.tar.gz", gzip.compress(buffer.getvalue())) == {}
    with pytest.raises(PackageError, match="holds more than 64 MiB"):
        read_archive("a.tar.gz", tar_of({f"{number}": bytes(33 << 20) for number in range(2)}))
    with pytest.raises(PackageError, match="cannot be unpacked"):
        read_archive("a.whl", b"no archive")


def test_layouts_become_one():
    project = read_project(toy_files(), "whatever")
    assert (project.name, project.version, project.licence, project.requirements) == ("toy", "1.2", "MIT", ())
    assert sorted(project.files) == [
        "LICENSE",
        "tests/conftest.py",
        "tests/helper.py",
        "tests/test_broken.py",
        "tests/test_class.py",
        "tests/test_functions.py",
        "toy-1.2.dist-info/METADATA",
        "toy/__init__.py",
        "toy/core.py",
    ]
    inside = {"pyproject.toml": b'[project]\nname = "one-two"\nversion = "3"\nlicense = "BSD-3-Clause"\n'}
    inside["pyproject.toml"] += b'dependencies = ["three>=1"]\n'
    inside |= {"one_two/__init__.py": b"", "one_two/sub/tests/test_a.py": b"", "one_two/tests/test_b.py": b""}
    inside |= {"docs/conf.py": b"", "other/__init__.py": bytes(100), "conftest.py": b""}
    project = read_project(inside, "folder")
    assert (project.name, project.licence, project.requirements) == ("one_two", "BSD-3-Clause", ("three>=1",))
    assert {"one_two/__init__.py", "tests/sub/test_a.py", "tests/test_b.py"} <= project.files.keys()
    assert not {"docs/conf.py", "one_two/tests/test_b.py"} & project.files.keys()
    assert read_project({"solo.py": b"", "test.py": b""}, "solo").files.keys() == {
        "solo.py",
        "tests/test_package.py",
        "tests/conftest.py",
    }


def test_projects_that_will_not_do():
    with pytest.raises(PackageError, match="no Python package"):
        read_project({"setup.py": b"", "tests/test_a.py": b""}, "x")
    with pytest.raises(PackageError, match=r"no tests in 'x'.*give the path of a checkout"):
        read_project({"a/__init__.py": b""}, "x")
    with pytest.raises(PackageError, match=r"holds 9 MiB .* the limit is 8"):
        read_project({"a.py": bytes(9 << 20), "test_a.py": b""}, "x")


def test_dependencies_lie_beside_the_package():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as wheel:
        for path in ("dep/__init__.py", "dep-1.dist-info/METADATA", "dep-1.dist-info/RECORD", "dep-1.data/scripts/run"):
            wheel.writestr(path, b"")
    project = read_project(toy_files(), "toy")
    added = with_wheels(project, {"dep-1-py3-none-any.whl": buffer.getvalue()}).keys() - project.files.keys()
    assert added == {"dep/__init__.py", "dep-1.dist-info/METADATA"}


def test_folders_are_read_without_what_does_not_belong_to_them(tmp_path):
    write_tree({"a/b.py": b"1", ".git/config": b"", "env/pyvenv.cfg": b"", "env/c.py": b"", "a/d.pyc": b""}, tmp_path)
    (tmp_path / "link").symlink_to("/etc/passwd")
    assert read_folder(tmp_path) == {"a/b.py": b"1"}


# -- methods of test classes ----------------------------------------------------------------------------


def test_methods_are_cut_out_of_their_class():
    rest = without_tests(
        TEST_CLASS, {f"NumbersTest::test_{name}" for name in ("span", "many_spans", "span_of_nothing")}
    )
    assert rest is not None
    assert rest.endswith("class NumbersTest(unittest.TestCase):\n    def test_mean(self):\n        "
                         "self.assertEqual(mean([1, 2]), 1.5)\n")  # fmt: skip
    names = {f"NumbersTest::test_{name}" for name in ("mean", "span", "many_spans", "span_of_nothing")}
    assert without_tests(TEST_CLASS, names) is None
    left = without_tests(TEST_CLASS + "\n\ndef test_other():\n    assert True\n", names)
    space: dict[str, object] = {}
    exec(left.replace("from toy import mean, span", ""), space)
    assert "test_other" in space
    with pytest.raises(ValueError, match="test_mean"):
        without_tests(TEST_CLASS, {"test_mean"})


def test_a_method_becomes_a_script():
    script = reproduction_of(TEST_CLASS, "tests/test_class.py::NumbersTest::test_span")
    assert "self" not in script
    for result, fails in ((7, False), (6, True)):
        space = {"__name__": "script"}
        text = script.replace("from toy import span", f"span = lambda values: {result}")
        if fails:
            with pytest.raises(AssertionError, match="6 != 7"):
                exec(text, space)
        else:
            exec(text, space)
    uses_class = TEST_CLASS.replace("values = [3, 8, 1]", "values = self.values")
    assert reproduction_of(uses_class, "tests/test_class.py::NumbersTest::test_span") is None


def test_mutants_are_told_from_the_source_whatever_statement_they_are_in():
    source = "X = 1 + 2\n\n\nclass A:\n    def f(self, a, b=3):\n        return a - b\n\n    def g(self): return 2\n"
    found = mutations_of("m.py", source)
    assert {mutation.function for mutation in found} == {"", "A.f", "A.g"}
    for mutation in found:
        mutated = source[: mutation.start] + mutation.replacement + source[mutation.end :]
        assert compile(mutated, "m.py", "exec") != compile(source, "m.py", "exec")


# -- the journal ----------------------------------------------------------------------------------------


class CountingRunner:
    """Answers each run otherwise."""

    def __init__(self) -> None:
        self.runs = 0

    def run_tests(self, files, timeout, tests=("tests",)) -> TestReport:
        self.runs += 1
        outcomes = {"t::a": "passed", "t::b": "failed" if self.runs % 2 else "passed"}
        return TestReport(outcomes, {"t::b": f"run {self.runs}"}, True, "", "log", 0.5)


def test_the_journal_gives_each_run_the_answer_that_it_had(tmp_path):
    path, runner = tmp_path / "journal.jsonl", CountingRunner()
    journal = JournaledRunner(runner, path)
    asked = [({"a": b"1"}, ("tests",)), ({"a": b"1"}, ("tests",)), ({"a": b"1"}, ("t",)), ({"a": b"2"}, ("tests",))]
    first = [journal.run_tests(files, 1.0, tests) for files, tests in asked]
    journal.close()
    path.write_bytes(path.read_bytes()[:-20])  # killed while it wrote the last line
    journal = JournaledRunner(runner, path)
    again = [journal.run_tests(files, 1.0, tests) for files, tests in asked]
    journal.close()
    assert [(report.outcomes, report.messages) for report in again[:3]] == [
        (report.outcomes, report.messages) for report in first[:3]
    ]
    assert runner.runs == 5
    assert again[3].messages == {"t::b": "run 5"}


# -- in a sandbox ---------------------------------------------------------------------------------------


class KilledError(Exception):
    """Stands for a kill."""


class DyingRunner(SandboxRunner):
    """Dies after some runs."""

    left = 9

    def run_tests(self, files, timeout, tests=("tests",)) -> TestReport:
        self.left -= 1
        if self.left < 0:
            raise KilledError
        return super().run_tests(files, timeout, tests)


def told(out: Path) -> list[dict]:
    rows = [json.loads(line) for line in (out / "tasks.jsonl").read_text().splitlines()]
    for row in rows:
        row.get("health", row).pop("seconds", None)  # measured, the rest is decided by the seed
        row.get("made", row).pop("suite_seconds", None)
    return rows


@pytest.fixture(scope="module")
def dataset(sandbox_kind, tmp_path_factory):
    """A dataset that was made in two goes, with another made in one."""
    folder = tmp_path_factory.mktemp("datasets")
    source = write_tree(toy_files(), folder / "source")
    recipe = DatasetRecipe(str(source), 1, 3, (), sandbox_kind)
    with sandbox_pool(sandbox_kind, 4) as pool:
        with pytest.raises(KilledError):
            make_dataset(recipe, folder / "made", DyingRunner(pool), 2, lambda text, fraction: None)
        assert (folder / "made" / "journal.jsonl").exists()
        shutil.rmtree(source)  # it is not read again
        source.mkdir()
        assert make_dataset(recipe, folder / "made", SandboxRunner(pool), 2, lambda text, fraction: None) == 1
        yield folder, recipe, pool


def test_a_dataset_loads_and_its_tasks_are_fair(dataset):
    folder, recipe, pool = dataset
    tasks = load_tasks(str(folder / "made"))
    assert tasks.ids == ("toy-0001",)
    for task in tasks:
        repository = Repository(task.files)
        assert grade(pool, repository, task, task.gold_patch).resolved
        repository.close()
        assert set(judge(pool, task, {}).failed) == set(task.fail_to_pass)
        assert "test_needs_a_network" not in "".join(content.decode() for content in task.test_files.values())
        assert task.health.stable
    env = gym.make("SWEDocker-v0", tasks=str(folder / "made"), sandbox=recipe.sandbox, warm=1)
    _, info = env.reset(seed=1)
    _, _, _, _, step = env.step("python3 -m pytest -q")
    env.close()
    assert info["task"] in tasks.ids
    assert step["reward_terms"]["tool"] > 0
    card = (folder / "made" / "README.md").read_text()
    assert "Tasks for `SWEDocker-v0`: 1." in card
    assert "licence: MIT" in card
    assert "Of 11 tests 8 pass" in card
    assert {entry.name for entry in (folder / "made").iterdir()} == {"README.md", "packages", "tasks.jsonl"}


def test_a_dataset_is_the_same_without_interruption_and_with_one_job(dataset):
    folder, recipe, pool = dataset
    write_tree(toy_files(), folder / "source")
    make_dataset(recipe, folder / "again", SandboxRunner(pool), 1, lambda text, fraction: None)
    assert told(folder / "again") == told(folder / "made")
    before = (folder / "made" / "tasks.jsonl").read_bytes()
    runner = DyingRunner(pool)
    runner.left = 0
    assert make_dataset(recipe, folder / "made", runner, 1, lambda text, fraction: None) == 1
    assert (folder / "made" / "tasks.jsonl").read_bytes() == before


def test_what_reaches_what(dataset):
    folder, _, pool = dataset
    files = read_folder(folder / "made" / "packages" / "toy")
    sources = {path: content.decode() for path, content in files.items() if path.startswith("toy/")}
    reach = trace_tests(pool, files, sources, 60.0)
    tests = {
        mutation.function: reach.tests_of([mutation])
        for mutation in mutations_of("toy/core.py", sources["toy/core.py"])
        if mutation.line != CORE.lstrip()[: CORE.lstrip().index("def clamp")].count("\n") + 1  # its defaults
    }
    assert tests["mean"] == ["tests/test_class.py::NumbersTest::test_mean"]
    assert set(tests["clamp"]) == {
        f"tests/test_functions.py::{name}" for name in ("test_inside", "test_outside", "test_order", "test_bounds")
    }
    assert tests["unused"] == []


def test_folders_and_packages_that_will_not_do(dataset, tmp_path):
    folder, recipe, pool = dataset

    def make(files: dict[str, bytes], name: str) -> None:
        target = str(write_tree(files, tmp_path / name))
        make_dataset(DatasetRecipe(target, 1, 0, (), recipe.sandbox), tmp_path / f"{name}-made", runner, 1, print)

    runner = SandboxRunner(pool)
    package = {"toy/__init__.py": b"X = 1\n"}
    with pytest.raises(PackageError, match="no tests found"):
        make({**package, "tests/test_a.py": b"Y = 2\n"}, "empty")
    with pytest.raises(PackageError, match=r"none of the test files can be imported .*no_such_module"):
        make({**package, "tests/test_a.py": b"import no_such_module\n"}, "unimportable")
    failing = textwrap.dedent("""
        def test_a():
            assert 1 == 2


        def test_b():
            assert 1 == 3


        def test_c():
            pass
        """)
    with pytest.raises(PackageError, match=r"2 of 3 tests do not pass .*assert 1 == 2.*--requires"):
        make({**package, "tests/test_a.py": failing.encode()}, "failing")
    with pytest.raises(PackageError, match="the tests run nothing of toy"):
        make({**package, "tests/test_a.py": b"def test_a():\n    pass\n"}, "elsewhere")
    with pytest.raises(ValueError, match="holds a dataset made otherwise"):
        make_dataset(
            DatasetRecipe(recipe.target, 1, 4, (), recipe.sandbox), folder / "made", runner, 1, lambda *told: None
        )
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "todo").touch()
    with pytest.raises(ValueError, match="choose an empty folder"):
        make_dataset(recipe, tmp_path / "notes", runner, 1, lambda *told: None)
    with pytest.raises(PackageError, match="is no folder"):
        make_dataset(DatasetRecipe("./no/such", 1, 0, (), recipe.sandbox), tmp_path / "new", runner, 1, lambda *t: None)
