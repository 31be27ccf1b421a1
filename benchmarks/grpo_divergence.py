"""What group-relative learning does to the number of solutions that a policy knows, and what a divergence keeps of it.

A contextual bandit: each of 150 questions has 1 to 3 right answers among 24, and questions look alike, so that what is
learned of one changes the others. The first policy is fitted to right answers, and stopped early. Learning raises the
probability that one answer is right (pass@1) and can lower that of 16 (pass@16). DPH-RL (arXiv 2509.07430) rehearses
questions that the first policy mastered, by a divergence that covers what it did. Exact probabilities, no sampling.

    python benchmarks/grpo_divergence.py

The bandit and all its numbers are ours.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
import tyro
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

import telos
from telos.baselines.group_episodes import make_group_envs
from telos.baselines.grpo import GRPO
from telos.baselines.grpo_args import Args
from telos.baselines.machine import describe_machine
from telos.baselines.progress import progress_bar
from telos.baselines.stats import bootstrap_mean

QUESTIONS, ANSWERS, FEATURES, MOST_RIGHT = 150, 24, 24, 3
NOISE = 3.0
"""How much questions with the same right answers differ."""
FIT_STEPS, FIT_RATE = 300, 3e-3
"""Of the first policy."""
HIDDEN, RATE = 4, 3e-3
"""So few units that answers compete, and the step size of learning."""

Chosen = dict[str, Any]
SETTINGS: dict[str, Chosen] = {
    "GRPO": {},
    "GRPO, KL 0.03": {"kl_weight": 0.03},
    "GRPO, KL 0.1": {"kl_weight": 0.1},
    "GRPO, KL 0.3": {"kl_weight": 0.3},
}
for _threshold in (0.5, 0.25):
    SETTINGS[f"not explored ({_threshold:g})"] = {
        "divergence": "forward-kl",
        "divergence_weight": 0.0,
        "pef_threshold": _threshold,
    }
    for _kind in ("forward-kl", "js", "alpha", "reverse-kl"):
        for _weight in (0.3, 1.0):
            SETTINGS[f"{_kind} {_weight:g} ({_threshold:g})"] = {
                "divergence": _kind,
                "divergence_weight": _weight,
                "pef_threshold": _threshold,
            }
"""Name to arguments; in brackets the share of successes from which on a question is rehearsed."""


class Questions:
    """One question a number.

    Attributes:
        features: What is seen of each, float32 ``(QUESTIONS, FEATURES)``.
        right: Bool ``(QUESTIONS, ANSWERS)``.
    """

    def __init__(self, seed: int, numbers: NDArray[np.int64]) -> None:
        rng = np.random.default_rng([seed, 0])
        directions = rng.normal(size=(ANSWERS, FEATURES)) / np.sqrt(FEATURES)
        self.right = np.zeros((len(numbers), ANSWERS), np.bool_)
        self.features = np.zeros((len(numbers), FEATURES), np.float32)
        for k, number in enumerate(numbers.tolist()):
            rng = np.random.default_rng([seed, 1, number])
            self.right[k, rng.choice(ANSWERS, rng.integers(1, MOST_RIGHT + 1), replace=False)] = True
            self.features[k] = self.right[k] @ directions + NOISE * rng.normal(size=FEATURES) / np.sqrt(FEATURES)


class BanditVectorEnv(VectorEnv[Any, Any, Any]):
    """Asks the question whose number is the seed; an episode is one answer."""

    def __init__(
        self, num_envs: int, seed: int, autoreset_mode: str = "Disabled", max_episode_steps: int | None = None
    ) -> None:
        self.num_envs, self._seed, self._known = num_envs, seed, dict[int, Questions]()
        self.metadata = {"autoreset_mode": AutoresetMode(autoreset_mode)}
        self.single_observation_space = spaces.Box(-np.inf, np.inf, (FEATURES,))
        self.single_action_space = spaces.Discrete(ANSWERS)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Asks; needs a seed for each environment."""
        for number in set(seed) - self._known.keys():
            self._known[number] = Questions(self._seed, np.array([number]))
        self._seen = np.concatenate([self._known[number].features for number in seed])
        self._right = np.concatenate([self._known[number].right for number in seed])
        return self._seen, {}

    def step(self, actions: NDArray[np.int64]) -> tuple[Any, ...]:
        """Pays 1 for a right answer."""
        over = np.ones(self.num_envs, np.bool_)
        rewards = self._right[np.arange(self.num_envs), actions].astype(np.float64)
        return self._seen, rewards, over, ~over, {}


gym.register("telos-benchmarks/Bandit-v0", vector_entry_point=BanditVectorEnv)  # type: ignore[arg-type]


def fit(policy: torch.nn.Module, questions: Questions) -> None:
    """Fits the policy to right answers, a few steps."""
    features = torch.as_tensor(questions.features)
    wanted = torch.as_tensor(questions.right / questions.right.sum(axis=1, keepdims=True), dtype=torch.float32)
    optimiser = torch.optim.Adam(policy.parameters(), FIT_RATE)
    for _ in range(FIT_STEPS):
        loss = -(wanted * policy(features)[0].log_softmax(dim=1)).sum(dim=1).mean()
        # The learner keeps views of the gradients.
        optimiser.zero_grad(set_to_none=False)
        loss.backward()
        optimiser.step()


@torch.no_grad()
def solved(policy: torch.nn.Module, questions: Questions) -> dict[str, float]:
    """The exact probability that one of k answers is right, mean over questions."""
    odds = policy(torch.as_tensor(questions.features))[0].double().softmax(dim=1).numpy()
    right = (odds * questions.right).sum(axis=1)
    return {f"pass@{k}": float((1.0 - (1.0 - right) ** k).mean()) for k in (1, 16)}


def learn(seed: int, updates: int, chosen: Chosen) -> dict[str, float]:
    """Learns from the fitted policy; returns what it solves, and the share of questions that are rehearsed."""
    args = Args(
        "telos-benchmarks/Bandit-v0", num_envs=256, group_size=8, num_minibatches=1, update_epochs=2, seed=seed,
        device="cpu", starts=QUESTIONS, learning_rate=RATE, hidden=HIDDEN, **chosen,
    )  # fmt: skip
    learner = GRPO(args, make_group_envs(args.env, {"seed": seed}, args.num_envs, 1))
    questions = Questions(seed, learner.starts)
    fit(learner.policy, questions)
    found = {f"first {name}": value for name, value in solved(learner.policy, questions).items()}
    for _ in range(updates):
        _, metrics = learner.step(args.learning_rate)
        if "group/mastered" in metrics:
            found["mastered"] = metrics["group/mastered"]
    return found | solved(learner.policy, questions)


def draw(record: dict[str, Any], path: Path) -> None:
    """pass@16 against pass@1: a line a divergence and set of rehearsed questions, through its weights."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    colours = {"first policy": "black", "GRPO": "#555555", "not explored": "#bbbbbb", "forward-kl": "#227755"}
    colours |= {"js": "#3366bb", "alpha": "#cc7744", "reverse-kl": "#aa3377"}
    lines: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for name, found in record["settings"].items():
        kind = next(kind for kind in colours if name.startswith(kind))
        lines.setdefault((kind, name.partition("(")[2].rstrip(")")), []).append(found)
    figure, axis = plt.subplots(figsize=(8, 5.2), constrained_layout=True)
    for (kind, threshold), points in lines.items():
        one, many = ([point[f"pass@{k}"] for point in points] for k in (1, 16))
        bars = [
            [[each["estimate"] - each["low"] for each in side], [each["high"] - each["estimate"] for each in side]]
            for side in (one, many)
        ]
        axis.errorbar(
            [each["estimate"] for each in one],
            [each["estimate"] for each in many],
            xerr=bars[0],
            yerr=bars[1],
            color=colours[kind],
            marker={"": "s", "0.5": "^", "0.25": "o"}[threshold],
            linestyle="--" if threshold == "0.5" else "-",
            linewidth=1,
            label=f"{kind}, from {threshold} on" if threshold else "GRPO, KL 0 to 0.3" if kind == "GRPO" else kind,
        )
    axis.set(xlabel="pass@1", ylabel="pass@16")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=7, loc="lower left")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def main(
    seeds: int = 5,
    updates: int = 400,
    out: Path = Path("benchmarks/results/grpo_divergence.json"),
    figure: Path = Path("docs/figures/grpo_divergence.png"),
) -> None:
    """Learns, prints the table, and writes the JSON and the figure.

    Args:
        seeds: Independent sets of questions and learners, at least 2.
        updates: Of each learner.
        out: The JSON file.
        figure: The figure.
    """
    started, wall = time.process_time(), time.time()
    record: dict[str, Any] = {"telos": telos.__version__, "machine": describe_machine(), "seeds": seeds}
    record |= {"updates": updates, "settings": {}}
    table = Table("setting", "pass@1", "pass@16", "rehearsed", box=box.SIMPLE)
    with progress_bar("divergences") as bar:
        for number, (name, chosen) in enumerate(SETTINGS.items()):
            runs = [learn(seed, updates, chosen) for seed in range(seeds)]
            rows = {name: ""} if number else {"first policy": "first ", name: ""}
            for row, prefix in rows.items():
                found = {key: bootstrap_mean([run[prefix + key] for run in runs]) for key in ("pass@1", "pass@16")}
                record["settings"][row] = {key: asdict(interval) for key, interval in found.items()}
                shares = [run["mastered"] for run in runs if "mastered" in run]
                if shares:
                    record["settings"][row]["rehearsed"] = float(np.mean(shares))
                table.add_row(row, *(f"{each}" for each in found.values()), f"{np.mean(shares):.0%}" if shares else "")
            bar.update(name, (number + 1) / len(SETTINGS))
    record |= {"cpu_s": time.process_time() - started, "wall_s": time.time() - wall}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record, indent=1) + "\n")
    draw(record, figure)
    console = Console()
    console.print(table)
    console.print(f"written to {out} and {figure}")


if __name__ == "__main__":
    tyro.cli(main)
