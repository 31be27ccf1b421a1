"""SWEDocker-v0 on a cluster of several nodes, one of which is killed."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import gymnasium as gym
import pytest

ray = pytest.importorskip("ray")
from ray.cluster_utils import Cluster as LocalCluster  # noqa: E402

KWARGS = {
    "max_turns": 20,
    "warm": 1,
    "command_timeout": 30.0,
    "limits": {"memory": 384 << 20, "disk": 64 << 20, "pids": 128},
}
SCRIPT = ["echo $((6 * 7))", "<oops/>", "echo more >> README.md", "<submit/>"]


@pytest.fixture(scope="module")
def cluster():
    """A head and two further nodes on this machine."""
    local = LocalCluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    local.add_node(num_cpus=1)
    local.add_node(num_cpus=1)
    ray.init(address=local.address, log_to_driver=False, configure_logging=False)
    yield local
    ray.shutdown()
    local.shutdown()


@pytest.fixture
def make(cluster, quick_sandbox_kind):
    made = []

    def make_vec(count, **kwargs):
        made.append(gym.make_vec("SWEDocker-v0", num_envs=count, sandbox=quick_sandbox_kind, **KWARGS, **kwargs))
        return made[-1]

    yield make_vec
    for envs in made:
        envs.close()


def processes():
    """Of this machine: parent and name by number."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = (line.split(maxsplit=2) for line in listed.splitlines())
    return {int(pid): (int(parent), name) for pid, parent, name in rows}


def of_hosts():
    """Numbers of the hosts and of all that they started."""
    found = processes()
    chosen = {pid for pid, (_, name) in found.items() if name.startswith("ray::EpisodeHost")}
    while more := {pid for pid, (parent, _) in found.items() if parent in chosen} - chosen:
        chosen |= more
    return chosen


def play(envs):
    """Everything that a script shows, times and the node aside."""
    shown = [envs.reset(seed=20)[0]]
    for action in SCRIPT:
        observation, reward, terminated, truncated, info = envs.step((action,) * envs.num_envs)
        shown.append((observation, reward.tolist(), terminated.tolist(), truncated.tolist(), info["task"].tolist()))
    return repr(shown)


def test_a_cluster_shows_what_threads_show(make):
    remote = make(3, engine="ray")
    nodes = remote.reset(seed=20)[1]["node"]
    assert len(set(nodes)) == 3
    assert play(remote) == play(make(3))


def test_a_lost_node_is_an_infrastructure_failure_and_its_tasks_come_again(cluster, make):
    extra = cluster.add_node(num_cpus=1)
    envs = make(6, engine="ray", autoreset_mode="NextStep")
    _, first = envs.reset(seed=5)
    placed = first["node"].tolist()
    assert extra.node_id in placed
    lost = [node == extra.node_id for node in placed]
    raylet = extra.all_processes["raylet"][0].process.pid
    hosts = [pid for pid, (parent, name) in processes().items() if parent == raylet and "EpisodeHost" in name]
    assert hosts
    cluster.remove_node(extra, allow_graceful=False)
    for pid in hosts:  # A machine takes with it what runs there.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _, reward, terminated, truncated, info = envs.step(("echo on",) * 6)
    assert truncated.tolist() == lost
    assert not terminated.any()
    assert info["trainable"].tolist() == [not gone for gone in lost]
    for k in range(6):
        assert (info["infra"]["kind"][k] == "node") is lost[k]
        assert bool(reward[k] == 0.0) is lost[k]
    again = envs.step(("echo on",) * 6)[4]
    for k in range(6):
        if lost[k]:
            assert again["task"][k] == first["task"][k]
            assert again["node"][k] not in (extra.node_id, None)
    _, _, terminated, _, last = envs.step(("<submit/>",) * 6)
    assert terminated.all()
    assert last["task"].tolist() == first["task"].tolist()
    assert last["completed"].all()


def test_nodes_take_no_more_than_their_limit_and_nothing_is_left(make):
    envs = make(6, engine="ray", per_node=2)
    nodes = envs.reset(seed=1)[1]["node"].tolist()
    assert sorted(nodes.count(node) for node in set(nodes)) == [2, 2, 2]
    started = of_hosts()
    assert len(started) > 6
    envs.close()
    envs.close()
    deadline = time.monotonic() + 30
    while started & processes().keys() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not started & processes().keys()


def test_wrong_arguments_are_named(make):
    with pytest.raises(ValueError, match="engine 'rya' is unknown"):
        make(1, engine="rya")
    with pytest.raises(ValueError, match="per_node must be at least 1"):
        make(1, engine="ray", per_node=0)
    with pytest.raises(ValueError, match="unknown task 'nonsense'"):
        make(1, engine="ray").reset(options={"task": "nonsense"})


def test_without_ray_the_error_says_what_to_install(tmp_path):
    (tmp_path / "ray.py").write_text("raise ModuleNotFoundError('ray')\n")
    code = "import gymnasium as gym, telos; gym.make_vec('SWEDocker-v0', num_envs=1, engine='ray')"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={"PYTHONPATH": str(tmp_path)}
    )
    assert "pip install 'telos-gym[ray]'" in found.stderr
