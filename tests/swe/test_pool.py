"""The warm pool: fresh sandboxes only, ahead of time, from any thread, and none left behind by any kind of death."""

import itertools
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gymnasium as gym
import pytest

from telos.envs.swe import pool as pool_module
from telos.envs.swe.errors import InfrastructureError, SandboxUnavailableError
from telos.envs.swe.pool import SandboxPool, SandboxSpec, acquire_pool, release_pool
from telos.envs.swe.sandbox import SandboxLimits
from telos.envs.swe.sandbox.docker import client as docker_client
from telos.envs.swe.scratch import scratch_folder

LIMITS = SandboxLimits(memory=256 << 20, disk=32 << 20, pids=64)
PATIENCE = 60.0
docker_only = pytest.mark.parametrize("sandbox_kind", [pytest.param("docker", marks=pytest.mark.docker)], indirect=True)


def spec_of(kind, **changes):
    return SandboxSpec(**{"kind": kind, "image": "telos-swe-base", "limits": LIMITS, "output_limit": 4096, **changes})


@pytest.fixture
def pool(sandbox_kind):
    made = SandboxPool(spec_of(sandbox_kind))
    yield made
    made.close()


def eventually(condition, seconds=PATIENCE):
    """Waits until a condition holds; false if it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def containers_of(pid, state=""):
    """Ids of the containers that belong to a process, by their owner label; if a state is named, those in it."""
    listed = subprocess.run(
        ["docker", "ps", "-a", "--no-trunc", "--format", '{{.ID}} {{.State}} {{.Label "telos.swe.owner"}}'],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rows = [line.split() for line in listed.splitlines() if f":{pid}:" in line]
    return {row[0] for row in rows if state in ("", row[1])}


def descendants(pid):
    """The processes below a process, with their start times, which name them for good."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(stat.parent.name)] = int(fields[1]), fields[19]
    found, layer = set(), {pid}
    while layer:
        layer = {child for child, (parent, _) in parents.items() if parent in layer}
        found |= {(child, parents[child][1]) for child in layer}
    return found


def alive(processes):
    def lives(pid, start):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return False
        return fields[0] != "Z" and fields[19] == start

    return {process for process in processes if lives(*process)}


# -- taking ---------------------------------------------------------------------------------------------


def test_a_pool_fills_itself_and_replenishes(pool):
    assert pool.idle == 0
    pool.want("user", 2)
    assert eventually(lambda: pool.idle == 2)
    taken = [pool.take(), pool.take()]
    assert eventually(lambda: pool.idle == 2)
    assert all(sandbox.run("echo fresh", 10).output == "fresh\n" for sandbox in taken)
    for sandbox in taken:
        sandbox.close()
    pool.want("user", 0)
    pool.take().close()
    pool.take().close()
    time.sleep(0.5)
    assert pool.idle == 0


def test_without_anyone_who_wants_some_a_sandbox_is_made_on_demand(pool):
    sandbox = pool.take()
    assert sandbox.run("echo fresh", 10).output == "fresh\n"
    sandbox.close()
    time.sleep(0.3)
    assert pool.idle == 0


def test_a_sandbox_is_never_handed_out_twice(pool):
    pool.want("user", 1)
    for _ in range(5):
        sandbox = pool.take()
        assert sandbox.run("cat /tmp/mark mark 2>/dev/null; echo used | tee /tmp/mark > mark", 10).output == ""
        sandbox.close()


def test_several_users_add_up(pool):
    pool.want("one", 1)
    pool.want("two", 2)
    assert pool.users == 2
    assert eventually(lambda: pool.idle == 3)
    pool.want("two", 1)
    pool.want("one", 0)
    assert pool.users == 1


def test_takes_from_many_threads_at_once(pool):
    pool.want("user", 1)
    start = threading.Barrier(6)

    def work(number):
        start.wait(PATIENCE)
        sandbox = pool.take()
        output = sandbox.run(f"cat f 2>/dev/null; echo {number} > f; cat f", 20).output
        return sandbox, output

    with ThreadPoolExecutor(6) as threads:
        results = list(threads.map(work, range(6)))
    assert [output for _, output in results] == [f"{number}\n" for number in range(6)]
    assert len({id(sandbox) for sandbox, _ in results}) == 6
    for sandbox, _ in results:
        sandbox.close()


# -- sharing --------------------------------------------------------------------------------------------


def test_environments_of_one_kind_share_a_pool_until_the_last_one_goes(sandbox_kind):
    spec = spec_of(sandbox_kind)
    first, second = acquire_pool(spec, "a", 1), acquire_pool(spec_of(sandbox_kind), "b", 1)
    assert first is second
    other = acquire_pool(spec_of(sandbox_kind, output_limit=5000), "a", 0)
    assert other is not first
    release_pool(other, "a")
    assert eventually(lambda: first.idle == 2)
    release_pool(first, "a")
    first.take().close()
    release_pool(first, "a")
    release_pool(first, "b")
    assert first.idle == 0
    with pytest.raises(InfrastructureError):
        first.take()
    third = acquire_pool(spec, "c", 0)
    assert third is not first
    release_pool(third, "c")


@docker_only
def test_closing_leaves_no_container(sandbox_kind):
    before = containers_of(os.getpid())
    made = SandboxPool(spec_of(sandbox_kind))
    made.want("user", 2)
    assert eventually(lambda: made.idle == 2)
    assert len(containers_of(os.getpid()) - before) >= 2
    made.close()
    assert eventually(lambda: not containers_of(os.getpid()) - before)


def test_closing_wakes_who_waits(monkeypatch, sandbox_kind):
    opening, go_on = threading.Event(), threading.Event()

    def slow(*arguments):
        opening.set()
        go_on.wait(PATIENCE)
        return open_sandbox(*arguments)

    open_sandbox = pool_module.open_sandbox
    monkeypatch.setattr(pool_module, "open_sandbox", slow)
    made = SandboxPool(spec_of(sandbox_kind))
    with ThreadPoolExecutor(2) as threads:
        waiting = threads.submit(made.take)
        assert opening.wait(PATIENCE)
        closing = threads.submit(made.close)
        with pytest.raises(InfrastructureError):
            waiting.result(PATIENCE)
        go_on.set()
        closing.result(PATIENCE)
    assert made.idle == 0


@docker_only
def test_a_container_that_does_not_start_is_removed_at_once(monkeypatch, sandbox_kind):
    """As when the process ends between making and starting it, and its folder is gone."""
    before, engine = containers_of(os.getpid()), docker_client()
    attach = engine.attach_socket

    def lose_folders(*arguments):
        for folder in scratch_folder().glob("session-*"):
            shutil.rmtree(folder)
        return attach(*arguments)

    monkeypatch.setattr(engine, "attach_socket", lose_folders)
    # The error holds on to the half-made sandbox, which so is not closed by the garbage collector.
    with pytest.raises(InfrastructureError, match="start") as caught:
        pool_module.open_sandbox(sandbox_kind, "telos-swe-base", LIMITS, 4096)
    assert eventually(lambda: not containers_of(os.getpid()) - before, 20), caught


@docker_only
def test_a_process_that_ends_while_a_container_is_made_makes_it(sandbox_kind):
    code = """
import threading
from telos.envs.swe import pool as module
from telos.envs.swe.sandbox import SandboxLimits
made, opening = module.open_sandbox, threading.Event()
def open_sandbox(*arguments):
    opening.set()
    try:
        return made(*arguments)
    except BaseException as error:
        print(repr(error), flush=True)
        raise
module.open_sandbox = open_sandbox
spec = module.SandboxSpec("docker", "telos-swe-base", SandboxLimits(memory=256 << 20), 4096)
pool = module.acquire_pool(spec, "user", 1)
pool.take().close()
opening.clear()
opening.wait(60)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert (done.stdout, done.stderr) == ("", "")


# -- failures -------------------------------------------------------------------------------------------


@docker_only
def test_a_missing_image_is_told_with_its_remedy(sandbox_kind):
    made = SandboxPool(spec_of(sandbox_kind, image="telos-no-such-image"))
    made.want("user", 2)
    for _ in range(2):
        with pytest.raises(SandboxUnavailableError, match=r"telos-no-such-image.*telos swe build-image"):
            made.take()
    made.close()


def test_creation_that_fails_is_tried_again_ever_more_slowly(monkeypatch, sandbox_kind):
    attempts = []

    def failing(*_):
        attempts.append(time.monotonic())
        raise InfrastructureError("create", "the engine is on fire")

    monkeypatch.setattr(pool_module, "open_sandbox", failing)
    made = SandboxPool(spec_of(sandbox_kind))
    made.want("user", 2)
    assert eventually(lambda: len(attempts) == 3, 30)
    pauses = [later - earlier for earlier, later in itertools.pairwise(attempts)]
    assert pauses[0] >= 0.45
    assert pauses[1] >= 0.9
    with pytest.raises(InfrastructureError, match="on fire"):
        made.take()
    assert len(attempts) == 4
    made.close()


def test_a_pool_gets_over_a_failure(monkeypatch, sandbox_kind):
    open_sandbox, failures = pool_module.open_sandbox, [InfrastructureError("create", "once")]

    def flaky(*arguments):
        if failures:
            raise failures.pop()
        return open_sandbox(*arguments)

    monkeypatch.setattr(pool_module, "open_sandbox", flaky)
    made = SandboxPool(spec_of(sandbox_kind))
    with pytest.raises(InfrastructureError, match="once"):
        made.take()
    sandbox = made.take()
    assert sandbox.run("echo ok", 10).output == "ok\n"
    sandbox.close()
    made.close()


# -- forks ----------------------------------------------------------------------------------------------

FORK = """
import os, signal, sys, time
from telos.envs.swe.pool import SandboxSpec, acquire_pool, release_pool
from telos.envs.swe.sandbox import SandboxLimits

spec = SandboxSpec({kind!r}, "telos-swe-base", SandboxLimits(memory=256 << 20), 4096)
pool = acquire_pool(spec, "parent", 1)
sandbox = pool.take()
sandbox.run("keep=1", 10)
child = os.fork()
if child == 0:
    if {exiting!r} == "sandbox":
        own = acquire_pool(spec, "child", 0)
        assert own is not pool
        other = own.take()
        assert other.run("echo [$keep]", 10).output == "[]\\n"
        other.close()
        release_pool(own, "child")
    del pool, sandbox
    os._exit(0) if {exiting!r} == "_exit" else sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
time.sleep(1.0)
assert sandbox.run("echo $keep", 10).output == "1\\n"
sandbox.close()
other = pool.take()
assert other.run("echo warm", 10).output == "warm\\n"
other.close()
release_pool(pool, "parent")
"""


@pytest.mark.parametrize("exiting", ["_exit", "exit", "sandbox"])
def test_a_forked_child_that_ends_takes_nothing_with_it(sandbox_kind, exiting):
    code = FORK.format(kind=sandbox_kind, exiting=exiting)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


# -- deaths ---------------------------------------------------------------------------------------------

TRAINER = """
import os, signal, time
import gymnasium as gym
import telos

# A command in the background of a shell ignores Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

env = gym.make("SWEDocker-v0", sandbox={kind!r}, max_turns=30)
env.reset(seed=1)
env.step("echo begun > mine; sleep 1000 &")
if {fork}:
    # A worker that outlives its parent must not keep the parent's containers alive.
    if os.fork() == 0:
        time.sleep(20)
        os._exit(0)
print("ready", flush=True)
while True:
    env.reset() if {resetting} else env.step("sleep 1000")
"""


def trainer(kind, *, resetting=False, fork=False):
    """A process in the middle of its episodes."""
    code = TRAINER.format(kind=kind, resetting=resetting, fork=fork)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    assert line == "ready\n", process.communicate()
    time.sleep(0.3)
    return process


def belongings(kind, pid):
    """What a process has: its containers, or the processes below it."""
    return containers_of(pid) if kind == "docker" else descendants(pid)


def left(kind, pid, things):
    return containers_of(pid) if kind == "docker" else alive(things)


def scratch_of(pid):
    """The scratch folder of a process, of which its owner file tells the process id."""
    owners = scratch_folder().parent.glob("*/owner")
    return [file.parent for file in owners if file.read_text().rpartition(":")[0].endswith(f":{pid}")]


def is_trainer(pid):
    try:
        return b"gym.make" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


@pytest.mark.parametrize("way", ["stepping", "resetting", "with a forked child"])
def test_a_killed_trainer_leaves_nothing_after_the_next_use(sandbox_kind, way):
    process = trainer(sandbox_kind, resetting=way == "resetting", fork=way == "with a forked child")
    try:
        # Between two episodes there may be a moment without any.
        assert eventually(lambda: belongings(sandbox_kind, process.pid) and scratch_of(process.pid))
        things = belongings(sandbox_kind, process.pid)
    finally:
        process.kill()
        process.wait()
    process.stdout.close()
    process.stderr.close()
    # The next use: a pool of another process, here a fresh one so that its first look is now.
    pool = SandboxPool(spec_of(sandbox_kind))
    pool.take().close()
    if sandbox_kind == "bubblewrap":
        # The forked child is a trainer too, and may live.
        things = {thing for thing in things if not is_trainer(thing[0])}
    assert eventually(lambda: not left(sandbox_kind, process.pid, things), 60)
    assert not scratch_of(process.pid)
    pool.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_trainer_leaves_nothing_at_all(sandbox_kind, number):
    process = trainer(sandbox_kind)
    if sandbox_kind == "docker":
        # The episode's and the spare one. SIGTERM gives no time to remove one that has not started: `reap` does later.
        assert eventually(lambda: len(containers_of(process.pid, "running")) == 2)
    things = belongings(sandbox_kind, process.pid)
    assert things
    process.send_signal(number)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    if number == signal.SIGINT:
        assert errors.rstrip().endswith("KeyboardInterrupt")
        assert "Exception ignored" not in errors
        assert not scratch_of(process.pid)
    assert eventually(lambda: not left(sandbox_kind, process.pid, things), 20)


def test_a_process_that_ends_without_close_leaves_nothing(sandbox_kind):
    code = TRAINER.format(kind=sandbox_kind, resetting=False, fork=False).partition("print(")[0]
    code += "import os; print(os.getpid())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert done.stderr == ""
    pid = int(done.stdout)
    assert not scratch_of(pid)
    if sandbox_kind == "docker":
        assert eventually(lambda: not containers_of(pid), 20)


@docker_only
def test_sandboxes_that_waited_for_half_of_their_lifetime_are_not_handed_over(sandbox_kind):
    """Their container would end in the middle of an episode."""
    user = object()
    pool = acquire_pool(spec_of(sandbox_kind, limits=SandboxLimits(lifetime=6.0)), user, 1)
    try:
        assert eventually(lambda: pool.idle)
        time.sleep(3.2)
        sandbox = pool.take()
        time.sleep(3.0)
        assert sandbox.run("echo alive", 2.0).output == "alive\n"
        sandbox.close()
    finally:
        release_pool(pool, user)


def test_a_time_limit_that_outlives_the_sandbox_is_refused():
    with pytest.raises(ValueError, match="'lifetime': 20000"):
        gym.make("SWEDocker-v0", sandbox="bubblewrap", time_limit=10_000.0)
