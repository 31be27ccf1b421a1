"""How much sooner a team of scripted minds digs a diamond than one of them, with and without talking and giving.

The task of DAMCS (arXiv 2502.05453): no enemies, its costs, the episode ends with the first diamond. Unlike there, all
conditions play the same held-out maps, agents know only what they or their fellows have seen, and gifts go to the
player in front. What is told goes as typed records over a channel without range, delay or loss, and is counted.

    python benchmarks/damcs.py
"""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

import telos
from telos.baselines.crafter.minds import play_episode
from telos.baselines.crafter.team import REPORTS, TeamPlanner
from telos.baselines.machine import describe_machine
from telos.baselines.stats import Interval, bootstrap_interval, bootstrap_mean
from telos.envs.crafter.env import parallel_env
from telos.envs.crafter.names import DIAMOND
from telos.envs.crafter.teamwork import Channel, ChannelParallelEnv, TeamRecorder

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Condition:
    """A team: how many, and whether they talk and give."""

    agents: int
    sharing: bool

    @property
    def name(self) -> str:
        """In words."""
        if self.agents == 1:
            return "1 agent"
        return f"{self.agents} agents" + ("" if self.sharing else ", no sharing")


CONDITIONS = (Condition(1, False), *(Condition(agents, sharing) for sharing in (True, False) for agents in (2, 6)))
ALONE = CONDITIONS[0]


@dataclass
class Episode:
    """What came of one map; ``steps`` is the length where no diamond was found."""

    steps: int
    found: bool
    messages: float
    characters: float
    gini: float
    gifts: float


def has_diamond(seed: int) -> bool:
    """Whether there is a diamond in the world of a seed. It does not depend on the team."""
    env = parallel_env(hostile=False)
    env.reset(seed=seed)
    return bool((env.state()[..., 0] == DIAMOND).any())


def play(condition: Condition, length: int, seed: int) -> Episode:
    """One episode."""
    world = parallel_env(
        num_agents=condition.agents,
        costs="damcs",
        hostile=False,
        goal="collect_diamond",
        length=length,
        share="adjacent" if condition.sharing else "off",
    )
    env = TeamRecorder(ChannelParallelEnv(world, Channel(REPORTS)))
    tastes = np.random.SeedSequence(seed).generate_state(condition.agents)
    minds = {
        agent: TeamPlanner(k, condition.sharing, costs="damcs", seed=int(tastes[k]))
        for k, agent in enumerate(env.possible_agents)
    }
    play_episode(env, minds, seed)
    row = {name: float(values[0]) for name, values in env.summary().items() if values.ndim == 1}
    found = bool(np.isfinite(row["steps_to_diamond"]))
    steps = int(row["steps_to_diamond"]) if found else length
    return Episode(steps, found, row["messages"], row["message_size"], row["contribution_gini"], row["gifts"])


def fewer(steps: Floats, baseline: Floats) -> Interval:
    """By what share the mean is below the baseline's, maps drawn together."""
    return bootstrap_interval(np.arange(len(steps)), lambda maps: 1.0 - _mean(steps, maps) / _mean(baseline, maps))


def _mean(values: Floats, maps: Floats) -> Floats:
    return np.asarray(values[maps.astype(np.int64)].mean(axis=-1))


def draw(path: Path, steps: dict[Condition, Floats], length: int) -> None:
    """Of how many maps the diamond is found by each step."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(7.4, 3.8), layout="constrained")
    colours = {1: "black", 2: "tab:orange", 6: "tab:blue"}
    for condition, values in steps.items():
        ordered = np.sort(values[values < length])
        axis.step(
            [0, *ordered, length],
            np.array([0, *range(1, len(ordered) + 1), len(ordered)]) / len(values),
            where="post",
            color=colours[condition.agents],
            linestyle="-" if condition.sharing or condition == ALONE else "--",
            label=f"{condition.name} (mean {values.mean():.0f})",
        )
    axis.set(xlabel="step", ylabel="share of maps with the diamond dug", ylim=(0, 1.02))
    axis.set_xlim(0, 1.05 * max(float(values[values < length].max(initial=1.0)) for values in steps.values()))
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, loc="lower right")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def main(
    maps: int = 30,
    first_seed: int = 1000,
    length: int = 2000,
    processes: int = 2,
    out: Path = Path("benchmarks/results/damcs.json"),
    figure: Path = Path("docs/figures/damcs.png"),
) -> None:
    """Plays all, prints the table, and writes the JSON and the figure.

    Args:
        maps: How many worlds, the first that have a diamond.
        first_seed: Of the first of them; lower ones were used while the minds were made.
        length: Steps of an episode at most; one without a diamond counts as so many.
        processes: Episodes at a time.
        out: The JSON file.
        figure: The figure.
    """
    seeds: list[int] = []
    seed = first_seed
    while len(seeds) < maps:
        seeds += [seed] * has_diamond(seed)
        seed += 1
    episodes: dict[Condition, list[Episode]] = {}
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        for condition in CONDITIONS:
            episodes[condition] = list(pool.map(partial(play, condition, length), seeds))
    steps = {condition: np.array([float(e.steps) for e in played]) for condition, played in episodes.items()}
    table = Table(
        *("team", "steps to diamond", "fewer than alone", "fewer than without sharing", "found"),
        *("messages", "characters", "Gini", "gifts"),
        box=box.SIMPLE,
    )
    rows: dict[str, Any] = {}
    for condition, played in episodes.items():
        against = {"alone": ALONE, "no_sharing": Condition(condition.agents, False)}
        intervals = {
            f"fewer_than_{name}": fewer(steps[condition], steps[other])
            for name, other in against.items()
            if other in steps and other != condition
        }
        intervals["steps"] = bootstrap_mean(steps[condition])
        found = [episode for episode in played if episode.found]
        per_diamond = {
            name: float(sum(getattr(episode, name) for episode in played) / max(len(found), 1))
            for name in ("messages", "characters", "gifts")
        }
        gini = float(np.mean([episode.gini for episode in played]))
        table.add_row(
            condition.name,
            f"{intervals['steps']:.1f}",
            *(
                f"{intervals[key]:.2f}" if key in intervals else ""
                for key in ("fewer_than_alone", "fewer_than_no_sharing")
            ),
            f"{len(found)}/{maps}",
            *(f"{per_diamond[name]:.0f}" for name in ("messages", "characters")),
            f"{gini:.2f}",
            f"{per_diamond['gifts']:.1f}",
        )
        rows[condition.name] = {
            **{name: asdict(interval) for name, interval in intervals.items()},
            **{"found": len(found), "per_diamond": per_diamond, "contribution_gini": gini},
            "episodes": [asdict(episode) for episode in played],
        }
    console = Console(width=150)
    console.print(table)
    record = {"telos": telos.__version__, "machine": describe_machine(), "seeds": seeds, "length": length}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record | {"conditions": rows}, indent=1) + "\n")
    draw(figure, steps, length)
    console.print(f"written to {out} and {figure}")


if __name__ == "__main__":
    tyro.cli(main)
