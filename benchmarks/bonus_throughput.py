"""Intrinsic bonuses beside those of RLeXplore (rllte-core), in turns in one process, on the same steps and networks.

First each formula is checked: with the same features or weights both must pay the same to 1e-5. Then a rollout of
random observations is paid for by RLeXplore's modules (`watch` at every step, `compute` at its end) and by our wrappers
around an environment that replays it. E3B and NGU look through one frozen encoder in both; RLeXplore also trains its
own, which is timed apart. RND has the same networks in both; ours trains on a sample of 256 of each step's rows by
default, and, in a second line, on all of them, as RLeXplore does. Ours keeps E3B's matrices in double precision.

    make .venv/bench && .venv/bench/bin/python benchmarks/bonus_throughput.py
"""

from __future__ import annotations

import json
import statistics
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
import tyro
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from rich import box
from rich.console import Console
from rich.table import Table

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import rllte.xplore.reward as peer

import telos
from telos import wrappers
from telos.baselines.machine import describe_machine
from telos.baselines.progress import progress_bar

FEATURES, ACTIONS = 64, 10
ENCODERS: dict[int, Any] = {}


def encode_32(obs: np.ndarray) -> np.ndarray:
    """Features of RLeXplore's encoder with 32 outputs."""
    with torch.no_grad():
        return ENCODERS[32](torch.as_tensor(obs)).numpy()


def encode_128(obs: np.ndarray) -> np.ndarray:
    """Features of RLeXplore's encoder with 128 outputs."""
    with torch.no_grad():
        return ENCODERS[128](torch.as_tensor(obs)).numpy()


class Rollout(VectorEnv[Any, Any, Any]):
    """Replays random observations; episodes end at random, or never."""

    def __init__(self, num_steps: int, num_envs: int, mean_length: float, seed: int) -> None:
        self.num_envs = num_envs
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
        self.single_observation_space = spaces.Box(-np.inf, np.inf, (FEATURES,), np.float32)
        self.observation_space = spaces.Box(-np.inf, np.inf, (num_envs, FEATURES), np.float32)
        self.single_action_space, self.action_space = (
            spaces.Discrete(ACTIONS),
            spaces.MultiDiscrete([ACTIONS] * num_envs),
        )
        rng = np.random.default_rng(seed)
        self.obs = rng.standard_normal((num_steps + 1, num_envs, FEATURES), np.float32)
        self.done = rng.random((num_steps, num_envs)) < 1 / mean_length
        self.actions = rng.integers(ACTIONS, size=(num_steps, num_envs))
        self._nothing, self._never, self._t = np.zeros(num_envs), np.zeros(num_envs, np.bool_), 0

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """Returns the first observations."""
        self._t = 0
        return self.obs[0], {}

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Returns the next ones; where an episode ends they stand for its last and for the next one's first."""
        done = self.done[self._t]
        self._t += 1
        obs = self.obs[self._t]
        infos = {"final_obs": obs, "_final_obs": done} if done.any() else {}
        return obs, self._nothing, done, self._never, infos

    def samples(self) -> dict[str, torch.Tensor]:
        """The rollout as RLeXplore takes it."""
        arrays = {
            "observations": self.obs[:-1],
            "next_observations": self.obs[1:],
            "actions": self.actions,
            "rewards": np.zeros(self.done.shape, np.float32),
            "terminateds": self.done.astype(np.float32),
            "truncateds": np.zeros(self.done.shape, np.float32),
        }
        return {name: torch.as_tensor(values) for name, values in arrays.items()}


def wrapped(name: str, rollout: Rollout, **arguments: Any) -> Callable[[], np.ndarray]:
    """Our wrapper; a call pays for the whole rollout and returns the bonuses, shape ``(T, N)``."""
    envs = getattr(wrappers.vector, name)(rollout, **arguments)

    def pay() -> np.ndarray:
        envs.reset(seed=0)
        return np.array([envs.step(actions)[1] for actions in rollout.actions])

    return pay


def module(name: str, rollout: Rollout, **arguments: Any) -> Any:
    """One of RLeXplore's, without its normalisations, which differ from ours."""
    return getattr(peer, name)(rollout, obs_norm_type="none", rwd_norm_type="none", **arguments)


def watched(made: Any, samples: dict[str, torch.Tensor], learn: bool) -> Callable[[], Any]:
    """RLeXplore's module; a call pays for the whole rollout, and trains on it if it is to learn."""
    names = ("observations", "actions", "rewards", "terminateds", "truncateds", "next_observations")

    def pay() -> Any:
        for step in zip(*(samples[name] for name in names), strict=True):
            made.watch(*step)
        if learn:
            return made.compute(samples)
        if isinstance(made, peer.PseudoCounts):
            # Its rewards are ready; `compute` without learning takes one environment only.
            paid, made.n_eps = made.n_eps, [[] for _ in made.n_eps]
            made.squared_distances.clear()
            return torch.as_tensor(paid).T
        return made.compute(samples, sync=False)

    return pay


def check_formulas() -> dict[str, float]:
    """The largest difference between both, relative to the largest bonus, without ends of episodes."""
    rollout = Rollout(60, 1, np.inf, seed=1)
    samples, arrivals = rollout.samples(), torch.as_tensor(rollout.obs)
    every = samples | {"observations": arrivals, "next_observations": arrivals}
    every |= {name: torch.zeros(len(arrivals), 1) for name in ("actions", "rewards", "terminateds", "truncateds")}
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    e3b = module("E3B", rollout)
    ENCODERS[128] = e3b.encoder
    ours = wrapped("E3B", rollout, features=encode_128, encoder_size=0)()
    # RLeXplore pays for what a step leaves, ours for where it arrives.
    found["E3B"] = ours, e3b.compute(every, sync=False).numpy()[1:]
    counts = module("PseudoCounts", rollout, latent_dim=32)
    ENCODERS[32] = counts.encoder.encoder
    ours = wrapped("NGU", rollout, features=encode_32, encoder_size=0)()
    points = encode_32(rollout.obs[:, 0]).astype(np.float64)
    nearest: list[float] = []
    for t, point in enumerate(points):
        # Algorithm 1's running mean of squared distances; RLeXplore updates its own once a rollout.
        nearest += np.sort(((points[:t] - point) ** 2).sum(axis=1))[:10].tolist()
        counts.dist_rms.mean = torch.tensor([np.mean(nearest) if nearest else 0.0])
        counts.watch(arrivals[t], None, None, torch.zeros(1), torch.zeros(1), None)
    found["NGU"] = ours, np.array([float(paid) for paid in counts.n_eps[0]])[1:, None]
    rnd = module("RND", rollout)
    envs = wrappers.vector.RND(rollout, warmup=0, learning_rate=0.0, normalise=False)
    envs.reset(seed=0)
    ours = np.array([envs.step(actions)[1] for actions in rollout.actions])
    for theirs, mine in (("predictor", "predictor"), ("target", "target")):
        layers = [layer for layer in getattr(rnd, theirs).trunk if hasattr(layer, "weight")]
        weights = [layer for layer in getattr(envs.transform.learner.model, mine) if hasattr(layer, "weight")]
        for layer, own in zip(layers, weights, strict=True):
            layer.load_state_dict(own.state_dict())
    seen = np.array([rollout.obs[1 : t + 2, 0].astype(np.float64) for t in range(60)], object)
    white = [((part[-1] - part.mean(axis=0)) / np.maximum(part.std(axis=0), 1e-8)).clip(-5, 5) for part in seen]
    tensor = torch.as_tensor(np.array(white, np.float32))[:, None]
    found["RND"] = ours, rnd.compute(samples | {"next_observations": tensor}, sync=False).numpy()
    return {name: float(np.abs(a - b).max() / np.abs(b).max()) for name, (a, b) in found.items()}


def contenders(num_steps: int, num_envs: int) -> dict[str, dict[str, Callable[[], Any]]]:
    """For each bonus who pays for a rollout."""
    rollout = Rollout(num_steps, num_envs, 100.0, seed=2)
    samples = rollout.samples()
    every: dict[str, dict[str, Callable[[], Any]]] = {}
    for bonus, theirs, size in (("E3B", "E3B", 128), ("E3B", "E3B", 32), ("NGU", "PseudoCounts", 32)):
        plain, learning = (module(theirs, rollout, latent_dim=size) for _ in range(2))
        ENCODERS[size] = plain.encoder.encoder if bonus == "NGU" else plain.encoder
        features = encode_32 if size == 32 else encode_128
        every[f"{bonus}, {size} features"] = {
            "RLeXplore, learning": watched(learning, samples, learn=True),
            "RLeXplore": watched(plain, samples, learn=False),
            "Telos": wrapped(bonus, rollout, features=features, encoder_size=0),
        }
    every["RND"] = {
        "RLeXplore, learning": watched(module("RND", rollout), samples, learn=True),
        "Telos, learning": wrapped("RND", rollout, warmup=0),
        "Telos, learning from all": wrapped("RND", rollout, warmup=0, batch_size=num_envs),
    }
    return every


def main(
    sizes: tuple[int, ...] = (256, 4_096),
    num_steps: int = 32,
    rounds: int = 5,
    threads: int = 1,
    out: Path = Path("benchmarks/results/bonus_throughput.json"),
) -> None:
    """Checks, measures, prints the table and writes the JSON.

    Args:
        sizes: Numbers of environments.
        num_steps: Steps of a rollout.
        rounds: How often each contender has its turn.
        threads: PyTorch's.
        out: The JSON file.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    gym.logger.min_level = gym.logger.ERROR
    differences = check_formulas()
    console = Console()
    console.print("largest difference of the formulas:", {name: f"{value:.1e}" for name, value in differences.items()})
    table = Table("bonus", "environments", "contender", "steps/s", "ratio", box=box.SIMPLE)
    rates: dict[str, dict[str, list[float]]] = {}
    with progress_bar("bonuses") as bar:
        for at, num_envs in enumerate(sizes):
            every = contenders(num_steps, num_envs)
            for number in range(rounds + 1):
                for bonus, payers in every.items():
                    for name, pay in payers.items():
                        started = time.perf_counter()
                        pay()
                        rate = num_steps * num_envs / (time.perf_counter() - started)
                        # The first round is for caches.
                        if number:
                            rates.setdefault(f"{bonus}, {num_envs}", {}).setdefault(name, []).append(rate)
                bar.update(f"{num_envs} environments", (at + (number + 1) / (rounds + 1)) / len(sizes))
            for bonus in every:
                medians = {name: statistics.median(rs) for name, rs in rates[f"{bonus}, {num_envs}"].items()}
                for name, median in medians.items():
                    ratio = median / medians["RLeXplore, learning"]
                    table.add_row(bonus, str(num_envs), name, f"{median:,.0f}", f"{ratio:.1f}")
    table.title = f"environment-steps paid for a second, medians of {rounds} rounds in turns, {threads} thread(s)"
    console.print(table)
    record = {"telos": telos.__version__, "rllte-core": version("rllte-core"), "machine": describe_machine()}
    record |= {"seed": 0, "threads": threads, "num_steps": num_steps, "differences": differences, "rates": rates}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record, indent=1) + "\n")
    console.print(f"written to {out}")


if __name__ == "__main__":
    tyro.cli(main)
