"""Group-relative policy optimisation (DeepSeekMath, 2024) and its relatives: no values, only groups of episodes.

    python -m telos.baselines.grpo --env StepChain-v0 --outcome outcome --seed 1
    telos train grpo --env LoiterChain-v0 --wrap "gated:threshold=0.5" --group-from forks --fork-steps 10

``docs/grpo.md`` has the formula and the source of every loss, and explains every metric.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

from telos.baselines.checkpoints import Checkpoint, load_model
from telos.baselines.group_batches import Batch, batch_of, minibatches
from telos.baselines.group_episodes import Episodes, check_forks, make_group_envs, play_groups
from telos.baselines.group_losses import (
    clipped_surrogate,
    f_divergence,
    group_advantages,
    kl_estimate,
    oreal_losses,
    pre_clip,
    ratio_metrics,
    step_advantages,
    within_deviations,
)
from telos.baselines.group_policies import MacroPolicy, SampledPolicy, policy_for
from telos.baselines.grpo_args import Args
from telos.baselines.input_errors import InputError, bad_input
from telos.baselines.networks import ObservationEncoder, VectorAdam
from telos.baselines.run import Run, command
from telos.baselines.stats import pass_at_k
from telos.baselines.step_reward import StepReward
from telos.baselines.token_policy import TokenPolicy
from telos.baselines.trained_networks import load_network
from telos.baselines.training_envs import EVALUATION_SEED, TrainingEnvs, load_envs, save_envs

__all__ = ["GRPO", "Args", "load_policy", "main", "train"]


class GRPO:
    """The learner: environments, policy, reference, optimiser, and all that must be saved.

    Args:
        args: The arguments.
        training: The environments, of ``make_group_envs``.

    Attributes:
        policy: What learns.
        encode: What encodes observations.
        training: As given, or as loaded.
        starts: Seeds of the starts, int64 ``(starts,)``; empty if every group has a new one.
    """

    def __init__(self, args: Args, training: TrainingEnvs) -> None:
        self.args, self.training, self.device = args, training, args.torch_device
        envs = training.envs
        self.encode = ObservationEncoder(envs.single_observation_space, self.device)
        self.policy = policy_for(
            self.encode, envs.single_action_space, args.hidden, args.seed, args.tokens, args.max_tokens
        )
        if args.group_from == "forks":
            check_forks(training)
        if args.init is not None:
            _begin_with(self.policy, args.init)
        self._reference = copy.deepcopy(self.policy)
        self._optimiser = VectorAdam(self.policy)
        self._generator = torch.Generator(self.device).manual_seed(args.seed)
        self._updates = 0
        drawn = np.random.default_rng([args.seed, 0]).choice(EVALUATION_SEED, args.starts, replace=False)
        self.starts: NDArray[np.int64] = drawn
        self._mastered = np.zeros(args.starts, np.bool_)
        self._rehearsal: Batch | None = None
        self._step_reward = None
        if args.step_weights:
            if not isinstance(self.policy, MacroPolicy):
                raise InputError("--step-weights is of whole actions, not of tokens")
            self._step_reward = StepReward(self.encode, envs.single_action_space, hidden=args.hidden, seed=args.seed)

    def step(self, learning_rate: float) -> tuple[int, dict[str, float]]:
        """Plays groups and learns from them; returns the environment steps that this took, and what to log."""
        began, args = time.perf_counter(), self.args
        rng = np.random.default_rng([args.seed, 1, self._updates])
        steps, metrics = self._refresh_reference()
        episodes = self._play(self._seeds(rng), rng)
        played = time.perf_counter()
        success = self._success(episodes)
        metrics |= _episode_metrics(episodes) | self._group_metrics(episodes, success)
        batch, judged = self._batch(episodes, success)
        metrics |= judged
        warm = self._step_reward is None or self._updates >= args.warmup_updates
        if len(batch.weights) and warm:
            metrics |= self._update(batch, learning_rate)
        self._updates += 1
        update = time.perf_counter() - played
        times = {"env": episodes.seconds, "infer": played - began - episodes.seconds, "update": update}
        return steps + episodes.steps, metrics | {f"time/{name}": value for name, value in times.items()}

    def _seeds(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """The starts of the groups of an update; those that the reference masters are not explored."""
        groups = self.args.num_groups
        if not len(self.starts):
            return rng.integers(EVALUATION_SEED, size=groups)
        left = self.starts[~self._mastered] if not self._mastered.all() else self.starts
        return rng.choice(left, groups, replace=groups > len(left))

    def _play(self, seeds: NDArray[np.int64], rng: np.random.Generator) -> Episodes:
        fork_at = None
        if self.args.group_from == "forks":
            fork_at = rng.integers(self.args.fork_steps + 1, size=len(seeds))
        return play_groups(self.training, self.encode, self.policy, self._generator, seeds, fork_at)

    def _success(self, episodes: Episodes) -> Tensor | None:
        """Which episodes succeeded, bool ``(N,)``, none that is left out; None if that is not known."""
        outcome = episodes.raw.get(self.args.outcome, episodes.raw["return"])
        if self.args.success is None and not np.isin(outcome, (0.0, 1.0)).all():
            return None
        least = 1.0 if self.args.success is None else self.args.success
        return torch.as_tensor(outcome >= least, device=self.device) & episodes.counted

    def _known(self, success: Tensor | None, what: str) -> Tensor:
        if success is None:
            raise InputError(f"{what} needs to know which episodes succeed: give --success, and perhaps --outcome")
        return success

    @torch.no_grad()
    def _refresh_reference(self) -> tuple[int, dict[str, float]]:
        """Makes the policy the reference where that is due, and plays what is rehearsed; returns the steps of that."""
        args, every = self.args, self.args.reference_every
        if self._updates and not (every and self._updates % every == 0):
            return 0, {}
        self._reference.load_state_dict(self.policy.state_dict())
        if args.divergence is None:
            return 0, {}
        parts, steps = list[Batch](), 0
        for first in range(0, args.starts, args.num_groups):
            chosen = np.arange(first, first + args.num_groups)
            # The last round is filled up with the first starts, which are not kept twice.
            episodes = self._play(self.starts[chosen % args.starts], np.random.default_rng(0))
            success = self._known(self._success(episodes), "--divergence").view(args.num_groups, args.group_size)
            mastered = (success.double().mean(dim=1).cpu().numpy() >= args.pef_threshold) & (chosen < args.starts)
            self._mastered[chosen[chosen < args.starts]] = mastered[chosen < args.starts]
            steps += episodes.steps
            kept = torch.as_tensor(mastered, device=self.device).repeat_interleave(args.group_size) & episodes.counted
            everywhere = torch.ones_like(episodes.rewards)
            played = batch_of(
                episodes, episodes.there & kept, everywhere, success.flatten(), self.policy, average=args.average
            )
            parts.append(played)
        self._rehearsal = Batch.join(parts)
        return steps, {"group/mastered": float(self._mastered.mean())}

    def _batch(self, episodes: Episodes, success: Tensor | None) -> tuple[Batch, dict[str, float]]:
        """What to learn from, and what to log of it."""
        args, there = self.args, episodes.there & episodes.counted
        groups = (args.num_groups, args.group_size)
        if args.credit == "process":
            shape = (len(there), *groups)
            by_step = step_advantages(episodes.rewards.view(shape), there.view(shape), args.comparison)
            advantages, learned = by_step.view_as(episodes.rewards), there
        else:
            returns, learned = episodes.rewards.sum(dim=0).view(groups), episodes.counted[None]
            advantages = group_advantages(returns, episodes.counted.view(groups), args.comparison).view(1, -1)
        empty = (advantages == 0.0).all(dim=0).view(groups).all(dim=1)
        metrics = {"group/zero_advantage": float(empty.double().mean())}
        if args.loss == "stable-reinforce":
            kept = within_deviations(advantages.flatten(), learned.flatten()).view_as(learned)
            metrics["group/filtered"] = 1.0 - float(kept[learned].double().mean())
            there = there & kept
        if args.loss == "oreal":
            success = self._known(success, "--loss oreal")
        elif success is None:
            success = torch.zeros_like(episodes.counted)
        importance = None
        if self._step_reward is not None:
            assert isinstance(self.policy, MacroPolicy)
            importance, loss = self._step_reward.weigh_and_learn(episodes, success, self.policy)
            metrics["losses/step_reward"] = loss
        reference = self._reference if args.kl_weight else None
        judged = advantages.expand(there.shape)
        return batch_of(episodes, there, judged, success, self.policy, reference, args.average, importance), metrics

    def _update(self, batch: Batch, learning_rate: float) -> dict[str, float]:
        """Learns from the steps."""
        args, names = self.args, ("policy_loss", "entropy", "approx_kl", "clipfrac", "reference_kl", "divergence")
        logged, taken = torch.zeros(len(names), device=self.device), 0
        for _ in range(args.update_epochs):
            rehearsed = minibatches(self._rehearsal, args.num_minibatches, self._generator)
            for part in minibatches(batch, args.num_minibatches, self._generator):
                loss, numbers = self._loss(part, next(rehearsed, None))
                self._optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                self._optimiser.step(learning_rate, args.max_grad_norm)
                logged, taken = logged + numbers, taken + 1
        used = {"reference_kl": args.kl_weight > 0.0, "divergence": self._rehearsal is not None}
        values = zip(names, (logged / taken).tolist(), strict=True)
        return {f"losses/{name}": value for name, value in values if used.get(name, True)}

    def _loss(self, batch: Batch, rehearsed: Batch | None) -> tuple[Tensor, Tensor]:
        """The loss of a minibatch and of one of rehearsed steps, and what to log of it."""
        args, weights = self.args, batch.weights / batch.weights.sum()
        logs = self.policy.token_logs(batch.observations, batch.actions, batch.masks)
        log_ratios, advantages = logs.log_probs - batch.log_probs, batch.advantages[:, None].expand_as(weights)
        if args.loss == "oreal":
            importance = batch.importance
            importances = None if importance is None else (importance[:, :1], importance[:, 1:])
            cloned = logs.log_probs, batch.log_probs, advantages, batch.success[:, None]
            losses = oreal_losses(*cloned, importances, args.failure_factor)
        else:
            log_ratios = pre_clip(log_ratios) if args.loss == "stable-reinforce" else log_ratios
            losses = clipped_surrogate(log_ratios, advantages, args.clip_low, args.clip_high)
        policy_loss, entropy = (losses * weights).sum(), (logs.entropies * weights).sum()
        zero = torch.zeros((), device=self.device)
        kl = zero if batch.reference is None else (kl_estimate(logs.log_probs, batch.reference) * weights).sum()
        divergence = zero
        if rehearsed is not None and args.divergence is not None:
            now = self.policy.token_logs(rehearsed.observations, rehearsed.actions, rehearsed.masks).log_probs
            terms = f_divergence(args.divergence, now, rehearsed.log_probs, args.divergence_alpha)
            divergence = (terms * rehearsed.weights).sum() / rehearsed.weights.sum()
        loss = policy_loss - args.entropy_weight * entropy
        loss = loss + args.kl_weight * kl + args.divergence_weight * divergence
        with torch.no_grad():
            moved = ratio_metrics(log_ratios, weights, args.clip_low, args.clip_high)
            return loss, torch.stack([policy_loss, entropy, *moved, kl, divergence])

    def _group_metrics(self, episodes: Episodes, success: Tensor | None) -> dict[str, float]:
        """How groups fared, and the share of groups that would succeed at least once in k episodes."""
        size = self.args.group_size
        returns = episodes.rewards.sum(dim=0).view(-1, size)
        metrics = {"group/return_std": float(returns.std(dim=1, correction=0).mean())}
        if success is None:
            return metrics
        solved = success.view(-1, size).sum(dim=1)
        metrics["group/solved_all"] = float((solved == size).double().mean())
        metrics["group/solved_none"] = float((solved == 0).double().mean())
        for k in (2**power for power in range(size.bit_length())):
            metrics[f"charts/pass_at_{k}"] = float(pass_at_k(size, solved.cpu().numpy(), k).mean())
        return metrics

    def state_dict(self) -> dict[str, Any]:
        """Everything but the policy, for a checkpoint."""
        return {
            "optimiser": self._optimiser.state_dict(),
            "generator": self._generator.get_state(),
            "updates": self._updates,
            "reference": self._reference.state_dict(),
            "mastered": self._mastered.copy(),
            "rehearsal": self._rehearsal and tuple(self._rehearsal),
            "step_reward": self._step_reward and self._step_reward.save(),
            "envs": save_envs(self.training),
        }

    def load_state_dict(self, checkpoint: Checkpoint) -> None:
        """Goes on from a checkpoint."""
        state = checkpoint.state
        self.policy.load_state_dict(checkpoint.model)
        self._optimiser.load_state_dict(state["optimiser"])
        self._generator.set_state(state["generator"])
        self._updates, self._mastered = state["updates"], state["mastered"]
        self._reference.load_state_dict(state["reference"])
        saved = state["rehearsal"]
        self._rehearsal = saved and Batch(*(None if x is None else x.to(self.device) for x in saved))  # type: ignore[arg-type]
        if self._step_reward is not None:
            self._step_reward.load(state["step_reward"])
        # Between updates no episode runs: only what wrappers have learned goes on.
        self.training, _ = load_envs(state["envs"], self.training)


def _episode_metrics(episodes: Episodes) -> dict[str, float]:
    """What the episodes earned."""
    raw, paid = episodes.raw, episodes.paid
    means = {
        "charts/episodic_return": float(episodes.rewards.sum(dim=0).mean()),
        "charts/raw_return": float(raw["return"].mean()),
        "charts/episodic_length": float(episodes.there.sum(dim=0).double().mean()),
        "charts/idle_steps": float(episodes.idle_steps),
    }
    for prefix, totals in (("reward", raw), ("paid", paid)):
        means |= {f"{prefix}/{k}": float(v.mean()) for k, v in totals.items() if k not in ("return", "length")}
    return means


def _begin_with(policy: torch.nn.Module, folder: Path) -> None:
    try:
        policy.load_state_dict(load_model(folder))
    except RuntimeError as error:
        raise InputError(f"the policy of {folder} has another network: {error}") from error


def train(args: Args) -> Run:
    """Trains, and returns the finished or stopped run.

    Raises:
        InputError: If arguments do not fit the environment or each other.
    """
    with bad_input():
        args.check()
        args = args.smoked() if args.smoke else args
        device = args.torch_device.type
        training = make_group_envs(args.env, args.env_kwargs, args.num_envs, args.max_steps, args.wrap, device)
        learner = GRPO(args, training)
        run = Run("grpo", args, training.spec)
    with run:
        step = run.step
        run.resume(learner.load_state_dict)
        while step < args.total_steps and not run.stopped:
            rate = args.learning_rate * (1.0 - step / args.total_steps if args.anneal_lr else 1.0)
            taken, metrics = learner.step(rate)
            before, step = step, step + taken
            run.log(step, metrics | {"charts/learning_rate": rate})
            policy = SampledPolicy(learner.policy, learner.encode)
            run.evaluate_and_save(step, before, policy, learner.policy, learner.state_dict, device)
        run.finish(step)
    learner.training.envs.close()
    return run


def load_policy(folder: str | Path, *, best: bool = False, deterministic: bool = True, seed: int = 0) -> SampledPolicy:
    """Loads the policy of a run onto the CPU.

    Args:
        folder: The run's.
        best: Whether to take the best checkpoint by evaluation instead of the newest.
        deterministic: As for ``SampledPolicy``.
        seed: As for ``SampledPolicy``.

    Raises:
        FileNotFoundError: If there is no run, or no checkpoint yet.
    """
    args = Args.of_run(folder)

    def make(encode: ObservationEncoder, actions: spaces.Space[Any]) -> MacroPolicy | TokenPolicy:
        return policy_for(encode, actions, args.hidden, args.seed, args.tokens, args.max_tokens)

    policy, encode = load_network(folder, args, make, best)
    return SampledPolicy(policy, encode, deterministic, seed)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the script with the command line's arguments, by default those of this process."""
    command("telos train grpo", Args, train, arguments)


if __name__ == "__main__":
    main()
