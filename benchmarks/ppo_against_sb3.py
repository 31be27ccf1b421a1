"""Telos's PPO beside Stable-Baselines3's: steps a second, and what is learned from equally many steps.

Speed: both learn in turns in one process, on the same native vector environment (Stable-Baselines3 through
``telos.baselines.sb3``), with equal networks, environments, steps, minibatches and epochs. Stable-Baselines3 has one
thread and then all; the ratio is to the quicker of these. Its own default, one environment after the other in a
``DummyVecEnv``, is a row of its own. Logs, evaluations and checkpoints are not part of it.

Curves: equal settings and equal environment steps, returns of whole episodes on seeds that no learner saw, played by
the same code for all. Once with Telos's settings (without annealing, which ``telos train sb3-ppo`` does not offer), and
once with those that CleanRL publishes for its ``ppo.py``. CleanRL itself cannot run here: the versions on PyPI that
have the script need Python below 3.11. Not equal by design: Telos normalises advantages over the rollout, the other
over minibatches; Telos does not clip values.

    make .venv/bench && .venv/bench/bin/python benchmarks/ppo_against_sb3.py --part speed
    .venv/bench/bin/python benchmarks/ppo_against_sb3.py --part curves   # goes on with the runs that are missing
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import as_completed
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import gymnasium as gym
import minigrid  # noqa: F401 - registers its environments
import numpy as np
import torch
import tyro
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorWrapper
from gymnasium.wrappers import FlattenObservation, TransformAction, TransformObservation
from minigrid.wrappers import ImgObsWrapper
from rich import box
from rich.console import Console
from rich.table import Table
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import Logger
from workers import worker_processes

import telos
from telos.baselines import ppo, sb3_runs
from telos.baselines.machine import describe_machine
from telos.baselines.progress import progress_bar
from telos.baselines.sb3 import SB3VecEnv
from telos.baselines.stats import Interval, bootstrap_interval
from telos.baselines.training_envs import make_envs, make_training_envs

MINIGRID = "benchmark/MiniGrid-Empty-8x8-v0"
NUM_STEPS, EPOCHS, HIDDEN = 128, 4, 64
PROJECTED = {"invalid": "project"}
FAMILIES: dict[str, dict[str, Any]] = {
    "CartPole-v1": {},
    "LoiterChain-v0": {},
    "DeepSea-v0": {},
    "RestlessBandit-v0": PROJECTED,
    "CoRMABCapacity-v0": PROJECTED,
}
TASKS = {"CartPole-v1": 100_000, "Acrobot-v1": 100_000, MINIGRID: 100_000}
EVALUATIONS, EPISODES = 8, 30


def make_minigrid(**kwargs: Any) -> gym.Env[Any, Any]:
    """MiniGrid's view of 7 x 7 cells as 147 numbers in [0, 1]: networks for images need larger ones."""
    env = FlattenObservation(ImgObsWrapper(gym.make("MiniGrid-Empty-8x8-v0", **kwargs)))
    space = spaces.Box(0.0, 1.0, (147,), np.float32)
    return TransformObservation(env, lambda cells: cells.astype(np.float32) / 10.0, space)


gym.register(MINIGRID, make_minigrid)


@dataclass(frozen=True)
class Settings:
    """Hyperparameters of both libraries."""

    num_envs: int = 16
    num_minibatches: int = 16
    learning_rate: float = 1e-3

    @property
    def sb3(self) -> dict[str, Any]:
        """These and the rest of Telos's defaults, as Stable-Baselines3 names them."""
        return {
            "n_steps": NUM_STEPS,
            "batch_size": self.num_envs * NUM_STEPS // self.num_minibatches,
            "n_epochs": EPOCHS,
            "learning_rate": self.learning_rate,
            "ent_coef": 0.01,
            "policy_kwargs": {"net_arch": [HIDDEN, HIDDEN]},
        }

    @property
    def telos(self) -> dict[str, Any]:
        """The same as Telos names them; the rest are defaults."""
        same = {"num_steps": NUM_STEPS, "update_epochs": EPOCHS, "hidden": HIDDEN, "anneal_lr": False}
        return {**asdict(self), **same, "device": "cpu"}


OURS, CLEANRL = Settings(), Settings(num_envs=4, num_minibatches=4, learning_rate=2.5e-4)
CONTENDERS = {
    "Telos": ("ppo", OURS),
    "Stable-Baselines3": ("sb3-ppo", OURS),
    "Telos, CleanRL's settings": ("ppo", CLEANRL),
    "Stable-Baselines3, CleanRL's settings": ("sb3-ppo", CLEANRL),
}
DRAWN = dict(zip(CONTENDERS, (("tab:blue", "-"), ("tab:red", "-"), ("tab:blue", "--"), ("tab:red", "--")), strict=True))


class AsSameStep(VectorWrapper[Any, Any, Any, Any, Any]):
    """Calls a next-step environment a same-step one; the learner takes steps that only reset for real ones.

    For timing: what Stable-Baselines3 would learn from it is another question.
    """

    def __init__(self, envs: Any) -> None:
        super().__init__(envs)
        self.metadata = {**envs.metadata, "autoreset_mode": AutoresetMode.SAME_STEP}

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Takes a step, whose observations are final where episodes end."""
        observations, rewards, terminated, truncated, infos = super().step(actions)
        return observations, rewards, terminated, truncated, {**infos, "final_obs": observations}


def _with_whole_bits(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    """Stable-Baselines3 samples binary actions as floats."""
    return TransformAction(env, lambda bits: bits.astype(np.int8), env.action_space)


def learner(env_id: str, settings: Settings, threads: int) -> Callable[[int], None]:
    """Telos: a call takes so many updates."""
    args = ppo.Args(env=env_id, **settings.telos)
    made = ppo.PPO(args, make_training_envs(env_id, FAMILIES[env_id], args.num_envs))
    made.begin()

    def update(times: int) -> None:
        torch.set_num_threads(threads)
        for _ in range(times):
            made.step(args.learning_rate)
            made.training.episode_metrics()

    return update


def sb3_learner(env_id: str, settings: Settings, threads: int, native: bool = True) -> Callable[[int], None]:
    """Stable-Baselines3: a call takes so many updates."""
    n = settings.num_envs
    if native:
        envs = make_envs(env_id, FAMILIES[env_id], n)
        same_step = envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
        vec_env: Any = SB3VecEnv(envs if same_step else AsSameStep(envs))
    else:
        binary = isinstance(gym.make(env_id, **FAMILIES[env_id]).action_space, spaces.MultiBinary)
        kwargs = {**FAMILIES[env_id], "render_mode": None}
        vec_env = make_vec_env(env_id, n, env_kwargs=kwargs, wrapper_class=_with_whole_bits if binary else None)
    model = PPO("MlpPolicy", vec_env, seed=1, device="cpu", **settings.sb3)
    model.set_logger(Logger(folder=None, output_formats=[]))

    def update(times: int) -> None:
        torch.set_num_threads(threads)
        model.learn(times * n * NUM_STEPS, log_interval=None, reset_num_timesteps=False)

    return update


def measure(sizes: tuple[int, ...], rounds: int, seconds: float) -> list[dict[str, Any]]:
    """Steps a second of all contenders, each in turn, on every environment at every setting."""
    cores, rows = len(os.sched_getaffinity(0)), []
    cases = [(env, n, pieces) for env in FAMILIES for n in sizes for pieces in (16, 4)]
    with progress_bar("speed") as bar:
        for at, (env_id, n, pieces) in enumerate(cases):
            bar.update(f"{env_id}, {n} environments", at / len(cases))
            settings = Settings(n, pieces)
            made = {
                "Telos": learner(env_id, settings, 1),
                f"Telos, {cores} threads": learner(env_id, settings, cores),
                "Stable-Baselines3, 1 thread": sb3_learner(env_id, settings, 1),
                f"Stable-Baselines3, {cores} threads": sb3_learner(env_id, settings, cores),
                "Stable-Baselines3, DummyVecEnv": sb3_learner(env_id, settings, 1, native=False),
            }
            turns = {name: _turn(update, seconds) for name, update in made.items()}
            wall: dict[str, list[float]] = {name: [] for name in made}
            cpu: dict[str, list[float]] = {name: [] for name in made}
            for _ in range(rounds):
                for name, update in made.items():
                    started, busy = time.perf_counter(), time.process_time()
                    update(turns[name])
                    steps = turns[name] * n * NUM_STEPS
                    wall[name].append(steps / (time.perf_counter() - started))
                    cpu[name].append(steps / (time.process_time() - busy))
            rows.append({"env": env_id, **asdict(settings), "steps_per_s": wall, "steps_per_cpu_s": cpu})
    return rows


def _turn(update: Callable[[int], None], seconds: float) -> int:
    """How many updates take about so long; also fills caches."""
    update(2)
    started = time.perf_counter()
    update(2)
    return max(1, round(2 * seconds / (time.perf_counter() - started)))


def ratio_of(rates: dict[str, list[float]]) -> float:
    """Telos's median to that of Stable-Baselines3 on the same environment, at the quicker number of threads."""
    medians = {name: statistics.median(found) for name, found in rates.items()}
    native = [
        rate for name, rate in medians.items() if name.startswith("Stable") and name.endswith(("thread", "threads"))
    ]
    return medians["Telos"] / max(native)


def print_speed(rows: list[dict[str, Any]], console: Console) -> None:
    names = list(rows[0]["steps_per_s"])
    table = Table("environment", "envs", "minibatches", *names, "ratio", "of CPU time", box=box.SIMPLE)
    table.title = "environment steps a second, medians; ratio to the quicker Stable-Baselines3 on the same environment"
    for row in rows:
        rates = [f"{statistics.median(row['steps_per_s'][name]):,.0f}" for name in names]
        ratios = (f"{ratio_of(row[kind]):.2f}" for kind in ("steps_per_s", "steps_per_cpu_s"))
        table.add_row(row["env"], str(row["num_envs"]), str(row["num_minibatches"]), *rates, *ratios)
    console.print(table)


def train(name: str, env_id: str, seed: int, steps: int, folder: Path) -> tuple[str, str, int, list[list[float]]]:
    """Trains one contender, unless it has been, and returns steps and mean returns of its evaluations."""
    torch.set_num_threads(1)
    gym.logger.min_level = gym.logger.ERROR
    algorithm, settings = CONTENDERS[name]
    label = f"{name} {steps}"
    common: dict[str, Any] = {
        "env": env_id, "total_steps": steps, "seed": seed, "out": folder, "resume": "auto", "label": label,
        "eval_every": steps // EVALUATIONS, "eval_episodes": EPISODES, "tensorboard": False,
    }  # fmt: skip
    if algorithm == "ppo":
        run = ppo.train(ppo.Args(**common, **settings.telos))
    else:
        given = tuple(f"{key}={json.dumps(value)}" for key, value in settings.sb3.items())
        args = sb3_runs.Args(**common, num_envs=settings.num_envs, algorithm_arg=given, device="cpu")
        run = sb3_runs.train(algorithm, args)
    lines = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    return name, env_id, seed, [[line["step"], line["eval/return"]] for line in lines if "eval/return" in line]


def learn(seeds: tuple[int, ...], scale: float, folder: Path, workers: int) -> list[dict[str, Any]]:
    """Curves of all contenders on all tasks; runs that are finished are read."""
    jobs = [
        (n, env, seed, int(steps * scale), folder) for env, steps in TASKS.items() for n in CONTENDERS for seed in seeds
    ]
    curves: dict[tuple[str, str], dict[int, list[list[float]]]] = {}
    with (
        progress_bar("curves") as bar,
        worker_processes(workers) as pool,
    ):
        for done, future in enumerate(as_completed([pool.submit(train, *job) for job in jobs])):
            name, env_id, seed, curve = future.result()
            curves.setdefault((env_id, name), {})[seed] = curve
            bar.update(f"{env_id}, {name}, seed {seed}", (done + 1) / len(jobs))
    rows = []
    for (env_id, name), by_seed in sorted(curves.items()):
        ordered = [by_seed[seed] for seed in seeds]
        at = [int(step) for step, _ in ordered[0]]
        returns = np.array([[worth for _, worth in curve] for curve in ordered])
        bands = [asdict(bootstrap_interval(column)) for column in returns.T]
        rows.append({"env": env_id, "contender": name, "steps": at, "returns": returns.tolist(), "iqm": bands})
    return rows


def print_curves(rows: list[dict[str, Any]], console: Console) -> None:
    table = Table("environment", "steps", "contender", "return at the end", "mean over the run", box=box.SIMPLE)
    table.title = "interquartile means over seeds with 95 % intervals, on held-out seeds"
    for row in rows:
        over = bootstrap_interval(np.mean(row["returns"], axis=1))
        last = Interval(**row["iqm"][-1])
        table.add_row(row["env"], f"{row['steps'][-1]:,}", row["contender"], f"{last:.2f}", f"{over:.2f}")
    console.print(table)


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(TASKS), figsize=(13, 4.2), constrained_layout=True)
    for axis, env_id in zip(axes, TASKS, strict=True):
        for row in (row for row in rows if row["env"] == env_id):
            colour, style = DRAWN[row["contender"]]
            steps, bands = np.array(row["steps"]) / 1000, row["iqm"]
            axis.plot(
                steps, [band["estimate"] for band in bands], color=colour, linestyle=style, label=row["contender"]
            )
            low, high = ([band[end] for band in bands] for end in ("low", "high"))
            axis.fill_between(steps, low, high, color=colour, alpha=0.15, linewidth=0)
        axis.set(title=env_id.removeprefix("benchmark/"), xlabel="thousand environment steps")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("return on held-out seeds")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def main(
    part: Literal["speed", "curves", "all"] = "all",
    sizes: tuple[int, ...] = (16, 64),
    rounds: int = 5,
    seconds: float = 0.5,
    seeds: tuple[int, ...] = (101, 102, 103, 104, 105),
    scale: float = 1.0,
    workers: int = 2,
    runs: Path = Path("runs/ppo_against_sb3"),
    out: Path = Path("benchmarks/results/ppo_against_sb3.json"),
    figure: Path = Path("docs/figures/ppo_against_sb3.png"),
) -> None:
    """Measures, prints the tables, and writes its part of the JSON, and the figure.

    Args:
        part: What to do.
        sizes: Numbers of environments whose speed is measured.
        rounds: How often each contender has its turn.
        seconds: About how long a turn takes.
        seeds: Of the runs; none of them was used to choose settings.
        scale: Share of the steps of the curves.
        workers: Runs at a time, each with one thread.
        runs: Folder of the runs.
        out: The JSON file.
        figure: The figure.
    """
    gym.logger.min_level = gym.logger.ERROR
    console = Console(width=180)
    record = json.loads(out.read_text()) if out.exists() else {}
    for name in ("speed", "curves") if part == "all" else (part,):
        versions = {package: version(package) for package in ("stable-baselines3", "minigrid")}
        found: dict[str, Any] = {"telos": telos.__version__, **versions, "machine": describe_machine()}
        started = time.perf_counter()
        if name == "speed":
            common = {"num_steps": NUM_STEPS, "epochs": EPOCHS, "hidden": HIDDEN, "seed": 1}
            found |= {"rounds": rounds, **common, "rows": measure(sizes, rounds, seconds)}
            print_speed(found["rows"], console)
        else:
            found |= {"seeds": seeds, "episodes": EPISODES, "rows": learn(seeds, scale, runs, workers)}
            print_curves(found["rows"], console)
            draw(found["rows"], figure)
        record[name] = found | {"wall_s": time.perf_counter() - started}
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(record, indent=1) + "\n")
    console.print(f"written to {out}")


if __name__ == "__main__":
    tyro.cli(main)
