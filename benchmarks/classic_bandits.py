"""How close policies without learning come to the bound on restless bandits under a budget, and what bounds cost.

Three parts, each at 100, 1,000 and 10,000 arms:

* finite: RestlessBandit-v0's instances (seeds 20 to 22, horizon 20, B = J / 4) against ``lagrangian_bound``
* long run: the same instances against ``average_reward_bound``
* published: identical arms on which index policies are known to fail, in the long run

Scores are exact in expectation: what a policy loses against a bound is, step by step, what its levels are worth less
than the best ones at the bound's prices, and the price of the budget that it leaves unspent (the performance difference
lemma). The sum has the same mean as the bound less the reward earned, and hardly any noise; the JSON has both. The
share of the bound is 1 - loss / |bound|, which is reward / bound where rewards are positive.

Last, times: Whittle indices against the package markovianbandit-pkg (its loop over arms is timed on some of them and
scaled up), and the Lagrangian bound against HiGHS on the same linear program, by turns in this process.

    OMP_NUM_THREADS=1 python benchmarks/classic_bandits.py
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import tyro
from rich import box
from rich.console import Console
from rich.table import Table

import telos
from telos.baselines.machine import describe_machine
from telos.baselines.policies.bandits import BanditPolicy, Myopic, WhittleIndex
from telos.baselines.policies.fluid import (
    FluidIndex,
    FluidPriority,
    FluidUpdate,
    FollowVirtualAdvice,
    IDPolicy,
    fluid_optimum,
)
from telos.baselines.progress import progress_bar
from telos.envs.bandits.arms import Arms
from telos.envs.bandits.feasible.budget import BudgetSet
from telos.envs.bandits.instances import random_arms
from telos.envs.bandits.relaxation import lagrangian_bound
from telos.envs.bandits.restless import CLASSIC_INSTANCES
from telos.envs.bandits.stationary import average_reward_bound
from telos.envs.bandits.whittle import whittle_indices

HORIZON = 20
INSTANCES = ("birth_death", "machine_maintenance", "maternal_health", "random")
STYLES = {
    "myopic": ("C7", "x"),
    "Whittle": ("C1", "s"),
    "LP-index": ("C0", "o"),
    "LP-priority": ("C0", "P"),
    "LP-update": ("C2", "D"),
    "ID": ("C3", "^"),
    "FTVA": ("C4", "v"),
}
Row = dict[str, Any]

# Gast, Gaujal and Yan, "Exponential convergence rate for the asymptotic optimality of Whittle index policy"
# (arXiv:2012.09064), three states, as in the code of Hong et al. (github.com/YigeHong/rb-focus-set): transitions when
# passive and active, rewards when active; passive arms earn nothing. The budget is 0.4 J.
THREE_STATES: dict[str, tuple[list[list[float]], list[list[float]], list[float]]] = {
    "three states, 1": (
        [
            [0.5214073, 0.40392496, 0.07466774],
            [0.0158415, 0.21455666, 0.76960184],
            [0.53722329, 0.37651148, 0.08626522],
        ],
        [
            [0.24639364, 0.23402385, 0.51958251],
            [0.49681581, 0.49509821, 0.00808597],
            [0.37826553, 0.15469252, 0.46704195],
        ],
        [0.72232506, 0.18844869, 0.25752477],
    ),
    "three states, 2": (
        [
            [0.02232142, 0.10229283, 0.87538575],
            [0.03426605, 0.17175704, 0.79397691],
            [0.52324756, 0.45523298, 0.02151947],
        ],
        [
            [0.14874601, 0.30435809, 0.54689589],
            [0.56845754, 0.41117331, 0.02036915],
            [0.25265570, 0.27310439, 0.4742399],
        ],
        [0.37401552, 0.11740814, 0.07866135],
    ),
    "three states, 3": (
        [
            [0.47819592, 0.02090623, 0.50089785],
            [0.08063373, 0.15456935, 0.76479692],
            [0.66552514, 0.08481946, 0.2496554],
        ],
        [
            [0.00279465, 0.37327924, 0.62392611],
            [0.51582335, 0.46333908, 0.02083756],
            [0.41875202, 0.17776712, 0.40348086],
        ],
        [0.97658608, 0.53014109, 0.40394919],
    ),
}


def identical_arms(name: str, num_arms: int) -> Arms:
    """Copies of a published arm; its rows are rounded to eight digits and are made to sum to 1."""
    passive, active, rewards = THREE_STATES[name]
    transitions = np.array([passive, active])
    transitions /= transitions.sum(axis=-1, keepdims=True)
    earned = np.array([np.zeros(3), rewards])
    return Arms(
        np.broadcast_to(transitions, (num_arms, *transitions.shape)), np.broadcast_to(earned, (num_arms, *earned.shape))
    )


def play(
    arms: Arms,
    budget: int,
    policy: BanditPolicy,
    losses: Callable[[int], np.ndarray[Any, Any]],
    steps: tuple[int, int],
    episodes: int,
    seed: int,
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Plays ``steps[1]`` steps; losses and expected rewards ``(steps, episodes)`` of those from ``steps[0]`` on.

    ``losses(t)`` is float64 ``(J, 2, S)``: what each arm's level loses at time ``t``, its share of the budget's price
    taken off, so that the sum over arms is the loss of the step.
    """
    envs = gym.make_vec("RestlessBandit-v0", num_envs=episodes, arms=arms, budget=budget, horizon=10**9)
    states, _ = envs.reset(seed=seed)
    arm = np.arange(arms.num_arms)
    lost, earned = np.zeros((2, steps[1] - steps[0], episodes))
    for t in range(steps[1]):
        action = policy(states, t)
        if t >= steps[0]:
            lost[t - steps[0]] = losses(t)[arm, action, states].sum(axis=1)
        states, _, _, _, infos = envs.step(action)
        if t >= steps[0]:
            earned[t - steps[0]] = infos["expected_reward"]
    envs.close()
    return lost, earned


def score(bound: float, lost: np.ndarray[Any, Any], earned: np.ndarray[Any, Any]) -> Row:
    """Shares of a bound per step, from losses and rewards per step in independent columns."""
    error = lost.mean(axis=0).std(ddof=1) / np.sqrt(lost.shape[1])
    return {
        "of_bound": 1.0 - float(lost.mean()) / abs(bound),
        "error": float(error) / abs(bound),
        "of_bound_by_reward": 1.0 - (bound - float(earned.mean())) / abs(bound),
    }


def finite(name: str, num_arms: int, seed: int) -> Row:
    """Every policy on one instance over a finite horizon."""
    arms, budget = CLASSIC_INSTANCES[name](num_arms, seed), num_arms // 4
    start = np.full((num_arms, arms.num_states), 1.0 / arms.num_states)
    bound = lagrangian_bound(arms, budget, HORIZON, start)
    policies: dict[str, BanditPolicy] = {
        "myopic": Myopic(arms, BudgetSet(num_arms, budget)),
        "Whittle": WhittleIndex(arms, budget),
        "LP-index": FluidIndex(arms, budget, HORIZON, start),
    }
    if num_arms <= 1_000:
        policies["LP-update"] = FluidUpdate(arms, budget, HORIZON, period=5)
    following = np.einsum("jast,hjt->hjas", arms.transitions, bound.values[1:])
    losses = bound.values[:-1, :, None, :] - arms.rewards - following
    losses += bound.prices[:, :1, 1:, None] * budget / num_arms
    row: Row = {"part": "finite", "instance": name, "arms": num_arms, "seed": seed, "bound": bound.value / HORIZON}
    for key, policy in policies.items():
        episodes = 2 if key == "LP-update" else max(4, 10_000 // num_arms)
        lost, earned = play(arms, budget, policy, losses.__getitem__, (0, HORIZON), episodes, 1_000_000 * seed)
        row[key] = score(row["bound"], lost, earned)
    return row


def long_run(arms: Arms, budget: int, seed: int, steps: int, updates: int) -> Row:
    """Every policy on some arms for the average reward, ``updates`` steps of LP-update if any."""
    bound = average_reward_bound(arms, budget)
    policies: dict[str, BanditPolicy] = {
        "myopic": Myopic(arms, BudgetSet(arms.num_arms, budget)),
        "Whittle": WhittleIndex(arms, budget),
        "LP-priority": FluidPriority(arms, budget, bound),
        "ID": IDPolicy(arms, budget, seed, bound),
        "FTVA": FollowVirtualAdvice(arms, budget, seed, bound),
    }
    if updates:
        policies["LP-update"] = FluidUpdate(arms, budget, None)
    worth = arms.rewards + np.einsum("jast,jt->jas", arms.transitions, bound.values)
    worth -= bound.price * np.arange(2)[:, None]
    best = worth.max(axis=1, keepdims=True)
    losses = best - worth + bound.price * (budget / arms.num_arms - np.arange(2)[:, None])
    row: Row = {"arms": arms.num_arms, "bound": bound.value}
    for key, policy in policies.items():
        count = updates if key == "LP-update" else steps
        lost, earned = play(arms, budget, policy, lambda t: losses, (count // 5, count), 1, 1_000_000 * seed)
        # Ten stretches of one episode, each far longer than the arms remember.
        row[key] = score(bound.value, *(part[: len(part) // 10 * 10].reshape(10, -1).T for part in (lost, earned)))
    return row


def by_turns(contenders: dict[str, Callable[[], Any]], rounds: int) -> tuple[dict[str, list[float]], dict[str, Any]]:
    """Seconds of each contender in each round, and what it returned last."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    answers = {}
    for _ in range(rounds):
        for name, contender in contenders.items():
            started = time.perf_counter()
            answers[name] = contender()
            seconds[name].append(time.perf_counter() - started)
    return seconds, answers


def time_whittle(num_arms: int, subset: int, rounds: int) -> Row:
    """Indices of many four-state arms, ours against the package's on a subset."""
    from markovianbandit import restless_bandit_from_P0P1_R0R1  # type: ignore[import-untyped]

    arms = random_arms(num_arms, seed=20)

    def package(count: int = subset) -> np.ndarray[Any, Any]:
        rows = []
        for transitions, rewards in zip(arms.transitions[:count], arms.rewards[:count], strict=True):
            bandit = restless_bandit_from_P0P1_R0R1(*transitions, *rewards)
            rows.append(bandit.whittle_indices(check_indexability=True, discount=0.95))
        return np.array(rows)

    whittle_indices(random_arms(10, seed=0), 0.95)
    package(1)  # compiles
    seconds, answers = by_turns({"telos": lambda: whittle_indices(arms, 0.95), "package": package}, rounds)
    seconds["package"] = [value * num_arms / subset for value in seconds["package"]]
    ours, theirs = (statistics.median(seconds[name]) for name in ("telos", "package"))
    difference = answers["telos"].indices[:subset] - answers["package"]
    compared = answers["telos"].indexable[:subset]
    return {
        "arms": num_arms,
        "package_timed_on": subset,
        "seconds": seconds,
        "telos_s": ours,
        "package_s_scaled": theirs,
        "ratio": theirs / ours,
        "largest_difference": float(np.abs(difference[compared]).max()),
    }


def time_bounds(num_arms: int, large: int, rounds: int) -> Row:
    """The Lagrangian bound against HiGHS on the fluid program, and alone with many arms."""
    arms, budget = CLASSIC_INSTANCES["birth_death"](num_arms, 20), num_arms // 4
    start = np.full((num_arms, 4), 0.25)

    def program() -> float:
        _, occupancy = fluid_optimum(arms, budget, HORIZON, start, np.zeros((num_arms, 4)))
        return float(np.einsum("hjsa,jas->", occupancy, arms.rewards))

    seconds, answers = by_turns(
        {"telos": lambda: lagrangian_bound(arms, budget, HORIZON, start).value, "HiGHS": program}, rounds
    )
    ours, theirs = (statistics.median(seconds[name]) for name in ("telos", "HiGHS"))
    row: Row = {"arms": num_arms, "seconds": seconds, "telos_s": ours, "highs_s": theirs, "ratio": theirs / ours}
    row["relative_difference"] = answers["telos"] / answers["HiGHS"] - 1.0
    many = CLASSIC_INSTANCES["birth_death"](large, 20)
    started = time.perf_counter()
    bound = lagrangian_bound(many, large // 4, HORIZON, np.full((large, 4), 0.25), tolerance=1e-4)
    middle = time.perf_counter()
    stationary = average_reward_bound(many, large // 4)
    row["large"] = {
        "arms": large,
        "finite_s": middle - started,
        "finite_gap": bound.gap / bound.value,
        "long_run_s": time.perf_counter() - middle,
        "long_run_gap": stationary.gap / stationary.value,
    }
    return row


def draw(rows: list[Row], path: Path) -> None:
    """Shares of the bound that are missed, by the number of arms: a row of panels for each part."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    plain = str.maketrans({"_": " ", ",": None})
    titles = {"finite": "20 steps", "long run": "long run", "published": "long run"}
    figure, axes = plt.subplots(3, 4, figsize=(13, 9), sharex=True, sharey=True, constrained_layout=True)
    for row_axes, (part, words) in zip(axes, titles.items(), strict=True):
        instances = INSTANCES if part != "published" else tuple(THREE_STATES)
        row_axes[0].set_ylabel("missed share of the bound")
        for axis, instance in zip(row_axes, instances, strict=False):
            own = [row for row in rows if (row["part"], row["instance"]) == (part, instance)]
            for name, (colour, marker) in STYLES.items():
                scores = {row["arms"]: [] for row in own if name in row}  # type: dict[int, list[float]]
                for row in own:
                    if name in row:
                        scores[row["arms"]].append(1.0 - row[name]["of_bound"])
                if scores:
                    missed = [float(np.mean(values)) for values in scores.values()]
                    axis.plot(list(scores), missed, marker=marker, color=colour, label=name)
            axis.axhline(0.002, color="black", linewidth=1.0, linestyle=":")
            axis.set(xscale="log", yscale="log", ylim=(1e-5, 1.0), title=f"{instance.translate(plain)}, {words}")
            axis.set_yticks([1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0], ["0.001 %", "0.01 %", "0.1 %", "1 %", "10 %", "100 %"])
            axis.set_xlabel("arms")
            axis.xaxis.set_tick_params(labelbottom=True)
            axis.grid(alpha=0.3)
    lines = {label: line for axis in axes.flat for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    axes[2, 3].axis("off")
    axes[2, 3].legend(
        [*lines.values(), plt.Line2D([], [], color="black", linestyle=":")],
        [*lines, "0.2 %: 99.8 % of the bound"],
        loc="center",
        fontsize=11,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def show(console: Console, rows: list[Row], timing: Row) -> None:
    """Prints the shares and the times."""
    table = Table("part", "instance", "J", *STYLES, box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for part, instance, size in dict.fromkeys((row["part"], row["instance"], row["arms"]) for row in rows):
        own = [row for row in rows if (row["part"], row["instance"], row["arms"]) == (part, instance, size)]
        shares = [f"{np.mean([row[n]['of_bound'] for row in own]):.2%}" if n in own[0] else "-" for n in STYLES]
        table.add_row(part, instance, f"{size:,}", *shares)
    console.print(table)
    whittle, bounds, large = timing["whittle"], timing["bounds"], timing["bounds"]["large"]
    console.print(
        f"Whittle, {whittle['arms']:,} arms: {whittle['telos_s']:.2f} s; package {whittle['package_s_scaled']:.1f} s "
        f"(scaled up from {whittle['package_timed_on']:,}): {whittle['ratio']:.0f} times; largest difference "
        f"{whittle['largest_difference']:.1g}"
    )
    console.print(
        f"Bound, {bounds['arms']:,} arms: {bounds['telos_s']:.2f} s; HiGHS {bounds['highs_s']:.1f} s: "
        f"{bounds['ratio']:.0f} times; relative difference {bounds['relative_difference']:.1g}"
    )
    console.print(
        f"{large['arms']:,} arms: {large['finite_s']:.1f} s to a gap of {large['finite_gap']:.1g}; "
        f"long run {large['long_run_s']:.1f} s to {large['long_run_gap']:.1g}"
    )


def main(
    sizes: tuple[int, ...] = (100, 1_000, 10_000),
    seeds: tuple[int, ...] = (20, 21, 22),
    steps: int = 2_500,
    updates: int = 400,
    highs_arms: int = 1_000,
    rounds: int = 3,
    highs_rounds: int = 1,
    out: Path = Path("benchmarks/results/classic_bandits.json"),
    figure: Path = Path("docs/figures/classic_bandits.png"),
) -> None:
    """Measures and writes the table, the JSON and the figure.

    Args:
        sizes: Numbers of arms.
        seeds: Seeds of the instances.
        steps: Steps of a long run, of which a fifth is not counted; a fifth of them where the arms are 10,000 or more.
        updates: Steps of LP-update's long runs.
        highs_arms: Arms of the linear program that HiGHS solves.
        rounds: How often each computation of Whittle indices is timed.
        highs_rounds: How often HiGHS and the bound are timed; HiGHS takes a minute or more.
        out: The JSON file.
        figure: The PNG file.
    """
    if os.environ.get("OMP_NUM_THREADS") != "1":
        # On matrices of four rows several BLAS threads cost the package a factor of a hundred.
        raise SystemExit("set OMP_NUM_THREADS=1: times with several threads of linear algebra are not comparable")
    rows: list[Row] = []
    jobs = [(size, name, seed) for size in sizes for name in (*INSTANCES, *THREE_STATES) for seed in seeds]
    jobs = [job for job in jobs if job[1] in INSTANCES or job[2] == seeds[0]]
    with progress_bar("instances") as bar:
        for done, (size, name, seed) in enumerate(jobs):
            length = steps if size < 10_000 else steps // 5
            if name in INSTANCES:
                rows.append(finite(name, size, seed))
                run = long_run(CLASSIC_INSTANCES[name](size, seed), size // 4, seed, length, 0)
                rows.append({"part": "long run", "instance": name, "seed": seed} | run)
            else:
                run = long_run(identical_arms(name, size), 2 * size // 5, seed, length, updates)
                rows.append({"part": "published", "instance": name, "seed": seed} | run)
            bar.update(f"{name} J={size} seed {seed}", (done + 1) / len(jobs))
    timing = {"whittle": time_whittle(100_000, 2_000, rounds), "bounds": time_bounds(highs_arms, 100_000, highs_rounds)}
    console = Console()
    show(console, sorted(rows, key=lambda row: (row["part"], row["instance"], row["arms"])), timing)
    draw(rows, figure)
    record = {"telos": telos.__version__, "machine": describe_machine(), "steps": steps, "updates": updates}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record | {"runs": rows, "timing": timing}, indent=1) + "\n")
    console.print(f"written to {out} and {figure}")


if __name__ == "__main__":
    tyro.cli(main)
