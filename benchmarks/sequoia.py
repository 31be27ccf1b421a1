"""SEQUOIA and policies without learning on the coupled bandits, as published and made harder.

Instances as in arXiv:2503.01919 (J arms, B = 5, 10, 20 of 20, 40, 100; horizon 20; seeds 20 to 25), generated and
audited here: its own are not public. SEQUOIA is trained on each instance for the paper's 100 episodes. Every policy
then plays the same 200 held-out episodes under the same luck. The score is the mean expected reward per step (of the
reward itself where rewards are capped), its denominator a certified bound for the distribution of first states.

Variants change the rules that prices rest on: arms that follow neighbours (contagion), groups that earn at most so
much (capped), states seen only when acted on (hidden), a vehicle that stays where it is (roaming). Myopic policies and
prices take arms for independent and uncapped there; "aware prices" are those of a bound for the variant's rules.

Instances already in the JSON are not measured again.

    python benchmarks/sequoia.py --sizes 20 40 --workers 2
"""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
import tyro
from rich import box
from rich.console import Console
from rich.table import Table

import telos
from telos.baselines.bandit_evaluation import evaluate_policy
from telos.baselines.machine import describe_machine
from telos.baselines.policies.bandits import BanditPolicy, GreedyMyopic, Myopic, Null, Prices, Random, Sampling
from telos.baselines.policies.roaming import RoamingMyopic, RoamingPrices, RoamingRandom
from telos.baselines.progress import progress_bar
from telos.baselines.q_network import BeliefFeatures, Features, VehicleFeatures, vehicle_place
from telos.baselines.sequoia import Sequoia, SequoiaConfig, train
from telos.envs.bandits.interaction import interaction_bound_arguments
from telos.envs.bandits.relaxation import hull_bound
from telos.envs.bandits.roaming_bound import roaming_bound

PROBLEMS = ("Intervention", "Path", "Matching", "Capacity")
BUDGETS = {20: 5, 40: 10, 100: 20}
HORIZON = 20
TRAINING_ENVS = 20
EVALUATION_EPISODES = 200
VARIANTS: dict[str, dict[str, Any]] = {
    "published": {},
    "contagion": {"contagion": 0.5},
    "capped": {"reward_cap": 4.0},
    "hidden": {"observe": "acted_on"},
    "roaming": {"persistent": True},
}
POLICIES = ("null", "random", "sampling", "greedy", "myopic", "prices", "aware prices", "sequoia")
LOOSE, TIGHT = 1e-3, 1e-4  # relative tolerances of bounds, by smoothing alone and with linear programs


@dataclass(frozen=True)
class Cell:
    """One instance to measure."""

    problem: str
    num_arms: int
    seed: int
    variant: str = "published"

    @property
    def env_id(self) -> str:
        """Of the environment."""
        return f"CoRMAB{self.problem}-v0"

    @property
    def arguments(self) -> dict[str, Any]:
        """Of ``gym.make_vec``."""
        own = {"num_actions": self.num_arms // 2} if self.problem == "Intervention" else {}
        size = {"num_arms": self.num_arms, "budget": BUDGETS[self.num_arms]}
        return {"horizon": HORIZON, "instance_seed": self.seed, **size, **own, **VARIANTS[self.variant]}


def solve(cell: Cell, family: Any) -> tuple[float, dict[str, BanditPolicy]]:
    """A certified bound per step, and the policies without learning."""
    arms, sets = family.arms, family.feasible_sets
    if cell.variant == "roaming":
        roaming = roaming_bound(arms, sets, family.instance.feasible.source, HORIZON, family.start)
        return roaming.value / HORIZON, {
            "random": RoamingRandom(sets, cell.seed),
            "myopic": RoamingMyopic(arms, sets, HORIZON),
            "prices": RoamingPrices(arms, sets, roaming),
        }
    (feasible_set,) = sets
    feasible_set.linear_oracle(arms.rewards[:, :, 0])  # what the set prepares once
    bound = hull_bound(arms, feasible_set, HORIZON, family.start, tolerance=LOOSE)
    return bound.value / HORIZON, {
        "null": Null(feasible_set),
        "random": Random(feasible_set, cell.seed),
        "sampling": Sampling(arms, feasible_set, seed=cell.seed),
        "greedy": GreedyMyopic(arms, feasible_set),
        "myopic": Myopic(arms, feasible_set),
        "prices": Prices(arms, feasible_set, bound),
    }


def denominator(cell: Cell, family: Any) -> tuple[float, dict[str, BanditPolicy]]:
    """A bound per step for the rules as the variant has them, or a tighter one; and the prices that come with it."""
    arms, (feasible_set,) = family.arms, family.feasible_sets
    problem = (arms, feasible_set, HORIZON, family.start)
    if cell.variant not in ("capped", "contagion"):
        return hull_bound(*problem, tolerance=TIGHT).value / HORIZON, {}
    rules = interaction_bound_arguments(arms, family.instance.next_state_rewards, family.params.interaction)
    bound = hull_bound(*problem, tolerance=LOOSE, **rules)
    return bound.value / HORIZON, {"aware prices": Prices(arms, feasible_set, bound)}


def learn(cell: Cell, family: Any) -> Sequoia:
    """SEQUOIA, trained on the instance."""
    envs = gym.make_vec(cell.env_id, num_envs=TRAINING_ENVS, autoreset_mode="SameStep", **cell.arguments)
    config = SequoiaConfig(seed=cell.seed)
    features: Features | None = None
    if cell.variant == "hidden":
        features = BeliefFeatures(family.beliefs, HORIZON)
    elif cell.variant == "roaming":
        features = VehicleFeatures(family.arms.num_states, HORIZON)
    place = vehicle_place if cell.variant == "roaming" else None
    return train(envs, family.feasible_sets, config, features, place)


def measure(cell: Cell, learning: bool) -> dict[str, Any]:
    """Bound, scores and times of every policy on one instance."""
    torch.set_num_threads(1)
    envs = gym.make_vec(cell.env_id, num_envs=EVALUATION_EPISODES, **cell.arguments)
    family: Any = envs.unwrapped.family  # type: ignore[attr-defined]
    row: dict[str, Any] = asdict(cell) | {"commit": describe_machine()["commit"]}
    started = time.perf_counter()
    row["bound"], policies = solve(cell, family)
    row["setup_s"] = time.perf_counter() - started
    # At 40 arms a tighter bound takes minutes; the loose one makes shares smaller by a thousandth at most.
    if cell.variant != "roaming" and cell.num_arms == 20:
        row["bound"], more = denominator(cell, family)
        policies |= more
    if learning:
        started = time.perf_counter()
        policies["sequoia"] = learn(cell, family)
        row["training_s"] = time.perf_counter() - started
    row["scores"], row["decision_ms"] = {}, {}
    for name, policy in policies.items():
        row["scores"][name] = asdict(evaluate_policy(envs, policy, HORIZON, seed=1_000_000 * cell.seed))
        row["decision_ms"][name] = decision_ms(envs, policy)
    return row


def decision_ms(envs: gym.vector.VectorEnv[Any, Any, Any], policy: BanditPolicy) -> float:
    """The median time of a decision for one observation, over an episode."""
    states, _ = envs.reset(seed=1)
    times = []
    for t in range(HORIZON):
        one = {name: part[:1] for name, part in states.items()} if isinstance(states, dict) else states[:1]
        started = time.perf_counter()
        policy(one, t)
        times.append(time.perf_counter() - started)
        states = envs.step(policy(states, t))[0]
    return 1e3 * float(np.median(times))


def cells_of(
    problems: tuple[str, ...], sizes: tuple[int, ...], seeds: tuple[int, ...], variants: tuple[str, ...]
) -> Iterator[Cell]:
    """The published problems at every size, the variants of two of them at 20 arms."""
    for size in sizes:
        for seed in seeds:
            yield from (Cell(problem, size, seed) for problem in problems)
    for variant in variants:
        for seed in seeds[:3]:
            changed = ("Path",) if variant == "roaming" else ("Path", "Capacity")
            yield from (Cell(problem, 20, seed, variant) for problem in changed)


def summarise(rows: list[dict[str, Any]]) -> Table:
    """Mean share of the bound by problem, size and variant."""
    table = Table("problem", "J", "n", "bound", *POLICIES, "train s", box=box.SIMPLE, pad_edge=False)
    for (problem, size, variant), own in groups_of(rows).items():
        label = problem if variant == "published" else f"{problem}, {variant}"
        shares = [share(own, name) for name in POLICIES]
        cells = [f"{value:.1%}" if value is not None else "" for value in shares]
        bound = np.mean([row["bound"] for row in own])
        training = [row["training_s"] for row in own if "training_s" in row]
        seconds = f"{np.median(training):.0f}" if training else ""
        table.add_row(label, str(size), str(len(own)), f"{bound:.2f}", *cells, seconds)
    return table


def groups_of(rows: list[dict[str, Any]]) -> dict[tuple[str, int, str], list[dict[str, Any]]]:
    """The rows by problem, size and variant."""
    found: dict[tuple[str, int, str], list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault((row["problem"], row["num_arms"], row["variant"]), []).append(row)
    return found


def share(rows: list[dict[str, Any]], policy: str) -> float | None:
    """The mean share of the bound that a policy reaches where it was measured, else None."""
    shares = [row["scores"][policy]["mean"] / row["bound"] for row in rows if policy in row["scores"]]
    return float(np.mean(shares)) if shares else None


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Shares of the bound: the published problems by size on the left, the variants on the right."""
    import matplotlib.pyplot as plt
    from matplotlib.patches import Patch

    shown = {"random": "#bbbbbb", "sampling": "#88aacc", "greedy": "#ccaa66", "myopic": "#cc7744"}
    shown |= {"sequoia": "#444466", "prices": "#227755", "aware prices": "#77cc99"}
    grouped = groups_of(rows)
    published = [key for key in grouped if key[2] == "published"]
    harder = [key for key in grouped if key[2] != "published"]
    figure, axes = plt.subplots(
        1, 2, figsize=(14, 4.5), sharey=True, width_ratios=[max(1, len(published)), max(1, len(harder))]
    )
    for axis, keys, title in ((axes[0], published, "as published"), (axes[1], harder, "made harder, 20 arms")):
        for k, (name, colour) in enumerate(shown.items()):
            shares = [share(grouped[key], name) for key in keys]
            places = [x + (k - 3) * 0.125 for x, value in enumerate(shares) if value is not None]
            axis.bar(places, [100 * value for value in shares if value is not None], 0.125, color=colour)
        labels = [
            f"{problem}\nJ = {size}" if variant == "published" else f"{problem}\n{variant}"
            for problem, size, variant in keys
        ]
        axis.set_xticks(range(len(keys)), labels, fontsize=8)
        axis.set_title(title)
        axis.grid(axis="y", alpha=0.3)
        axis.set_axisbelow(True)
    axes[0].set_ylabel("share of the certified bound (%)")
    axes[0].set_ylim(0, 103)
    patches = [Patch(color=colour, label=name) for name, colour in shown.items()]
    figure.legend(handles=patches, loc="lower center", ncols=len(shown), frameon=False)
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def main(
    problems: tuple[str, ...] = PROBLEMS,
    sizes: tuple[int, ...] = (20, 40, 100),
    seeds: tuple[int, ...] = (20, 21, 22, 23, 24, 25),
    variants: tuple[str, ...] = ("contagion", "capped", "hidden", "roaming"),
    learning: bool = True,
    workers: int = 1,
    out: Path = Path("benchmarks/results/sequoia.json"),
    figure: Path = Path("docs/figures/sequoia.png"),
) -> None:
    """Measures what the JSON lacks, and writes table, JSON and figure.

    Args:
        problems: Of Intervention, Path, Matching and Capacity, as published.
        sizes: Numbers of arms of the published problems, of 20, 40 and 100.
        seeds: Seeds of the instances; of the variants the first three.
        variants: Of contagion, capped, hidden and roaming.
        learning: Whether SEQUOIA is trained. (On the path problem each of its maximisations takes milliseconds from
            40 arms on, and training tens of minutes.)
        workers: Processes; times of decisions need a core for each.
        out: The JSON file.
        figure: The figure.
    """
    record: dict[str, Any] = {"instances": []}
    if out.exists():
        record = json.loads(out.read_text())
    rows = record["instances"]
    known = {tuple(row[name] for name in ("problem", "num_arms", "seed", "variant")) for row in rows}
    missing = [cell for cell in cells_of(problems, sizes, seeds, variants) if tuple(asdict(cell).values()) not in known]
    record |= {"telos": telos.__version__, "machine": describe_machine(), "episodes": EVALUATION_EPISODES}
    out.parent.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("spawn")
    with progress_bar("instances") as bar, context.Pool(workers) as pool:
        for done, row in enumerate(pool.imap_unordered(partial(measure, learning=learning), missing)):
            rows.append(row)
            rows.sort(key=lambda r: (r["variant"] != "published", r["variant"], r["num_arms"], r["problem"], r["seed"]))
            out.write_text(json.dumps(record, indent=1) + "\n")
            bar.update(f"{row['problem']} J={row['num_arms']} seed {row['seed']}", (done + 1) / len(missing))
    console = Console(width=150)
    console.print(summarise(rows))
    draw(rows, figure)
    console.print(f"written to {out} and {figure}")


if __name__ == "__main__":
    # One thread a process: such small layers and programs lose more by sharing out than they gain.
    os.environ["OMP_NUM_THREADS"] = "1"
    tyro.cli(main)
