"""Patches: what is taken out of a tree goes back in unchanged, through our git and through anyone's."""

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from telos.envs.swe.repository import PatchError, Repository, TreeTooLargeError
from telos.envs.swe.sandbox import SandboxLimits, open_sandbox
from telos.envs.swe.scratch import scratch_folder

FILE, EXECUTABLE, LINK = 0o100644, 0o100755, 0o120000
GIT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    **{"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "HOME": "/nonexistent"},
}
BASE = {
    "a.py": b"def f(x):\n    return x + 1\n",
    "pkg/__init__.py": b"",
    "pkg/mod.py": b"".join(b"line %d\n" % i for i in range(50)),
    "pkg/data.bin": bytes(range(256)),
    "latin.txt": b"gr\xfcn\nblau\n",
    "crlf.txt": b"one\r\ntwo\r\n",
    "no newline": b"end",
    "sp ace/ü 🦉.txt": "grün\n".encode(),
}


def as_tar(tree):
    """A tree as a sandbox streams it."""
    members = []
    for path, (mode, data) in tree.items():
        member = tarfile.TarInfo(path)
        if mode == LINK:
            member.type, member.linkname = tarfile.SYMTYPE, os.fsdecode(data)
            members.append((member, None))
        else:
            member.mode, member.size = mode & 0o777, len(data)
            members.append((member, io.BytesIO(data)))
    return members


def changed(before, after):
    """The changes between two trees, worked out without git."""
    differing = {path: entry for path, entry in after.items() if before.get(path) != entry}
    return differing | dict.fromkeys(before.keys() - after.keys())


def checkout(files, folder):
    """Writes what the agent finds at the start of an episode."""
    for path, (_, data) in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        target.chmod(0o644)
    return folder


def tree_on_disk(folder):
    tree = {}
    for root, folders, names in os.walk(os.fsencode(folder)):
        if b".git" in folders:
            folders.remove(b".git")
        for name in names + [name for name in folders if os.path.islink(os.path.join(root, name))]:
            path = os.path.join(root, name)
            key = os.fsdecode(os.path.relpath(path, os.fsencode(folder)))
            if os.path.islink(path):
                tree[key] = (LINK, os.readlink(path))
            else:
                mode = EXECUTABLE if os.stat(path).st_mode & 0o100 else FILE
                tree[key] = (mode, Path(os.fsdecode(path)).read_bytes())
    return tree


def git(folder, *arguments, stdin=b""):
    done = subprocess.run(["git", *arguments], cwd=folder, input=stdin, capture_output=True, env=GIT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def repository():
    made = Repository(BASE)
    yield made
    made.close()


@pytest.fixture(scope="module")
def start():
    """What the agent finds: the files and its own git repository."""
    made = Repository(BASE)
    yield {**made.files, **made.guest_git()}
    made.close()


def round_trip(repository, after):
    """A tree to a patch and back; returns the patch."""
    changes = repository.changes(as_tar(after))
    assert changes == changed(repository.files, after)
    patch = repository.patch(changes)
    patch.encode()
    assert repository.apply(patch) == changes
    return patch


# -- properties -----------------------------------------------------------------------------------------

LITTER = {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis"}
NAMES = st.one_of(
    st.sampled_from(
        ["a", "b", "src", "x.py", "-", "--help", "a b", " ", "ü", "🦉", "*", "?", "[ab]", "!x", "#x", "{}", "~"]
    ),
    st.sampled_from(
        ["a\\b", "\\", 'q"q', "'", "t\tt", "n\nn", "r\rr", "\x01", "\x7f", "$HOME", "a/../b".replace("/", ":")]
    ),
    st.sampled_from(
        [os.fsdecode(b"\xff\xfe"), os.fsdecode(b"g\xfcn"), "x" * 200, ".hidden", "a ", "a.", ".gitattributes"]
    ),
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8),
).filter(
    lambda name: name == ".gitattributes" or not (name in (".", "..") or name.lower().startswith((".git", "git~")))
)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
CONTENTS = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")),
    st.sampled_from(
        [
            b"",
            b"\n",
            b"no end",
            b"a\r\nb\r\n",
            b"gr\xfcn\n",
            b"\0",
            b"x\n" * 500,
            b"* -text\n* binary\n",
            b"diff --git a b\n",
        ]
    ),
    st.sampled_from(
        [
            b"-- \n2.30\n",
            b"\\ No newline at end of file\n",
            b"@@ -1 +1 @@\n",
            "\u2028\x85\x0c".encode(),
            b"\xef\xbb\xbfbom\n",
        ]
    ),
)
TARGETS = st.one_of(PATHS, st.sampled_from(["/etc/passwd", "../../..", "nowhere", "a b"]))
LINKS = TARGETS.filter(lambda target: target.isprintable()).map(os.fsencode)
ENTRIES = st.one_of(st.tuples(st.sampled_from([FILE, EXECUTABLE]), CONTENTS), st.tuples(st.just(LINK), LINKS))


def is_tree(paths):
    """Whether no path is a folder of another, and none is litter."""
    folders = {"/".join(path.split("/")[:depth]) for path in paths for depth in range(1, path.count("/") + 1)}
    return not folders & set(paths) and not any(
        LITTER & set(path.split("/")) or path.endswith(".pyc") or len(os.fsencode(path)) > 1000 for path in paths
    )


TREES = st.dictionaries(PATHS, ENTRIES, max_size=6).filter(is_tree)
PLAIN_TREES = st.dictionaries(PATHS, CONTENTS, min_size=1, max_size=5).filter(is_tree)
SLOW = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


@SLOW
@given(PLAIN_TREES, TREES, st.sets(st.integers(0, 4)))
@example({"a": b"x\n"}, {"a/b": (FILE, b"x\n")}, {0})
@example({"a/b": b"x\n", "a/c": b"y\n"}, {"a": (FILE, b"x\n")}, {0, 1})
@example({"a/b": b"x\n"}, {"a": (LINK, b"elsewhere")}, {0})
@example({"a": b"text\n"}, {"a": (LINK, b"text\n")}, set())
@example({"a": b"text\n"}, {"a": (EXECUTABLE, b"text\n")}, set())
@example({"a": b"bin\0"}, {"a": (EXECUTABLE, b"bin\0")}, set())
@example({"a": b"gr\xfcn\n"}, {}, {0})
@example({"a": b"gr\xfcn\n"}, {"a": (FILE, "grün\n".encode())}, set())
@example({"a": b"x"}, {"b\\c": (FILE, b"gr\xfcn\n")}, set())
@example({"a": b"x"}, {'b"c\td': (FILE, b"gr\xfcn\n")}, set())
@example({"a": b"x"}, {"n\nn": (FILE, b"gr\xfcn\n"), "*": (FILE, b"text\n")}, set())
@example({"a": b"x"}, {"a /a": (FILE, b"")}, set())
@example({"a": b"x"}, {".gitattributes": (FILE, b"* diff\n"), "b": (FILE, b"\xff\n")}, set())
def test_any_change_makes_the_round_trip(base, added, removed):
    kept = {path: (FILE, data) for number, (path, data) in enumerate(base.items()) if number not in removed}
    after = {**kept, **added}
    assume(is_tree(after))
    made = Repository(base)
    try:
        round_trip(made, after)
    finally:
        made.close()


@SLOW
@given(TREES, st.sets(st.sampled_from(sorted(BASE))))
def test_a_patch_is_valid_for_anyones_git(tmp_path_factory, repository, start, added, removed):
    after = {path: entry for path, entry in repository.files.items() if path not in removed} | added
    assume(is_tree(after))
    assume(all(mode != LINK or b"\0" not in data for mode, data in added.values()))
    patch = round_trip(repository, after)
    clone = checkout(start, tmp_path_factory.mktemp("clone"))
    if patch:
        git(clone, "apply", "--binary", "-", stdin=patch.encode())
    assert tree_on_disk(clone) == after


# -- single cases ---------------------------------------------------------------------------------------


def test_no_change_is_an_empty_patch(repository):
    assert round_trip(repository, repository.files) == ""
    assert repository.apply("") == repository.apply(" \n") == {}


def test_a_patch_reads_like_one(repository):
    after = {**repository.files, "a.py": (FILE, b"def f(x):\n    return x + 2\n")}
    patch = round_trip(repository, after)
    assert patch.startswith("diff --git a/a.py b/a.py\n")
    assert "-    return x + 1\n+    return x + 2\n" in patch


def test_text_goes_as_text_and_the_rest_in_gits_binary_form(repository):
    after = {**repository.files, "latin.txt": (FILE, b"gr\xfcn\nrot\n"), "new": (FILE, "grün\n".encode())}
    patch = round_trip(repository, after)
    assert "+grün\n" in patch
    assert patch.count("GIT binary patch") == 1


def test_a_link_whose_target_is_text_round_trips(repository):
    round_trip(repository, {**repository.files, "link": (LINK, os.fsencode("ü"))})


@pytest.mark.parametrize("target", [b"\xff", b"/tmp/gr\xfcn"])
def test_a_link_whose_target_is_no_text_is_left_out(repository, target):
    """A link is never 'binary' to git, so no patch in UTF-8 can hold this one; the rest of the change counts."""
    after = {**repository.files, "link": (LINK, target), "note.txt": (FILE, b"x\n")}
    assert repository.changes(as_tar(after)) == {"note.txt": (FILE, b"x\n")}


def test_a_long_path_to_a_file_that_is_no_text(repository):
    path = "/".join(["d" * 199] * 5)
    round_trip(repository, {**repository.files, path: (FILE, b"gr\xfcn\n")})


@pytest.mark.parametrize("path", ["/".join(["d" * 200] * 5) + "/x", "d/" * 65 + "x"])
def test_paths_that_no_repair_has_are_refused(repository, path):
    with pytest.raises(TreeTooLargeError, match="64 levels"):
        repository.changes(as_tar({**repository.files, path: (FILE, b"x")}))


@pytest.mark.parametrize(
    "name", [".GIT/config", "git~1", ".git /x", "a/.Git", ".gitmodules", ".gitignore", "a\\.git\\b"]
)
def test_names_that_git_treats_as_its_own_do_not_break_the_grading(repository, name):
    """Git may refuse the patch; the host must then say so with PatchError, and not when it takes the patch."""
    changes = repository.changes(as_tar({**repository.files, name: (FILE, b"x\n")}))
    patch = repository.patch(changes)
    try:
        applied = repository.apply(patch)
    except PatchError:
        return
    assert applied == changes


def test_traces_of_running_programs_are_no_change(repository):
    litter = {
        "__pycache__/a.cpython-311.pyc": (FILE, b"\0"),
        "pkg/__pycache__/x": (FILE, b"x"),
        "b.pyc": (FILE, b"x"),
        ".pytest_cache/v/x": (FILE, b"x"),
        ".git/hooks/pre-commit": (EXECUTABLE, b"evil"),
        "sub/.git/config": (FILE, b"evil"),
        ".hypothesis/x": (FILE, b"x"),
    }
    assert repository.changes(as_tar({**repository.files, **litter})) == {}


def test_folders_and_special_files_are_no_change(repository):
    members = as_tar(repository.files)
    for name, kind in (("folder", tarfile.DIRTYPE), ("pipe", tarfile.FIFOTYPE), ("device", tarfile.CHRTYPE)):
        member = tarfile.TarInfo(name)
        member.type = kind
        members.append((member, None))
    assert repository.changes(members) == {}


def test_only_the_owners_execute_bit_counts(repository):
    members = [
        (member, file) for member, file in as_tar(repository.files) for member.mode in [0o666 if file else member.mode]
    ]
    assert repository.changes(members) == {}


def test_a_patch_does_not_depend_on_patches_before_it(repository):
    first = {**repository.files, "x": (FILE, b"\xff\n"), "a.py": (FILE, b"1\n")}
    second = {**repository.files, "y": (FILE, b"text\n")}
    alone = Repository(BASE)
    wanted = round_trip(alone, second)
    alone.close()
    round_trip(repository, first)
    assert round_trip(repository, second) == wanted


MIB = 1 << 20


def test_limits_of_a_change(repository):
    inside = {**repository.files, **{f"f{i}": (FILE, bytes([i]) * MIB) for i in range(4)}}
    assert len(repository.changes(as_tar(inside))) == 4
    with pytest.raises(TreeTooLargeError, match=r"4194304 bytes or 5000 files"):
        repository.changes(as_tar({**inside, "one more": (FILE, b"x")}))
    with pytest.raises(TreeTooLargeError, match="big has 4194305 bytes; the limit is 4194304"):
        repository.changes(as_tar({**repository.files, "big": (FILE, b"x" * (4 * MIB + 1))}))
    many = {**repository.files, **{f"f{i}": (FILE, b"") for i in range(5001)}}
    with pytest.raises(TreeTooLargeError, match="5000 files"):
        repository.changes(as_tar(many))
    del many["f0"]
    assert len(repository.changes(as_tar(many))) == 5000


def test_a_file_above_the_limit_is_not_even_read(repository):
    member = tarfile.TarInfo("huge")
    member.size = 10 << 40

    class Unreadable:
        def read(self, *_):
            raise AssertionError("was read")

    with pytest.raises(TreeTooLargeError):
        repository.changes([*as_tar(repository.files), (member, Unreadable())])


@pytest.mark.parametrize(
    "patch",
    [
        "nonsense",
        "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n not there\n-x\n+y\n",
        "diff --git a/zzz b/zzz\n--- a/zzz\n+++ b/zzz\n@@ -1 +1 @@\n-x\n+y\n",
        "diff --git a/../up b/../up\nnew file mode 100644\n--- /dev/null\n+++ b/../up\n@@ -0,0 +1 @@\n+x\n",
        "diff --git a/.git/x b/.git/x\nnew file mode 100755\n--- /dev/null\n+++ b/.git/x\n@@ -0,0 +1 @@\n+x\n",
        "diff --git a/b b/b\nnew file mode 100644\nGIT binary patch\nliteral 5\nbroken\n",
        "diff --git a/sub b/sub\nnew file mode 160000\n--- /dev/null\n+++ b/sub\n@@ -0,0 +1 @@\n"
        "+Subproject commit 0123456789012345678901234567890123456789\n",
        "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n\ud800",
    ],
    ids=["nonsense", "context", "missing", "upwards", "git", "binary", "submodule", "surrogate"],
)
def test_what_git_does_not_apply_is_a_patch_error(repository, patch):
    with pytest.raises(PatchError):
        repository.apply(patch)
    assert repository.apply("") == {}


def test_apply_takes_the_usual_forms_of_a_patch(repository):
    wanted = {"a.py": (FILE, b"def f(x):\n    return x - 1\n")}
    body = "@@ -1,2 +1,2 @@\n def f(x):\n-    return x + 1\n+    return x - 1\n"
    assert repository.apply(f"--- a/a.py\n+++ b/a.py\n{body}") == wanted
    assert repository.apply(f"Some words before\n\ndiff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n{body}") == wanted


def test_apply_understands_renames_and_copies(repository):
    patch = "diff --git a/a.py b/c/b.py\nsimilarity index 100%\nrename from a.py\nrename to c/b.py\n"
    assert repository.apply(patch) == {"a.py": None, "c/b.py": (FILE, BASE["a.py"])}


def test_the_agents_git_has_one_commit_and_a_clean_status(start, tmp_path):
    clone = checkout(start, tmp_path)
    assert git(clone, "log", "--all", "--format=%s %an %ae %at") == b"base Telos telos@localhost 946684800\n"
    assert git(clone, "status", "--porcelain", "--ignored") == b""
    assert git(clone, "fsck", "--full", "--strict", "--unreachable") == b""
    assert git(clone, "ls-files", "-z").split(b"\0")[:-1] == sorted(os.fsencode(path) for path in BASE)
    assert git(clone, "branch", "--format=%(refname)") == b"refs/heads/main\n"


def test_the_same_files_make_the_same_commit():
    first, second = Repository(BASE), Repository(dict(reversed(BASE.items())))
    head = ".git/refs/heads/main"
    assert first.guest_git()[head] == second.guest_git()[head]
    first.close()
    second.close()


def test_the_users_git_configuration_has_no_say(repository, tmp_path, monkeypatch):
    (tmp_path / ".gitconfig").write_text("[core]\n\tautocrlf = true\n[diff]\n\tnoprefix = true\n\texternal = false\n")
    for name, value in {
        "HOME": tmp_path,
        "GIT_DIR": "/nowhere",
        "GIT_EXTERNAL_DIFF": "false",
        "GIT_CONFIG_COUNT": 1,
    }.items():
        monkeypatch.setenv(name, str(value))
    patch = round_trip(repository, {**repository.files, "crlf.txt": (FILE, b"one\r\nthree\r\n")})
    assert "diff --git a/crlf.txt b/crlf.txt" in patch


# -- out of a sandbox -----------------------------------------------------------------------------------

AGENTS_WORK = r"""
set -e
printf 'changed\n' > a.py; git add -A; git -c user.name=x commit -qm one
printf 'untracked\n' > new.txt
printf 'two' > committed.txt; git add committed.txt; git commit -qm two; git checkout -q -b side; git gc -q
rm -r pkg; printf 'was a folder\n' > pkg
rm crlf.txt; mkdir crlf.txt; printf 'x' > crlf.txt/inner
ln -s ../outside/of/it link; ln -s /etc/passwd abs; ln -s pkg dirlink
printf '#!/bin/sh\n' > run.sh; chmod 755 run.sh; chmod 700 'no newline'
printf '\0\377' > binary; printf 'gr\374n\n' > "$(printf 'n\374me')"; printf 'q' > 'odd "name" \ * [x]'
mkfifo pipe; mkdir -p empty/folder __pycache__; touch __pycache__/x.pyc
printf 'secret' > unreadable; chmod 000 unreadable
git config core.worktree /tmp; echo '* -diff' > .git/info/attributes; rm -rf .git/refs
"""


def test_a_tree_is_taken_from_the_host_side_with_all_that_is_in_it(sandbox_kind, repository, start):
    sandbox = open_sandbox(sandbox_kind, "telos-swe-base", SandboxLimits())
    try:
        sandbox.put(start)
        done = sandbox.run(AGENTS_WORK, 30)
        assert (done.exit_code, done.output) == (0, "")
        sandbox.freeze()
        with sandbox.read_tree() as tree:
            changes = repository.changes(tree)
    finally:
        sandbox.close()
    assert changes == {
        "a.py": (FILE, b"changed\n"),
        "new.txt": (FILE, b"untracked\n"),
        "committed.txt": (FILE, b"two"),
        "pkg": (FILE, b"was a folder\n"),
        "pkg/__init__.py": None,
        "pkg/mod.py": None,
        "pkg/data.bin": None,
        "crlf.txt": None,
        "crlf.txt/inner": (FILE, b"x"),
        "link": (LINK, b"../outside/of/it"),
        "abs": (LINK, b"/etc/passwd"),
        "dirlink": (LINK, b"pkg"),
        "run.sh": (EXECUTABLE, b"#!/bin/sh\n"),
        "no newline": (EXECUTABLE, b"end"),
        "binary": (FILE, b"\0\xff"),
        os.fsdecode(b"n\xfcme"): (FILE, b"gr\xfcn\n"),
        'odd "name" \\ * [x]': (FILE, b"q"),
        "unreadable": (FILE, b"secret"),
    }
    assert repository.apply(repository.patch(changes)) == changes


def test_hard_links_are_files_like_any_other(sandbox_kind, repository):
    """An archive holds the second name of a file as a reference to the first; neither may get lost."""
    sandbox = open_sandbox(sandbox_kind, "telos-swe-base", SandboxLimits())
    try:
        sandbox.put(repository.files)
        assert sandbox.run("ln a.py 0_backup && ln a.py z_backup && echo '# more' >> a.py", 30).exit_code == 0
        with sandbox.read_tree() as tree:
            changes = repository.changes(tree)
    finally:
        sandbox.close()
    entry = (FILE, BASE["a.py"] + b"# more\n")
    assert changes == {"a.py": entry, "0_backup": entry, "z_backup": entry}


def test_a_huge_sparse_file_is_refused_and_costs_nothing(sandbox_kind, repository):
    sandbox = open_sandbox(sandbox_kind, "telos-swe-base", SandboxLimits())
    try:
        sandbox.put(repository.files)
        assert sandbox.run("truncate -s 200M hole", 30).exit_code == 0
        with pytest.raises(TreeTooLargeError, match="hole"), sandbox.read_tree() as tree:
            repository.changes(tree)
        assert sandbox.run("echo alive", 30).output == "alive\n"
    finally:
        sandbox.close()


# -- scratch folders ------------------------------------------------------------------------------------


def test_close_leaves_nothing_and_may_be_called_twice():
    before = set(scratch_folder().iterdir())
    made = Repository(BASE)
    folder = made._git_dir
    assert folder.is_dir()
    assert set(scratch_folder().iterdir()) == before | {folder}
    made.close()
    made.close()
    assert not folder.exists()


def test_only_the_user_can_look_into_the_scratch_folder():
    assert scratch_folder().stat().st_mode & 0o077 == 0
    assert scratch_folder().parent.stat().st_mode & 0o077 == 0


def test_scratch_folders_of_dead_processes_go_at_the_next_use_and_those_of_the_living_stay():
    code = (
        "import sys, telos.envs.swe.repository as r\n"
        "made = r.Repository({'a': b'x'}); print(made._git_dir, flush=True); sys.stdin.read()"
    )
    start = [sys.executable, "-c", code]
    dead, alive = (subprocess.Popen(start, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2))
    dead_folder, alive_folder = (Path(process.stdout.readline().strip()) for process in (dead, alive))
    dead.kill()
    dead.communicate()
    assert dead_folder.is_dir()
    third = subprocess.run([*start[:2], "import telos.envs.swe.scratch as s; s.scratch_folder()"], check=False)
    assert third.returncode == 0
    assert not dead_folder.parent.exists()
    assert alive_folder.is_dir()
    alive.communicate("")
    assert not alive_folder.exists()
