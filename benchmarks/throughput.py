"""Contenders in turns within one process: table and JSON of medians and ratios. What throughput benchmarks share."""

from __future__ import annotations

import json
import multiprocessing
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

import telos
from telos.baselines.machine import describe_machine
from telos.baselines.progress import progress_bar

__all__ = ["Contender", "compare", "peak_bytes"]


class Contender(NamedTuple):
    """Who is measured.

    Attributes:
        step: What is called.
        size: Steps, of users, arms or agents, that one call makes.
    """

    step: Callable[[], object]
    size: int


def compare(
    contenders: dict[str, Contender], unit: str, rounds: int, seconds: float, out: Path, further: dict[str, Any]
) -> None:
    """Gives each contender its turn in every round, prints the table, and writes the JSON.

    Ratios are to the first contender.

    Args:
        contenders: By name; each is called once before.
        unit: What is counted, such as ``"user-steps"``.
        rounds: How often each has its turn.
        seconds: Of a turn.
        out: The JSON file.
        further: What else belongs in it.
    """
    for contender in contenders.values():
        contender.step()
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    cpu: dict[str, list[float]] = {name: [] for name in contenders}
    with progress_bar("throughput") as bar:
        for number in range(rounds):
            for name, contender in contenders.items():
                rate, used = _turn(contender, seconds)
                rates[name].append(rate)
                cpu[name].append(used)
            bar.update("throughput", (number + 1) / rounds)
    medians, cpu_medians = _medians(rates), _medians(cpu)
    first = next(iter(contenders))
    ratios = {name: value / medians[first] for name, value in medians.items()}
    cpu_ratios = {name: cpu_medians[first] / value for name, value in cpu_medians.items()}
    columns = ("contender", f"{unit}/s", "ratio", "CPU ns a step", "ratio of CPU")
    table = Table(*columns, box=box.SIMPLE, title=f"medians of {rounds}")
    for name, value in medians.items():
        numbers = (f"{value:.3g}", f"{ratios[name]:.1f}", f"{cpu_medians[name]:.3g}", f"{cpu_ratios[name]:.1f}")
        table.add_row(name, *numbers)
    console = Console(width=120)
    console.print(table)
    record = {
        "telos": telos.__version__,
        "machine": describe_machine(),
        "seed": 0,
        "unit": f"{unit} per second",
        "turns": rates,
        "medians": medians,
        "ratios": ratios,
        "cpu_ns_per_step": cpu_medians,
        "cpu_ratios": cpu_ratios,
        **further,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record, indent=1) + "\n")
    console.print(f"written to {out}")


def _turn(contender: Contender, seconds: float) -> tuple[float, float]:
    """Steps a second, and CPU nanoseconds a step."""
    calls, started, used = 0, time.perf_counter(), time.process_time()
    while (spent := time.perf_counter() - started) < seconds:
        contender.step()
        calls += 1
    steps = calls * contender.size
    return steps / spent, (time.process_time() - used) / steps * 1e9


def _medians(values: dict[str, list[float]]) -> dict[str, float]:
    return {name: statistics.median(some) for name, some in values.items()}


def peak_bytes(make_step: Callable[[int, int | None], Callable[[], object]], num_envs: int) -> int:
    """Memory of a batch, its actions and what its steps return, in a process of its own.

    Args:
        make_step: ``(num_envs, threads) -> step``, a function of a module.
        num_envs: The batch's size.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_send_peak, args=(make_step, num_envs, there))
    process.start()
    there.close()
    try:
        return int(here.recv())
    finally:
        process.join()


def _send_peak(make_step: Callable[[int, int | None], Callable[[], object]], num_envs: int, answer: Any) -> None:
    # What a batch of one needs is there before: the interpreter, the packages, machine code.
    make_step(1, 1)()
    before = _peak()
    step = make_step(num_envs, None)
    for _ in range(3):
        step()
    answer.send(_peak() - before)


def _peak() -> int:
    """This process's peak of memory, in bytes; getrusage would count what its parent had."""
    status = Path("/proc/self/status").read_text().split()
    return int(status[status.index("VmHWM:") + 1]) * 1024
