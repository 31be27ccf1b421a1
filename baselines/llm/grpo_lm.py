"""GRPO of a local language model that plays whole episodes of text (DeepSeekMath, 2024), such as those of SWEDocker-v0.

    telos train swe-llm --model Qwen/Qwen2.5-Coder-0.5B-Instruct --wrap gated --lora-rank 16 --env-arg sandbox=docker

``docs/swe_llm.md`` says what is learned from, and explains every metric.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray
from torch import Tensor

from telos.baselines.checkpoints import Checkpoint, load_model
from telos.baselines.evaluation import Evaluation, Policy
from telos.baselines.group_episodes import make_group_envs
from telos.baselines.group_losses import clipped_surrogate, group_advantages, kl_estimate, ratio_metrics
from telos.baselines.input_errors import InputError, bad_input
from telos.baselines.llm.causal_lm import CausalLM
from telos.baselines.llm.conversations import TokenSequence
from telos.baselines.llm.grpo_lm_args import Args
from telos.baselines.llm.prompts import prompts_for
from telos.baselines.llm.speaking import LMEpisode, LMPolicy, Speaker, play_episodes, seeded
from telos.baselines.run import Run, command
from telos.baselines.stats import pass_at_k
from telos.baselines.training_envs import EVALUATION_SEED, TrainingEnvs, load_envs, make_envs, save_envs

__all__ = ["Args", "LMLearner", "load_policy", "main", "train"]

_T = TypeVar("_T")


@dataclass
class _Row:
    """What is learned from: a sequence, and what belongs to the tokens that the model wrote in it."""

    sequence: TokenSequence
    advantage: float
    weight: float
    log_probs: Tensor
    reference: Tensor | None = None


class LMLearner:
    """The learner: environments, model, optimiser, and all that must be saved.

    Args:
        args: The arguments.
        envs: The training environments, of one environment each.
        threads: Step them; one thread each at least.

    Attributes:
        lm: What learns.
        speaker: What speaks with it in the environments.
        envs: As given, or as loaded.
    """

    def __init__(self, args: Args, envs: list[TrainingEnvs], threads: ThreadPoolExecutor) -> None:
        self.args, self.envs, self._threads = args, envs, threads
        self.lm = _load_lm(args, args.torch_device)
        self.speaker = _speaker(args, self.lm, envs[0])
        if args.kl_weight:
            # Before a checkpoint is loaded: also where a run goes on, the reference is the model at its very start.
            self.lm.keep_reference()
        self._optimiser = torch.optim.AdamW(self.lm.learned.values(), weight_decay=0.0)
        self._updates = 0
        self._starts: NDArray[np.int64] = np.random.default_rng([args.seed, 0]).choice(
            EVALUATION_SEED, args.starts, replace=False
        )

    def step(self, learning_rate: float) -> tuple[int, dict[str, float]]:
        """Plays groups and learns from them; returns the environment steps that this took, and what to log."""
        began, args = time.perf_counter(), self.args
        rng = np.random.default_rng([args.seed, 1, self._updates])
        with seeded(np.random.SeedSequence([args.seed, 2, self._updates])):
            episodes, seconds = self._play(self._seeds(rng).repeat(args.group_size), greedy=False)
        played = time.perf_counter()
        advantages, metrics = self._judge(episodes)
        rows = self._rows(episodes, advantages)
        if rows:
            metrics |= self._update(rows, learning_rate, rng)
        self._updates += 1
        times = {"env": seconds, "infer": played - began - seconds, "update": time.perf_counter() - played}
        steps = sum(int(episode.raw["length"]) for episode in episodes)
        return steps, _means(episodes) | metrics | {f"time/{name}": value for name, value in times.items()}

    def evaluate(self, _: Policy, episodes: int) -> Evaluation:
        """Plays episodes that training never sees, below the reward wrappers; no episode runs there between updates."""
        inner = [cast("VectorEnv[Any, Any, Any]", training.raw) for training in self.envs]
        envs, played = [TrainingEnvs(env, raw.raw, raw.raw) for env, raw in zip(inner, self.envs, strict=True)], []
        with seeded(np.random.SeedSequence([self.args.seed, 3])):
            for seeds in _parts(range(EVALUATION_SEED, EVALUATION_SEED + episodes), len(envs)):
                greedy = self.args.greedy_evaluation
                played += play_episodes(envs[: len(seeds)], self.speaker, seeds, self._threads, greedy)[0]
        return _as_evaluation(played)

    def _seeds(self, rng: np.random.Generator) -> NDArray[np.int64]:
        groups = self.args.num_groups
        if not len(self._starts):
            return rng.integers(EVALUATION_SEED, size=groups)
        return rng.choice(self._starts, groups, replace=groups > len(self._starts))

    def _play(self, seeds: NDArray[np.int64], greedy: bool) -> tuple[list[LMEpisode], float]:
        return play_episodes(self.envs, self.speaker, seeds.tolist(), self._threads, greedy)

    def _judge(self, episodes: list[LMEpisode]) -> tuple[list[float], dict[str, float]]:
        """The advantage of each episode, 0 where it does not count, and what to log of groups."""
        args, shape = self.args, (self.args.num_groups, self.args.group_size)
        returns = torch.tensor([episode.reward for episode in episodes], dtype=torch.float64).view(shape)
        counted = torch.tensor([episode.counted for episode in episodes]).view(shape)
        advantages = group_advantages(returns, counted, args.advantage)
        metrics = {
            "group/zero_advantage": float((advantages == 0.0).all(dim=1).double().mean()),
            "group/return_std": float(returns.std(dim=1, correction=0).mean()),
        }
        if all(args.outcome in episode.raw for episode in episodes):
            outcomes = torch.tensor([episode.raw[args.outcome] for episode in episodes]).view(shape)
            solved = ((outcomes >= args.success) & counted).sum(dim=1).numpy()
            for k in (2**power for power in range(args.group_size.bit_length())):
                metrics[f"charts/pass_at_{k}"] = float(pass_at_k(args.group_size, solved, k).mean())
        return advantages.flatten().tolist(), metrics

    @torch.no_grad()
    def _rows(self, episodes: list[LMEpisode], advantages: list[float]) -> list[_Row]:
        """What to learn from: with a reference every episode that counts, without one those with an advantage.

        The rest would only divide the mean of the losses; that they do not is ours.
        """
        args, rows = self.args, list[_Row]()
        for episode, advantage in zip(episodes, advantages, strict=True):
            if episode.counted and (advantage or args.kl_weight):
                weight = 1.0 if args.average == "token" else 1.0 / episode.written
                rows += [_Row(sequence, advantage, weight, torch.empty(0)) for sequence in episode.sequences]
        for part in _parts(rows, args.micro_batch):
            sequences = [row.sequence for row in part]
            sizes = [sum(sequence.written) for sequence in sequences]
            for row, log_probs in zip(part, torch.split(self.lm.token_logs(sequences)[0], sizes), strict=True):
                row.log_probs = log_probs
            if args.kl_weight:
                for row, reference in zip(part, torch.split(self.lm.reference_logs(sequences), sizes), strict=True):
                    row.reference = reference
        return rows

    def _update(self, rows: list[_Row], learning_rate: float, rng: np.random.Generator) -> dict[str, float]:
        """Learns from the sequences."""
        args, names = self.args, ("policy_loss", "entropy", "approx_kl", "clipfrac", "reference_kl")
        logged, taken = torch.zeros(len(names), device=self.lm.device), 0
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate
        for _ in range(args.update_epochs):
            order = rng.permutation(len(rows))
            for index in np.array_split(order, min(args.num_minibatches, len(order))):
                minibatch = [rows[k] for k in index]
                total = sum(row.weight * len(row.log_probs) for row in minibatch)
                self._optimiser.zero_grad()
                for part in _parts(minibatch, args.micro_batch):
                    loss, numbers = self._loss(part, total)
                    loss.backward()  # type: ignore[no-untyped-call]
                    logged = logged + numbers
                torch.nn.utils.clip_grad_norm_(self.lm.learned.values(), args.max_grad_norm)
                self._optimiser.step()
                taken += 1
        used = {"reference_kl": args.kl_weight > 0.0}
        values = zip(names, (logged / taken).tolist(), strict=True)
        return {f"losses/{name}": value for name, value in values if used.get(name, True)}

    def _loss(self, rows: Sequence[_Row], total: float) -> tuple[Tensor, Tensor]:
        """The share of some sequences in the loss of a minibatch with a total weight, and what to log of it."""
        args = self.args
        weights = torch.cat([torch.full_like(row.log_probs, row.weight / total) for row in rows])
        advantages = torch.cat([torch.full_like(row.log_probs, row.advantage) for row in rows])
        log_probs, entropies = self.lm.token_logs([row.sequence for row in rows])
        log_ratios = log_probs - torch.cat([row.log_probs for row in rows])
        policy_loss = (clipped_surrogate(log_ratios, advantages, args.clip_low, args.clip_high) * weights).sum()
        kl, reference = torch.zeros_like(policy_loss), [row.reference for row in rows if row.reference is not None]
        if reference:
            kl = (kl_estimate(log_probs, torch.cat(reference)) * weights).sum()
        moved = ratio_metrics(log_ratios.detach(), weights, args.clip_low, args.clip_high)
        numbers = torch.stack([policy_loss.detach(), (entropies * weights).sum(), *moved, kl.detach()])
        return policy_loss + args.kl_weight * kl, numbers

    def state_dict(self) -> dict[str, Any]:
        """Everything but the model, for a checkpoint."""
        return {
            "optimiser": self._optimiser.state_dict(),
            "updates": self._updates,
            "envs": [save_envs(training) for training in self.envs],
        }

    def load_state_dict(self, checkpoint: Checkpoint) -> None:
        """Goes on from a checkpoint."""
        self.lm.load_state_dict(checkpoint.model)
        self._optimiser.load_state_dict(checkpoint.state["optimiser"])
        self._updates = checkpoint.state["updates"]
        # Between updates no episode runs: only what wrappers have learned goes on.
        saved = checkpoint.state["envs"]
        self.envs[:] = [load_envs(state, made)[0] for state, made in zip(saved, self.envs, strict=True)]


def _parts(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    return (items[first : first + size] for first in range(0, len(items), size))


def _means(episodes: list[LMEpisode]) -> dict[str, float]:
    """What the episodes earned, and what they took."""
    columns: dict[str, list[float]] = {
        "charts/episodic_return": [episode.reward for episode in episodes],
        "charts/raw_return": [episode.raw["return"] for episode in episodes],
        "charts/episodic_length": [episode.raw["length"] for episode in episodes],
        "charts/written_tokens": [float(episode.written) for episode in episodes],
        "charts/sequences": [float(len(episode.sequences)) for episode in episodes],
        "charts/counted": [float(episode.counted) for episode in episodes],
    }
    for prefix, totals in (
        ("charts", [episode.ends for episode in episodes]),
        ("reward", [_terms(episode.raw) for episode in episodes]),
        ("paid", [_terms(episode.paid) for episode in episodes]),
    ):
        columns |= {f"{prefix}/{name}": values for name, values in _columns(totals).items()}
    return {name: float(np.mean(values)) for name, values in columns.items()}


def _terms(totals: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in totals.items() if name not in ("return", "length")}


def _columns(rows: list[dict[str, float]]) -> dict[str, list[float]]:
    """Values by name; 0 where a row has none."""
    return {name: [row.get(name, 0.0) for row in rows] for name in dict.fromkeys(name for row in rows for name in row)}


def _load_lm(args: Args, device: torch.device) -> CausalLM:
    lm = CausalLM(
        args.model,
        device,
        temperature=args.temperature,
        precision=args.precision,
        lora_rank=args.lora_rank,
        lora_alpha=args.lora_alpha,
        seed=args.seed,
    )
    if args.max_new_tokens > min(args.context_tokens, lm.longest) // 4:
        raise InputError(
            f"--max-new-tokens {args.max_new_tokens} must be at most a quarter of --context-tokens and of the "
            f"{lm.longest} tokens that the model can see"
        )
    return lm


def _speaker(args: Args, lm: CausalLM, training: TrainingEnvs) -> Speaker:
    prompts = prompts_for(training.envs.single_observation_space, training.envs.single_action_space)
    return Speaker(lm, prompts, args.context_tokens, args.max_new_tokens)


def _make_envs(args: Args, closing: ExitStack) -> list[TrainingEnvs]:
    """Environments of one each, so that each goes its own way; closed on the way out, whatever they are by then."""
    made: list[TrainingEnvs] = []

    def close() -> None:
        for training in made:
            training.envs.close()

    closing.callback(close)
    for _ in range(args.num_envs):
        training = make_group_envs(args.env, args.env_kwargs, 1, args.max_steps, args.wrap)
        made.append(training)
    return made


def _as_evaluation(played: list[LMEpisode]) -> Evaluation:
    """What episodes were worth, without those whose infrastructure failed."""
    counted = [episode for episode in played if episode.counted] or played
    terms = _columns([_terms(episode.raw) | episode.ends for episode in counted])
    return Evaluation(
        np.array([episode.raw["return"] for episode in counted]),
        np.array([episode.raw["length"] for episode in counted], np.int64),
        {name: np.array(values) for name, values in terms.items()},
    )


def train(args: Args) -> Run:
    """Trains, and returns the finished or stopped run, with the model in its folder ``model``.

    Raises:
        InputError: If arguments do not fit the environment, the model or each other.
    """
    with ExitStack() as closing:
        with bad_input():
            args.check()
            args = args.smoked() if args.smoke else args
            envs = _make_envs(args, closing)
            threads = closing.enter_context(ThreadPoolExecutor(args.num_envs, thread_name_prefix="telos-llm"))
            learner = LMLearner(args, envs, threads)
            run = closing.enter_context(Run("swe-llm", args, envs[0].spec))
        step = run.step
        run.resume(learner.load_state_dict)
        while step < args.total_steps and not run.stopped:
            rate = args.learning_rate * (1.0 - step / args.total_steps if args.anneal_lr else 1.0)
            taken, metrics = learner.step(rate)
            before, step = step, step + taken
            run.log(step, metrics | {"charts/learning_rate": rate})
            policy = LMPolicy(learner.speaker)
            run.evaluate_and_save(step, before, policy, learner.lm, learner.state_dict, play=learner.evaluate)
        learner.lm.export(run.folder / "model")
        run.finish(step)
    return run


def load_policy(folder: str | Path, *, best: bool = False, deterministic: bool = True, seed: int = 0) -> LMPolicy:
    """Loads the policy of a run onto the CPU; the model that it began with must still be where it was.

    Args:
        folder: The run's.
        best: Whether to take the best checkpoint by evaluation instead of the newest.
        deterministic: Whether to take the likeliest tokens instead of drawing them.
        seed: Of the draws.

    Raises:
        FileNotFoundError: If there is no run, or no checkpoint yet.
    """
    args = Args.of_run(folder)
    lm = _load_lm(args, torch.device("cpu"))
    lm.load_state_dict(load_model(Path(folder), best))
    envs = make_envs(args.env, args.env_kwargs, 1)
    try:
        prompts = prompts_for(envs.single_observation_space, envs.single_action_space)
    finally:
        envs.close()
    return LMPolicy(Speaker(lm, prompts, args.context_tokens, args.max_new_tokens), deterministic, seed)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the script with the command line's arguments, by default those of this process."""
    command("telos train swe-llm", Args, train, arguments)


if __name__ == "__main__":
    main()
