"""Latency of SWEDocker-v0 against peers: one command, a reset, a grading.

The same command runs through our environment and session, through `docker exec` (API and command line), through
mini-swe-agent's Docker environment and through SWE-ReX's local runtime, in turns within one process, so that all
see the same load. Peers come from PyPI: ``pip install 'telos-gym[bench]'`` (`make bench`); one that is missing is
left out and said to be.

    python benchmarks/swe_latency.py --rounds 100 --out benchmarks/results/swe_latency.json
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

import telos
from telos.baselines.machine import describe_machine
from telos.baselines.progress import progress_bar
from telos.envs.swe import load_tasks
from telos.envs.swe.image import BASE_IMAGE
from telos.envs.swe.sandbox import SandboxLimits, open_sandbox
from telos.envs.swe.sandbox.docker import DockerSandbox

COMMAND = "true"
OURS = "Telos env.step"
PAUSE = 0.1
BURST = 5
Call = Callable[[], object]


def swe_rex(stack: ExitStack) -> Call:
    """SWE-ReX's local runtime: no container in the way, the best case of its session."""
    from swerex.runtime.abstract import BashAction, CreateBashSessionRequest
    from swerex.runtime.local import LocalRuntime

    loop, runtime = asyncio.new_event_loop(), LocalRuntime()
    loop.run_until_complete(runtime.create_session(CreateBashSessionRequest(startup_timeout=10.0)))
    stack.callback(lambda: loop.run_until_complete(runtime.close()))
    return lambda: loop.run_until_complete(runtime.run_in_session(BashAction(command=COMMAND, timeout=10)))


def mini_swe_agent(stack: ExitStack) -> Call:
    """mini-swe-agent's Docker environment, as it comes."""
    from minisweagent.environments.docker import DockerEnvironment

    environment = DockerEnvironment(image=BASE_IMAGE)
    stack.callback(subprocess.run, ["docker", "rm", "-f", environment.container_id], capture_output=True)
    return lambda: environment.execute({"command": COMMAND})


def contenders(stack: ExitStack, env: gym.Env[Any, str]) -> tuple[dict[str, Call], list[str]]:
    """Everything that is timed on the command, and the peers that are missing."""
    sandbox = open_sandbox("docker", BASE_IMAGE, SandboxLimits())
    assert isinstance(sandbox, DockerSandbox)
    bubblewrap = open_sandbox("bubblewrap", "", SandboxLimits())
    stack.callback(sandbox.close)
    stack.callback(bubblewrap.close)
    api, container = sandbox._api, sandbox.id
    calls: dict[str, Call] = {
        OURS: lambda: env.step(COMMAND),
        "Telos session": lambda: sandbox.run(COMMAND, 10.0),
        "Telos session (bubblewrap)": lambda: bubblewrap.run(COMMAND, 10.0),
        "docker exec (API)": lambda: api.exec_start(api.exec_create(container, ["bash", "-c", COMMAND])["Id"]),
        "docker exec (CLI)": lambda: subprocess.run(
            ["docker", "exec", container, "bash", "-c", COMMAND], capture_output=True, check=True
        ),
    }
    missing = []
    for name, make in {"mini-swe-agent": mini_swe_agent, "SWE-ReX local runtime": swe_rex}.items():
        try:
            calls[name] = make(stack)
        except ModuleNotFoundError as error:
            missing.append(f"{name} ({error.name} is not installed)")
    return calls, missing


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Milliseconds at the 50th, 95th and 99th percentile."""
    p50, p95, p99 = np.percentile(np.array(seconds) * 1e3, [50, 95, 99])
    return {"n": len(seconds), "p50_ms": float(p50), "p95_ms": float(p95), "p99_ms": float(p99)}


def timed(call: Call) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def time_commands(calls: dict[str, Call], rounds: int) -> dict[str, dict[str, dict[str, float]]]:
    """Times every contender in turns, in a new order each round: after a pause, then back to back.

    During the pause the predecessor's leftovers end (the engine cleans up after an exec) and caches go cold, as
    while an agent thinks.
    """
    paused: dict[str, list[float]] = {name: [] for name in calls}
    steady: dict[str, list[float]] = {name: [] for name in calls}
    names = list(calls)
    for call in calls.values():
        call()
    with progress_bar("commands") as bar:
        for number in range(rounds):
            random.Random(number).shuffle(names)
            for name in names:
                time.sleep(PAUSE)
                paused[name].append(timed(calls[name]))
                steady[name].extend(timed(calls[name]) for _ in range(BURST))
            bar.update("commands", number / rounds)
    return {
        f"command `{COMMAND}`, back to back": {name: percentiles(values) for name, values in steady.items()},
        f"command `{COMMAND}`, after {PAUSE} s of pause": {
            name: percentiles(values) for name, values in paused.items()
        },
    }


def time_episodes(sandbox: str, episodes: int, think: float) -> tuple[dict[str, dict[str, float]], list[str]]:
    """Times reset from the warm pool and grading; ``think`` seconds pass in each episode, as an agent's would."""
    tasks = load_tasks("builtin")
    env = gym.make("SWEDocker-v0", sandbox=sandbox, warm=4)
    resets, overheads, unresolved = [], [], []
    with progress_bar(f"episodes ({sandbox})") as bar:
        for number in range(episodes):
            time.sleep(think)
            task = tasks.by_id(tasks.ids[number * len(tasks) // episodes])
            resets.append(timed(lambda task=task: env.reset(options={"task": task.id})))
            env.step(f"git apply - <<'END'\n{task.gold_patch}END")
            time.sleep(think)
            *_, info = env.step("<submit/>")
            overheads.append(info["timing"]["step"] - info["timing"]["tests"])
            if not info["resolved"]:
                unresolved.append(task.id)
            bar.update(task.id, number / episodes)
    env.close()
    return {
        "reset from the warm pool": percentiles(resets),
        "grading beyond the test command": percentiles(overheads),
    }, unresolved


def peer_versions() -> dict[str, str]:
    """Versions of the peers that are installed."""
    found = {}
    for name in ("swe-rex", "mini-swe-agent"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def main(
    rounds: int = 100, episodes: int = 40, think: float = 1.0, out: Path = Path("benchmarks/results/swe_latency.json")
) -> None:
    """Measures and writes the table and the JSON.

    Args:
        rounds: How often each contender has its turn.
        episodes: Episodes for reset and grading, each on another task.
        think: Seconds between an episode's parts, in which the pool fills up again.
        out: The JSON file.
    """
    console = Console()
    with ExitStack() as stack:
        env = gym.make("SWEDocker-v0", sandbox="docker", max_turns=2 + (1 + BURST) * rounds, time_limit=7_000.0)
        stack.callback(env.close)
        env.reset(seed=0)
        calls, missing = contenders(stack, env)
        parts = time_commands(calls, rounds)
    for sandbox in ("docker", "bubblewrap"):
        parts[sandbox], unresolved = time_episodes(sandbox, episodes, think)
        if unresolved:
            raise RuntimeError(f"gold patches that did not resolve under {sandbox}: {unresolved}")
    table = Table("what", "n", "p50 ms", "p95 ms", "p99 ms", "median / env.step", title="Latency")
    for part, rows in parts.items():
        ours = rows[OURS]["p50_ms"] if OURS in rows else None
        table.add_section()
        table.add_row(part, style="bold")
        for name, row in rows.items():
            if ours is not None:
                row["median_ratio_to_env_step"] = row["p50_ms"] / ours
            numbers = (f"{row[key]:.2f}" for key in ("p50_ms", "p95_ms", "p99_ms"))
            table.add_row(name, str(row["n"]), *numbers, f"{row['p50_ms'] / ours:.1f}" if ours else "")
    console.print(table)
    for name in missing:
        console.print(f"left out: {name}")
    record = {
        "telos": telos.__version__,
        "machine": describe_machine(),
        "peers": peer_versions(),
        "missing": missing,
        "rounds": rounds,
        "seed": 0,
        "latency": parts,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record, indent=1) + "\n")
    console.print(f"written to {out}")


if __name__ == "__main__":
    tyro.cli(main)
