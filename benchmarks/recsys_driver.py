"""What policies earn in DriverProgram-v0 beside the exact optimum, day by day, with a figure.

No learning is involved. The optimum, the myopic policy and the best coupon of each driver know what is hidden; the
rested one is a rule of thumb for what is observed.

    python benchmarks/recsys_driver.py
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import tyro
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

import telos
from telos.baselines.machine import describe_machine
from telos.envs.recsys.driver.optimum import ReferenceReturns, Solution, references_of, solve
from telos.envs.recsys.driver.rules import LEVELS

Floats = NDArray[np.float64]
Choice = Callable[[Any, int], NDArray[np.integer]]


def play(envs: Any, choice: Choice, seed: int) -> tuple[Floats, Floats]:
    """Rewards and energies of each day, float64 ``(T, n)``, of drivers who get the coupons that are chosen."""
    family = envs.unwrapped.family
    observation, _ = envs.reset(seed=seed)
    shape = int(family.params.horizon), envs.num_envs
    rewards, energies = np.empty(shape), np.empty(shape)
    for day in range(shape[0]):
        energies[day] = envs.unwrapped.hidden_drivers().level / LEVELS
        observation, rewards[day], *_ = envs.step(family.offers(choice(observation, day)))
    return rewards, energies


def rested(family: Any) -> Choice:
    """A coupon within reach of the driver on every other day, and on the last two: from what is observed."""
    (low, high), most = family.params.target_bounds, int(family.params.max_units)
    units = 5

    def choice(observation: Any, day: int) -> NDArray[np.integer]:
        bonus = units * float(family.params.bonus_step)
        reach = np.sqrt(np.maximum(observation[:, 1], 0.5) * bonus)
        target = np.clip(np.rint(observation[:, 0] + 0.7 * reach), low, high).astype(np.int64)
        offered = (observation[:, 7] == 0) | (day >= int(family.params.horizon) - 2)
        return np.where(offered, 1 + (target - low) * most + units - 1, 0)

    return choice


def policies(envs: Any, solution: Solution, reference: ReferenceReturns, seed: int) -> dict[str, Choice]:
    """The choices of each policy, among the coupons of the family."""
    family, number = envs.unwrapped.family, envs.num_envs
    own, every = solution.constants.argmax(axis=1), int(solution.constants.mean(axis=0).argmax())
    count, rng = solution.constants.shape[1], np.random.default_rng(seed)

    def known(table: NDArray[np.int16]) -> Choice:
        return lambda _, day: solution.chosen(table, day, envs.unwrapped.hidden_drivers())

    target, bonus = reference.best_constant_coupon
    return {
        "optimum": known(solution.optimal_coupons),
        "best coupon of each driver": lambda *_: own,
        "myopic": known(solution.myopic_coupons),
        "rested, by what is observed": rested(family),
        f"best coupon of all ({bonus:g} for {target} orders)": lambda *_: np.full(number, every),
        "most": lambda *_: np.full(number, count - 1),
        "random coupons": lambda *_: rng.integers(count, size=number),
    }


def draw(path: Path, played: dict[str, tuple[Floats, Floats]]) -> None:
    """Sums of rewards, and energies over the days, means over drivers."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.9), layout="constrained")
    for name, (rewards, energies) in played.items():
        days = np.arange(1, len(rewards) + 1)
        axes[0].plot(days, rewards.mean(axis=1).cumsum(), label=name, linewidth=1.4)
        axes[1].plot(days, energies.mean(axis=1), linewidth=1.4)
    axes[0].axhline(0.0, color="grey", linewidth=0.6)
    axes[0].set(xlabel="day", ylabel="reward so far")
    axes[1].set(xlabel="day", ylabel="mean energy (hidden)", ylim=(0.6, 1.02))
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def main(
    drivers: int = 400,
    seed: int = 0,
    out: Path = Path("benchmarks/results/recsys_driver.json"),
    figure: Path = Path("docs/figures/driver.png"),
) -> None:
    """Solves and plays drivers of the target city, prints the table, and writes the JSON and the figure.

    Args:
        drivers: How many; each takes about a tenth of a second.
        seed: Of the first of them.
        out: The JSON file.
        figure: The figure.
    """
    envs = gym.make_vec("DriverProgram-v0", num_envs=drivers, split="test", autoreset_mode="Disabled")
    envs.reset(seed=seed)
    family = envs.unwrapped.family
    solution = solve(family, envs.unwrapped.hidden_drivers())
    reference = references_of(family, solution)
    played = {name: play(envs, choice, seed) for name, choice in policies(envs, solution, reference, seed).items()}
    console, rows = Console(), []
    title = f"{drivers:,} drivers of the target city"
    table = Table("policy", "mean return", "standard error", "score", box=box.SIMPLE, title=title)
    for name, (rewards, _) in played.items():
        returns = rewards.sum(axis=0)
        mean, error = float(returns.mean()), float(returns.std() / np.sqrt(drivers))
        rows.append({"policy": name, "mean": mean, "standard_error": error, "score": reference.score(mean)})
        table.add_row(name, f"{mean:.0f}", f"{error:.0f}", f"{reference.score(mean):.2f}")
    console.print(table)
    console.print("expected:", asdict(reference))
    record = {"telos": telos.__version__, "machine": describe_machine(), "drivers": drivers, "seed": seed}
    record |= {"played": rows, "expected": asdict(reference)}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record, indent=1) + "\n")
    draw(figure, played)
    console.print(f"written to {out} and {figure}")


if __name__ == "__main__":
    tyro.cli(main)
