"""Robustness of SWEDocker-v0: timeouts that kill everything, trainers that are killed, leftovers.

python benchmarks/swe_robustness.py --timeouts 200 --kills 20 --out benchmarks/results/swe_robustness.json
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

import telos
from telos.baselines.machine import describe_machine
from telos.baselines.progress import progress_bar
from telos.envs.swe.image import BASE_IMAGE
from telos.envs.swe.pool import SandboxSpec, acquire_pool, release_pool
from telos.envs.swe.sandbox import SandboxLimits, open_sandbox
from telos.envs.swe.sandbox.docker import client
from telos.envs.swe.sandbox.owner import LABEL
from telos.envs.swe.scratch import scratch_folder

TIMEOUT = 0.3
# Builtins only: a count that starts processes counts some of its own.
COUNT = "processes=(/proc/[0-9]*); echo ${#processes[@]}"
# Trees of different shapes: a plain child, pipelines, daemons in sessions of their own, forks that go on.
TREES = (
    "sleep 1000",
    "sleep 1000 | sleep 1000 | cat",
    "for i in $(seq 20); do sleep 1000 & done; wait",
    "setsid sleep 1000 & (setsid setsid sleep 1000 &) ; nohup sleep 1000 & sleep 1000",
    "python3 -c 'import os, time; [os.fork() for _ in range(4)]; os.getpid() % 2 or os.setsid(); time.sleep(1000)'",
    "trap '' INT TERM HUP; while :; do sleep 0.01 & done",
    "while :; do :; done",
)
TRAINER = """
import sys, time
import gymnasium as gym, telos
env = gym.make("SWEDocker-v0", sandbox=sys.argv[1])
env.reset(seed=int(sys.argv[2]))
env.step("sleep 1000 & echo started")
print("ready", flush=True)
env.step("sleep 1000")
"""


def measure_timeouts(kind: str, count: int) -> dict[str, Any]:
    """Runs commands into their deadline; counts those whose whole tree is dead within 0.5 s of it."""
    sandbox = open_sandbox(kind, BASE_IMAGE, SandboxLimits())
    late: list[float] = []
    good = 0
    with progress_bar(f"timeouts ({kind})") as bar:
        for number in range(count):
            before = sandbox.run(COUNT, 10.0).output
            started = time.monotonic()
            stopped = sandbox.run(TREES[number % len(TREES)], TIMEOUT).stopped
            late.append(time.monotonic() - started - TIMEOUT)
            after = sandbox.run(COUNT, 10.0)
            good += stopped == "timeout" and late[-1] <= 0.5 and after.exit_code == 0 and after.output == before
            bar.update(f"timeouts ({kind})", number / count)
    sandbox.close()
    p50, worst = np.percentile(late, [50, 100])
    return {"runs": count, "good": int(good), "late_p50_s": float(p50), "late_max_s": float(worst)}


def containers() -> int:
    """Containers of this suite that exist, in whatever state."""
    return len(client().containers(all=True, filters={"label": LABEL}))


def measure_kills(kind: str, count: int) -> dict[str, Any]:
    """Kills trainers in mid-episode; then uses the suite once and looks for what they left."""
    seen = []
    with progress_bar(f"kills ({kind})") as bar:
        for number in range(count):
            trainer = subprocess.Popen(
                [sys.executable, "-c", TRAINER, kind, str(number)], stdout=subprocess.PIPE, text=True
            )
            assert trainer.stdout is not None
            if trainer.stdout.readline() != "ready\n":
                raise RuntimeError(f"the trainer ended early with exit code {trainer.wait()}")
            seen.append(containers())
            trainer.send_signal(signal.SIGKILL)
            trainer.wait()
            bar.update(f"kills ({kind})", number / count)
    user = object()
    pool = acquire_pool(SandboxSpec(kind, BASE_IMAGE, SandboxLimits(), 16_384), user, 1)
    pool.take().close()
    release_pool(pool, user)
    started = time.monotonic()
    while (left := containers()) and time.monotonic() - started < 60:
        time.sleep(0.1)
    sleepers = subprocess.run(["pgrep", "-fc", "^sleep 1000$"], capture_output=True, text=True, check=False).stdout
    folders = [folder for folder in scratch_folder().parent.iterdir() if folder != scratch_folder()]
    return {
        "kills": count,
        "containers_while_running": max(seen, default=0),
        "containers_left": left,
        "seconds_until_none": time.monotonic() - started,
        "processes_left": int(sleepers),
        "scratch_folders_left": len(folders),
    }


def main(timeouts: int = 200, kills: int = 20, out: Path = Path("benchmarks/results/swe_robustness.json")) -> None:
    """Measures and writes the table and the JSON; exits with 1 if anything is not as it must be.

    Args:
        timeouts: Commands that run into their deadline, for each sandbox.
        kills: Trainers that are killed, for each sandbox.
        out: The JSON file.
    """
    console, record, table = Console(), {}, Table("sandbox", "what", "result")
    for kind in ("docker", "bubblewrap"):
        record[kind] = {"timeouts": measure_timeouts(kind, timeouts), "kills": measure_kills(kind, kills)}
        for what, row in record[kind].items():
            table.add_row(
                kind, what, ", ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items())
            )
    console.print(table)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"telos": telos.__version__, "machine": describe_machine(), **record}, indent=1) + "\n")
    console.print(f"written to {out}")
    fine = all(
        row["timeouts"]["good"] == timeouts
        and not row["kills"]["containers_left"]
        and not row["kills"]["processes_left"]
        and not row["kills"]["scratch_folders_left"]
        for row in record.values()
    )
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    tyro.cli(main)
