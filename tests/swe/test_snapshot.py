"""Snapshots and forks: a copy is what the sandbox was, and what becomes of one touches no other."""

import pytest

from telos.envs.swe.errors import SnapshotError
from telos.envs.swe.sandbox import SandboxLimits, open_sandbox

IMAGE = "telos-swe-base"


@pytest.fixture
def two(sandbox_kind):
    boxes = [open_sandbox(sandbox_kind, IMAGE, SandboxLimits(disk=8 << 20)) for _ in range(2)]
    yield boxes
    for box in boxes:
        box.close()


def out(box, command):
    done = box.run(command, 10.0)
    assert done.exit_code == 0, done
    return done.output


#: What a tree can hold, and how it shows.
ODD = r"""
mkdir -p deep/er 'with space' shut && echo one >deep/er/file && ln -s er/file deep/link && ln -s /nowhere dangling
ln deep/er/file hard && mkfifo pipe && printf 'x' >$'line\nbreak' && printf 'y' >$'\377raw' && : >empty
printf '#!/bin/sh\n' >tool && chmod 750 tool && touch -d '2001-02-03 04:05:06.789' old
echo secret >shut/file && chmod 000 shut/file && chmod 500 shut && echo kept >/tmp/mine && echo rc >~/.rc
"""
SHOWN = r"""
find . /tmp/mine ~/.rc -printf '%p %y %m %n %s %l\n' | LC_ALL=C sort; stat -c '%.5Y' old; cat deep/link hard
"""


def test_a_copy_has_all_files_as_they_were(two):
    first, second = two
    out(first, ODD)
    state = first.save()
    shown = out(first, SHOWN)
    assert (
        out(second, "echo else >other; mkdir -p shut/not; chmod 000 shut/not; echo 1 >/tmp/theirs; pwd") == "/testbed\n"
    )
    second.load(state)
    assert out(second, SHOWN) == shown
    assert out(second, "ls /tmp; chmod 600 shut/file; cat shut/file") == "mine\nsecret\n"


def test_the_shell_goes_on_where_it_stood(two):
    first, second = two
    out(first, "mkdir -p a/b && cd a/b && export KEPT='two words' && LOST=1")
    state = first.save()
    second.load(state)
    assert out(second, 'pwd; echo "$KEPT|$LOST"') == "/testbed/a/b\ntwo words|\n"
    assert out(first, 'pwd; echo "$KEPT|$LOST"') == "/testbed/a/b\ntwo words|1\n"


def test_copies_go_their_own_ways(two):
    first, second = two
    out(first, "echo base >file")
    state = first.save()
    second.load(state)
    out(first, "echo first >file; touch new")
    assert out(second, "cat file; ls") == "base\nfile\n"
    out(second, "echo second >file")
    first.load(state)
    assert out(first, "cat file; ls") == "base\nfile\n"


def test_processes_stand_still_while_files_are_copied_and_run_on(two):
    first, second = two
    # Two files that grow one after the other and differ by one line at most.
    out(first, "(for i in $(seq 100000); do echo >>a; echo >>b; done) >/dev/null 2>&1 &")
    out(first, "until [ -s b ]; do sleep 0.01; done")
    state = first.save()
    second.load(state)
    a, b = (int(out(second, f"wc -l <{name}")) for name in "ab")
    assert a - b in (0, 1)
    before = int(out(first, "wc -l <a"))
    out(first, f"until [ $(wc -l <a) -gt {before} ]; do sleep 0.01; done")


def test_what_is_too_large_is_said_and_the_sandbox_works_on(two):
    first, _ = two
    out(first, "head -c 6000000 /dev/zero >one; head -c 6000000 /dev/zero >/tmp/two")
    with pytest.raises(SnapshotError, match="cannot be copied"):
        first.save()
    assert out(first, "rm one; echo works") == "works\n"
    first.save()
