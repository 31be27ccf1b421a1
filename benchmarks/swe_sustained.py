"""Many episodes of SWEDocker-v0 side by side for a long time, each with one command a second.

Reports the overhead of a step (its time less the command's own in the sandbox), what is left behind (containers,
processes, files), and the memory of this process and of the machine over time. With --restart-engine the engine is
restarted in the middle: the episodes under way must end as infrastructure failures, and new ones must begin.

python benchmarks/swe_sustained.py --envs 64 --minutes 10 --out benchmarks/results/swe_sustained.json
python benchmarks/swe_sustained.py --sandbox docker --restart-engine "systemctl restart docker"
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import gymnasium as gym
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

import telos  # noqa: F401 - registers the environments
from telos.baselines.machine import describe_machine
from telos.baselines.progress import progress_bar
from telos.envs.swe.errors import InfrastructureError, SandboxUnavailableError
from telos.envs.swe.scratch import scratch_folder

PERIOD, TURNS, SAMPLE_PERIOD, LONGEST_END, STUCK = 1.0, 60, 5.0, 120.0, 150.0
COMMANDS = ("echo line >>notes.txt", "wc -l *.md", "grep -rn def . | head -5", "python3 -c 'print(sum(range(1000)))'")
#: So many sandboxes share the machine's memory.
LIMITS = {"memory": 256 << 20, "disk": 32 << 20, "pids": 64}


@dataclass
class Tally:
    """What the threads have seen; guarded by ``lock``."""

    overhead_ms: list[float] = field(default_factory=list)
    step_ms: list[float] = field(default_factory=list)
    reset_ms: list[float] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    last_step: dict[int, float] = field(default_factory=dict)
    failures: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def play(number: int, sandbox: str, until: float, tally: Tally) -> None:
    """One environment's episodes: a command each second, and a new episode every minute."""
    env = gym.make("SWEDocker-v0", sandbox=sandbox, max_turns=TURNS, limits=LIMITS, warm=1)
    done, turn, due = True, 0, time.monotonic() + PERIOD * number / 64
    try:
        while time.monotonic() < until:
            started = time.monotonic()
            if done:
                try:
                    env.reset(seed=number if not turn else None)
                except (InfrastructureError, SandboxUnavailableError):
                    with tally.lock:
                        tally.counts["failed resets"] += 1
                    time.sleep(PERIOD)
                    continue
                with tally.lock:
                    tally.reset_ms.append(1e3 * (time.monotonic() - started))
                done, due = False, time.monotonic()
            time.sleep(max(0.0, due - time.monotonic()))
            due = max(due + PERIOD, time.monotonic())
            _, _, terminated, truncated, info = env.step(COMMANDS[(number + turn) % len(COMMANDS)])
            turn, done = turn + 1, terminated or truncated
            with tally.lock:
                tally.counts["steps"] += 1
                tally.counts["episodes"] += done
                tally.last_step[number] = time.monotonic()
                if "infra" in info:
                    tally.counts["infrastructure failures"] += 1
                    tally.failures.append(time.monotonic())
                elif not done:
                    tally.step_ms.append(1e3 * info["timing"]["step"])
                    own = info["resources"]["seconds"]
                    tally.overhead_ms.append(1e3 * (info["timing"]["step"] - own))
    finally:
        env.close()


def resident_bytes() -> int:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def used_bytes() -> int:
    """Memory of the machine that is not available: all sandboxes and their cgroups, the engine, and everything else."""
    rows = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    total, available = (int(rows[name].split()[0]) << 10 for name in ("MemTotal", "MemAvailable"))
    return total - available


def belongings() -> dict[str, int]:
    """What this process has: containers by their owner label, processes below it, open files, temporary files."""
    containers = 0
    try:
        from telos.envs.swe.sandbox.docker import client
        from telos.envs.swe.sandbox.owner import LABEL, owner

        containers = len(client().containers(all=True, filters={"label": f"{LABEL}.owner={owner()}"}))
    except SandboxUnavailableError:
        pass
    return {
        "containers": containers,
        "processes": len(children_of(os.getpid())),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "files": sum(1 for _ in scratch_folder().rglob("*")),
        "threads": threading.active_count(),
    }


def children_of(pid: int) -> set[int]:
    """The processes below a process."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found: set[int] = set()
    layer = {pid}
    while layer := {child for child, parent in parents.items() if parent in layer}:
        found |= layer
    return found


def settled(before: dict[str, int]) -> dict[str, int]:
    """What is left once the engine has removed what was closed, or what is left after two minutes."""
    deadline = time.monotonic() + LONGEST_END
    while True:
        after = belongings()
        left = {name: after[name] - before[name] for name in before}
        if time.monotonic() > deadline or not any(left[name] > 0 for name in ("containers", "processes", "files")):
            return left
        time.sleep(0.5)


def restart(command: str, tally: Tally) -> dict[str, float]:
    """Restarts the engine, and waits for a step of every environment; returns how long these took, in seconds."""
    started = time.monotonic()
    subprocess.run(shlex.split(command), check=True)
    restarted = time.monotonic()
    numbers = set(tally.last_step)
    while any(tally.last_step[number] < restarted for number in numbers) and time.monotonic() - restarted < STUCK:
        time.sleep(0.2)
    return {"restart_s": restarted - started, "recovery_s": time.monotonic() - restarted}


def sustain(sandbox: str, envs: int, minutes: float, restart_engine: str | None) -> dict[str, Any]:
    """Runs the environments and returns what was measured."""
    # What the first use makes and keeps, such as a connection to the engine, is no leak.
    before = belongings()
    warm_up = gym.make("SWEDocker-v0", sandbox=sandbox, limits=LIMITS, warm=1)
    warm_up.reset(seed=0)
    warm_up.close()
    settled(before)
    before = belongings()
    tally, began = Tally(), time.monotonic()
    until = began + 60 * minutes
    threads = [threading.Thread(target=play, args=(number, sandbox, until, tally)) for number in range(envs)]
    for thread in threads:
        thread.start()
    memory: list[dict[str, float]] = []
    restarted: dict[str, float] | None = None
    with progress_bar(f"{envs} episodes ({sandbox})") as bar:
        while time.monotonic() < until:
            time.sleep(SAMPLE_PERIOD)
            since = time.monotonic() - began
            memory.append({"s": since, "rss": resident_bytes(), "machine": used_bytes(), "live": len(tally.last_step)})
            bar.update(f"{tally.counts['steps']} steps", min(1.0, since / (60 * minutes)))
            if restart_engine is not None and restarted is None and since > 30 * minutes:
                restarted = restart(restart_engine, tally)
    now = time.monotonic()
    stuck = sorted(number for number in range(envs) if now - tally.last_step.get(number, began) > STUCK)
    for thread in threads:
        thread.join(LONGEST_END)
    hanging = sum(thread.is_alive() for thread in threads)
    # The first half fills the pool; a leak shows as a slope of the second.
    late = memory[len(memory) // 2 :]
    slopes = {
        name: 60 * float(np.polyfit([m["s"] for m in late], [m[name] for m in late], 1)[0])
        for name in ("rss", "machine")
    }
    return {
        "sandbox": sandbox,
        "envs": envs,
        "minutes": minutes,
        **{
            name: {
                "n": len(values),
                **{f"p{p}": float(np.percentile(values, p)) if values else None for p in (50, 95, 99)},
            }
            for name in ("overhead_ms", "step_ms", "reset_ms")
            for values in (getattr(tally, name),)
        },
        "counts": dict(tally.counts),
        "steps_per_second": tally.counts["steps"] / (now - began),
        "environments_without_a_step_for_long": stuck,
        "threads_hanging": hanging,
        "left": settled(before),
        "rss_mb": [min(m["rss"] for m in memory) / 1e6, max(m["rss"] for m in memory) / 1e6],
        "slope_mb_per_minute": {name: value / 1e6 for name, value in slopes.items()},
        "engine": restarted,
        "memory": memory,
    }


def main(
    envs: int = 64,
    minutes: float = 10.0,
    sandbox: Literal["docker", "bubblewrap", "both"] = "both",
    restart_engine: str | None = None,
    out: Path | None = None,
) -> None:
    """Keeps many episodes going.

    Args:
        envs: Episodes at a time.
        minutes: How long, in each sandbox.
        sandbox: Where commands run.
        restart_engine: Command that restarts the Docker engine, run in the middle of the time.
        out: JSON file for the results.
    """
    table = Table(
        "sandbox", "envs", "steps", "overhead p50/p95 ms", "reset p95 ms", "RSS MB", "MB/min", "left", "stuck"
    )
    results = []
    for kind in ("docker", "bubblewrap") if sandbox == "both" else (sandbox,):
        found = sustain(kind, envs, minutes, restart_engine if kind == "docker" else None)
        results.append(found)
        overhead, slope = found["overhead_ms"], found["slope_mb_per_minute"]["rss"]
        left = ", ".join(f"{value} {name}" for name, value in found["left"].items() if value) or "nothing"
        table.add_row(
            kind,
            str(envs),
            str(found["counts"].get("steps", 0)),
            f"{overhead['p50'] or 0:.1f}/{overhead['p95'] or 0:.1f}",
            f"{found['reset_ms']['p95'] or 0:.0f}",
            f"{found['rss_mb'][0]:.0f} to {found['rss_mb'][1]:.0f}",
            f"{slope:+.2f}",
            left,
            str(len(found["environments_without_a_step_for_long"]) + found["threads_hanging"]),
        )
    Console().print(table, {row["sandbox"]: {"counts": row["counts"], "engine": row["engine"]} for row in results})
    if out is not None:
        out.write_text(json.dumps({"machine": describe_machine(), "runs": results}, indent=1) + "\n")


if __name__ == "__main__":
    tyro.cli(main)
