"""What a stack of five causal reward transforms adds to a step, in turns with the bare environment in one process.

Two stub environments with three reward terms: a batch whose observations have the size of a recommender simulator's,
and a single environment that does next to nothing, so that its overhead is all there is to see.

    python benchmarks/wrapper_overhead.py
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import tyro
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from rich import box
from rich.console import Console
from rich.table import Table

import telos
from telos import wrappers
from telos.baselines.machine import describe_machine
from telos.baselines.progress import progress_bar

TERMS = ("engagement", "diversity", "retention")


class StubVectorEnv(VectorEnv[Any, Any, Any]):
    """Draws observations and three reward terms for every environment; episodes end at random, or never."""

    def __init__(self, num_envs: int, features: int, mean_length: float) -> None:
        self.num_envs = num_envs
        self.metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}
        self.single_observation_space = spaces.Box(-np.inf, np.inf, (features,), np.float32)
        self.observation_space = spaces.Box(-np.inf, np.inf, (num_envs, features), np.float32)
        self.single_action_space = spaces.Discrete(10)
        self.action_space = spaces.MultiDiscrete([10] * num_envs)
        self._rng = np.random.default_rng(0)
        self._shape, self._end = (num_envs, features), 1 / mean_length
        self._done = np.zeros(num_envs, np.bool_)

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """Draws the first observations."""
        return self._rng.standard_normal(self._shape, np.float32), {}

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Draws the next ones, and the terms of the environments that are not being reset."""
        obs = self._rng.standard_normal(self._shape, np.float32)
        active = ~self._done
        drawn = self._rng.random((len(TERMS), self.num_envs)) * active
        terms: dict[str, Any] = {}
        for name, values in zip(TERMS, drawn, strict=True):
            terms |= {name: values, f"_{name}": active}
        self._done = (self._rng.random(self.num_envs) < self._end) & active
        infos = {"reward_terms": terms, "_reward_terms": active}
        return obs, drawn[0] + drawn[1] + drawn[2], self._done, np.zeros(self.num_envs, np.bool_), infos


class StubEnv(gym.Env[Any, Any]):
    """Pays the same three terms in every step."""

    observation_space = spaces.Box(-1, 1, (64,), np.float32)
    action_space = spaces.Discrete(10)

    def __init__(self) -> None:
        self._obs = np.zeros(64, np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """Returns zeros."""
        return self._obs, {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Returns zeros and the terms."""
        return self._obs, 0.75, False, False, {"reward_terms": dict(zip(TERMS, (0.25, 0.5, 0.0), strict=True))}


def stack(env: Any, face: Callable[..., Any], depth: int) -> Any:
    """The environment under ``depth`` wrappers, reset."""
    for _ in range(depth):
        env = face(env, weights={"diversity": 0.5})
    env.reset(seed=0)
    return env


def microseconds(env: Any, action: Any, calls: int) -> tuple[float, float]:
    """Wall and processor time of one step."""
    step, wall, cpu = env.step, time.perf_counter(), time.process_time()
    for _ in range(calls):
        step(action)
    return (time.perf_counter() - wall) / calls * 1e6, (time.process_time() - cpu) / calls * 1e6


def main(
    num_envs: int = 4_096,
    features: int = 64,
    depth: int = 5,
    rounds: int = 41,
    out: Path = Path("benchmarks/results/wrapper_overhead.json"),
) -> None:
    """Measures and writes the table and the JSON.

    Args:
        num_envs: Environments of the batch.
        features: Numbers in each observation.
        depth: Wrappers in the stack, ``AccumulatedReward`` with a weight each.
        rounds: How often each contender has its turn.
        out: The JSON file.
    """
    vector, actions = wrappers.vector.AccumulatedReward, np.zeros(num_envs, np.int64)
    cases: dict[str, tuple[Callable[[int], Any], Any, int]] = {
        f"{num_envs} environments, 1 % of episodes end": (
            lambda depth: stack(StubVectorEnv(num_envs, features, 100.0), vector, depth),
            actions,
            20,
        ),
        f"{num_envs} environments, no episode ends": (
            lambda depth: stack(StubVectorEnv(num_envs, features, np.inf), vector, depth),
            actions,
            20,
        ),
        "one environment": (lambda depth: stack(StubEnv(), wrappers.AccumulatedReward, depth), 0, 2_000),
    }
    table = Table("case", "bare, us", "wrapped, us", "added, us", "added, %", "of CPU time", box=box.SIMPLE)
    results: dict[str, Any] = {}
    with progress_bar("overhead") as bar:
        for number, (case, (make, action, calls)) in enumerate(cases.items()):
            contenders = {name: make(size) for name, size in (("bare", 0), ("wrapped", depth))}
            times: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
            for round_number in range(rounds):
                for name, env in contenders.items():
                    times[name].append(microseconds(env, action, calls))
                bar.update(case, (number + (round_number + 1) / rounds) / len(cases))
            result: dict[str, Any] = {}
            for clock, kind in enumerate(("wall", "cpu")):
                bare, wrapped = ([each[clock] for each in times[name]] for name in ("bare", "wrapped"))
                added = statistics.median(b - a for a, b in zip(bare, wrapped, strict=True))
                result[f"{kind}_us"] = {
                    "bare": statistics.median(bare),
                    "wrapped": statistics.median(wrapped),
                    "added": added,
                    "added_share": added / statistics.median(bare),
                    "all": {"bare": bare, "wrapped": wrapped},
                }
            wall, cpu = result["wall_us"], result["cpu_us"]
            row = [f"{wall[key]:.1f}" for key in ("bare", "wrapped", "added")]
            table.add_row(case, *row, f"{100 * wall['added_share']:.1f}", f"{100 * cpu['added_share']:.1f}")
            results[case] = result
    console = Console()
    table.title = f"{depth} causal transforms, {len(TERMS)} terms; medians of {rounds} rounds in turns"
    console.print(table)
    record = {"telos": telos.__version__, "machine": describe_machine(), "depth": depth, "features": features}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record | {"seed": 0, "results": results}, indent=1) + "\n")
    console.print(f"written to {out}")


if __name__ == "__main__":
    tyro.cli(main)
