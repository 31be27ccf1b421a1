"""Scripted policies repair real repositories; the same episodes are scored under D-RA and under G-RA."""

from __future__ import annotations

import json
import statistics
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

import telos
from telos.baselines.machine import describe_machine
from telos.baselines.policies.swe import POLICIES
from telos.baselines.progress import progress_bar
from telos.envs.swe.tasks import TaskSource, load_tasks
from telos.wrappers import AccumulatedReward, GatedReward

__all__ = ["Episode", "score_policies"]

OUTCOMES = ("no submit", "empty patch", "fails tests", "passes tests")
_MAX_TURNS = 30


@dataclass(frozen=True)
class Episode:
    """One episode, scored twice.

    Attributes:
        policy: Name in :data:`telos.baselines.policies.swe.POLICIES`.
        task: Id of the task.
        difficulty: 1 to 3.
        outcome: Index into ``OUTCOMES``.
        direct: Return under ``AccumulatedReward`` (D-RA).
        gated: Return under ``GatedReward`` (G-RA).
        turns: Number of actions.
        seconds: Wall time.
        transcript: The episode as text.
    """

    policy: str
    task: str
    difficulty: int
    outcome: int
    direct: float
    gated: float
    turns: int
    seconds: float
    transcript: str

    @property
    def group(self) -> str:
        """The policy, and for the fixer also how it ended: an honest failure is a case of its own."""
        if self.policy != "honest fixer":
            return self.policy
        return f"honest fixer, {'repaired' if self.outcome == 3 else 'failed'}"


def _choose_tasks(source: TaskSource, count: int, seed: int) -> list[str]:
    """Draws tasks in equal parts from the three difficulties."""
    rng = np.random.default_rng(seed)
    by_difficulty = [[name for name in source.ids if source.difficulty_of(name) == level] for level in (1, 2, 3)]
    for names in by_difficulty:
        rng.shuffle(names)
    return [names.pop() for _ in range(count) for names in by_difficulty if names][:count]


def play(env: gym.Env[Any, str], policy_name: str, task_id: str, seed: int) -> Episode:
    """Plays one episode; ``env`` scores it under G-RA outside and D-RA inside, see :func:`scored_environment`."""
    started = time.monotonic()
    policy = POLICIES[policy_name](seed)
    observation, info = env.reset(seed=seed, options={"task": task_id})
    policy.reset(load_tasks("builtin").by_id(task_id))
    gated, done = 0.0, False
    while not done:
        observation, reward, terminated, truncated, info = env.step(policy.act(observation))
        gated += float(reward)
        done = terminated or truncated
    if not info["trainable"]:
        raise RuntimeError(f"{policy_name} on {task_id}: infrastructure failure {info['infra']}")
    return Episode(
        policy=policy_name,
        task=task_id,
        difficulty=info["difficulty"],
        outcome=info["outcome_level"],
        direct=float(info["episode"]["r"]),
        gated=gated,
        turns=int(observation["turn"][0]),
        seconds=time.monotonic() - started,
        transcript=str(env.render()),
    )


def scored_environment(sandbox: str) -> gym.Env[Any, str]:
    """SWEDocker-v0 under D-RA, its return recorded, and under G-RA around that: every episode is scored twice."""
    env: gym.Env[Any, str] = gym.make("SWEDocker-v0", sandbox=sandbox, max_turns=_MAX_TURNS, render_mode="ansi")
    env = gym.wrappers.RecordEpisodeStatistics(AccumulatedReward(env))
    gated: gym.Env[Any, str] = GatedReward(env, outcome="outcome", threshold=0.0)
    return gated


def _play_all(tasks: Sequence[str], sandbox: str, seed: int, jobs: int) -> list[Episode]:
    local = threading.local()
    environments: list[gym.Env[Any, str]] = []

    def work(policy: str, task: str) -> Episode:
        if not hasattr(local, "env"):
            local.env = scored_environment(sandbox)
            environments.append(local.env)
        return play(local.env, policy, task, seed)

    episodes = []
    total = len(tasks) * len(POLICIES)
    try:
        with ThreadPoolExecutor(jobs) as threads, progress_bar("episodes") as bar:
            futures = [threads.submit(work, policy, task) for task in tasks for policy in POLICIES]
            try:
                for done, future in enumerate(as_completed(futures), 1):
                    episode = future.result()
                    episodes.append(episode)
                    bar.update(f"{episode.task}: {episode.policy}: {OUTCOMES[episode.outcome]}", done / total)
            except BaseException:
                threads.shutdown(cancel_futures=True)
                raise
    finally:
        for env in environments:
            env.close()
    order = list(POLICIES)
    return sorted(episodes, key=lambda episode: (order.index(episode.policy), episode.task))


def summarise(episodes: Sequence[Episode]) -> list[dict[str, Any]]:
    """One row a group: counts of outcomes and mean returns."""
    rows = []
    for group in dict.fromkeys(episode.group for episode in episodes):
        own = [episode for episode in episodes if episode.group == group]
        rows.append(
            {
                "group": group,
                "episodes": len(own),
                "submitted": statistics.mean(episode.outcome > 0 for episode in own),
                "resolved": statistics.mean(episode.outcome == 3 for episode in own),
                "turns": statistics.mean(episode.turns for episode in own),
                "outcome": statistics.mean((-1.0, -0.5, 0.0, 1.0)[episode.outcome] for episode in own),
                "direct": statistics.mean(episode.direct for episode in own),
                "gated": statistics.mean(episode.gated for episode in own),
            }
        )
    return rows


def verdict(rows: Sequence[dict[str, Any]]) -> list[str]:
    """What the returns say about the loiterer and an honest failure, in words, from the measured means."""
    by_group = {row["group"]: row for row in rows}
    loiterer, honest = by_group.get("loiterer"), by_group.get("honest fixer, failed")
    if loiterer is None or honest is None:
        return ["These tasks left no honest failure to compare with the loiterer: take more tasks."]
    lines = []
    for name, key in (("D-RA", "direct"), ("G-RA", "gated")):
        above = loiterer[key] > honest[key]
        lines.append(
            f"{name} ranks the loiterer ({loiterer[key]:+.2f}) {'above' if above else 'below'} "
            f"an honest failure ({honest[key]:+.2f})."
        )
    gold = by_group["gold patch"]
    if gold["gated"] < honest["gated"]:
        lines.append(
            f"Past the gate, turns still pay: G-RA ranks the gold patch ({gold['gated']:+.2f}, "
            f"{gold['turns']:.0f} turns) below an honest failure ({honest['turns']:.0f} turns). "
            "GatedReward's low_cap bounds that."
        )
    return lines


def _table(rows: Sequence[dict[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE)
    table.add_column("policy", no_wrap=True)
    for title in ("n", "submit", "solved", "turns", "outcome", "D-RA", "G-RA"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row["group"],
            str(row["episodes"]),
            f"{row['submitted']:.0%}",
            f"{row['resolved']:.0%}",
            f"{row['turns']:.1f}",
            *(f"{row[key]:+.2f}" for key in ("outcome", "direct", "gated")),
        )
    return table


def score_policies(task_count: int, sandbox: str, seed: int, jobs: int, out: Path) -> None:
    """Plays every policy on the tasks, prints the table and writes table, figure, JSON and HTML report to ``out``.

    Raises:
        SandboxUnavailableError: If this machine has no such sandbox.
        ModuleNotFoundError: If matplotlib or jinja2 is missing; the message names the extra.
    """
    from telos.baselines.swe_report import draw_returns, write_report

    started = time.monotonic()
    console = Console()
    tasks = _choose_tasks(load_tasks("builtin"), task_count, seed)
    episodes = _play_all(tasks, sandbox, seed, jobs)
    rows = summarise(episodes)
    lines = verdict(rows)
    out.mkdir(parents=True, exist_ok=True)
    machine = describe_machine()
    record = {
        "telos": telos.__version__,
        "machine": machine,
        "sandbox": sandbox,
        "seed": seed,
        "tasks": tasks,
        "seconds": time.monotonic() - started,
        "summary": rows,
        "verdict": lines,
        "episodes": [asdict(episode) for episode in episodes],
    }
    (out / "episodes.json").write_text(json.dumps(record, indent=1) + "\n")
    table = _table(rows)
    with (out / "table.txt").open("w") as file:
        Console(file=file, width=120).print(table, *lines, sep="\n")
    draw_returns(rows, out / "returns.png")
    write_report(record, out)
    console.print(table, *lines, sep="\n")
    for name in ("table.txt", "returns.png", "report.html", "episodes.json"):
        console.print(f"{name:14} {(out / name).resolve()}", soft_wrap=True)
