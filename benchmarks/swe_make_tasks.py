"""Tasks from packages of PyPI: how many a minute, what share of mutants is kept, and whether their verdicts hold.

Every dataset is made in its folder by `make_tasks_of`, which goes on with what is there; then `telos swe health` grades
gold and empty patches of every task with the grader of the environment, three times each.

    python benchmarks/swe_make_tasks.py --count 20 --folder /tmp/datasets
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from telos.baselines.input_errors import InputError
from telos.baselines.machine import describe_machine
from telos.baselines.swe_make_tasks import make_tasks_of
from telos.baselines.swe_tasks import check_health

_RESULTS = Path(__file__).parent / "results" / "swe_make_tasks.json"
_PACKAGES = (
    "toolz==1.2.0",
    "inflection==0.5.1",
    "cachetools==8.0.1",
    "humanize==4.17.0",
    "python-slugify==9.2.0",
    "xmltodict==1.0.4",
)
_REQUIRES = {"humanize": ("freezegun",)}
_REPEATS = 3


@dataclass(frozen=True)
class Args:
    """What to measure.

    Attributes:
        folder: Where the datasets go.
        packages: Requirements.
        count: Tasks a package.
        seed: Of the bugs.
        sandbox: Where tests run.
        out: JSON file.
    """

    folder: Path
    packages: tuple[str, ...] = _PACKAGES
    count: int = 20
    seed: int = 0
    sandbox: Literal["docker", "bubblewrap"] = "docker"
    out: Path = _RESULTS


def measure(package: str, args: Args) -> dict[str, object]:
    """Makes one dataset, unless it is finished, and checks it."""
    name = package.partition("=")[0]
    folder = args.folder / name
    fresh, load = not folder.exists(), os.getloadavg()[0]
    started = time.monotonic()
    try:
        make_tasks_of(package, args.count, args.seed, folder, _REQUIRES.get(name, ()), sandbox=args.sandbox)
    except InputError as error:
        return {"package": package, "error": str(error), "seconds": round(time.monotonic() - started, 1)}
    seconds = time.monotonic() - started
    tasks = [json.loads(line) for line in (folder / "tasks.jsonl").read_text().splitlines()]
    made = tasks.pop(0)["made"]
    record = folder.with_suffix(".health.json")
    started = time.monotonic()
    healthy = check_health(_REPEATS, 2, args.sandbox, record, str(folder))
    health = json.loads(record.read_text())["tasks"]
    return {
        "package": f"{made['package']} {made['version']}",
        "licence": made["licence"],
        "tests_found": made["tests_found"],
        "tests_kept": made["tests_kept"],
        "suite_seconds": made["suite_seconds"],
        "tasks": len(tasks),
        "difficulties": {str(level): sum(task["difficulty"] == level for task in tasks) for level in (1, 2, 3)},
        "compound": sum(len(task["edits"]) > 1 for task in tasks),
        "mutants_tried": made["fates"]["tried"],
        "share_kept": round(made["fates"]["kept"] / made["fates"]["tried"], 3),
        "fates": made["fates"],
        # Of a dataset that was interrupted or was there already, the time says nothing.
        "tasks_per_minute": round(60 * len(tasks) / seconds, 2) if fresh else None,
        "seconds": round(seconds, 1) if fresh else None,
        "load_average_at_start": round(load, 1),
        "health_runs": _REPEATS,
        "all_healthy": healthy,
        "gold_resolves_every_time": sum(row["gold_passes"] == _REPEATS for row in health),
        "empty_fails_every_time": sum(row["base_fails"] == _REPEATS for row in health),
        "health_seconds": round(time.monotonic() - started, 1),
    }


def main(args: Args) -> None:
    """Measures the packages one after the other; the file is written anew after each."""
    args.folder.mkdir(parents=True, exist_ok=True)
    record = {
        "machine": describe_machine(),
        "sandbox": args.sandbox,
        "count": args.count,
        "seed": args.seed,
        "jobs": 2,
        "packages": [],
    }
    for package in args.packages:
        record["packages"] = [*record["packages"], measure(package, args)]
        args.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Args))
