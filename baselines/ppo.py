"""Proximal policy optimisation (Schulman et al., 2017), readable from top to bottom.

    python -m telos.baselines.ppo --env CartPole-v1 --seed 1
    telos train ppo --env LoiterChain-v0 --wrap "gated:threshold=0.5" --seed 1

``docs/ppo.md`` explains every metric and names the source of every detail.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import torch
from gymnasium import spaces
from gymnasium.logger import warn
from torch import Tensor

from telos.baselines.action_heads import action_head
from telos.baselines.checkpoints import Checkpoint
from telos.baselines.evaluation import Evaluation, NetworkPolicy, Policy
from telos.baselines.hand_gradients import HandGradient
from telos.baselines.input_errors import InputError, bad_input
from telos.baselines.networks import ActorCritic, ObservationEncoder, VectorAdam, cpu_threads
from telos.baselines.rollouts import Act, Batch, Rollout, acting, advantages_of, begin, collect
from telos.baselines.run import Run, command
from telos.baselines.run_args import RunArgs
from telos.baselines.trained_networks import load_network
from telos.baselines.training_envs import (
    RewardScale,
    TrainingEnvs,
    load_envs,
    make_training_envs,
    save_envs,
    training_seed,
)
from telos.wrappers.intrinsic import IntrinsicBonus
from telos.wrappers.networks import RunningMoments
from telos.wrappers.specs import parse_stack

__all__ = ["PPO", "Args", "Batch", "learn", "load_policy", "losses_of", "main", "train"]


@dataclass
class Args(RunArgs):
    """Proximal policy optimisation, with perceptrons, convolutions or a recurrent cell by observations and flags."""

    num_steps: int = 128
    """Steps of each environment between updates."""
    learning_rate: float = 1e-3
    """Step size of Adam."""
    anneal_lr: bool = True
    """Lower the learning rate linearly to 0 at the end of the run."""
    gamma: float = 0.99
    """Discount of the environment's reward."""
    gae_lambda: float = 0.95
    """Lambda of generalised advantage estimation."""
    num_minibatches: int = 16
    """Minibatches of an epoch."""
    update_epochs: int = 4
    """Passes over a rollout."""
    clip: float = 0.2
    """Largest change of an action's probability ratio that is rewarded."""
    entropy_weight: float = 0.01
    """Weight of the entropy in the objective."""
    value_weight: float = 0.5
    """Weight of the value loss."""
    max_grad_norm: float = 0.5
    """Largest norm of the gradient."""
    target_kl: float | None = None
    """End an update after the epoch whose approximate KL divergence is above this."""
    hidden: int = 64
    """Units of hidden layers."""
    recurrent: bool = False
    """Remember by a GRU, which learns from whole sequences."""
    normalise_observations: bool = False
    """Normalise observations, unless images, by their running mean and deviation."""
    normalise_rewards: bool = False
    """Divide rewards by the running deviation of discounted returns."""
    intrinsic_gamma: float = 0.99
    """Discount of bonuses. A second value head, without ends of episodes, is for intrinsic wrappers."""
    intrinsic_weight: float = 0.5
    """Weight of the advantage of bonuses, beside 1 for that of the other reward."""
    compile: bool = False
    """Compile the network's forward pass and the loss with torch.compile."""
    cudagraphs: bool = False
    """With --compile, also record CUDA graphs (mode "reduce-overhead")."""
    bf16: bool = False
    """Compute losses in bfloat16 where autocasting finds it safe."""
    threads: int = 0
    """CPU threads of PyTorch; 0 for one, or with images for as many as PyTorch takes by itself."""

    def check(self) -> None:
        """Raises ``InputError`` if the arguments do not fit."""
        super().check()
        rows = self.num_envs if self.recurrent else self.num_envs * self.num_steps
        if not 1 <= self.num_minibatches <= rows:
            raise InputError(f"--num-minibatches must be from 1 to {rows}, got {self.num_minibatches}")
        self.check_least(0, "threads")
        if self.num_steps < 1 or self.update_epochs < 1:
            raise InputError("--num-steps and --update-epochs must be at least 1")
        if self.cudagraphs and not self.compile:
            raise InputError("--cudagraphs needs --compile")

    @property
    def two_heads(self) -> bool:
        """Whether an intrinsic wrapper pays bonuses."""
        return any(issubclass(transform, IntrinsicBonus) for transform, _ in parse_stack(*self.wrap))

    def rounded(self) -> Self:
        """These arguments with a number of steps that is one of whole rollouts."""
        steps = self.num_envs * self.num_steps
        return dataclasses.replace(self, total_steps=-(-self.total_steps // steps) * steps)

    def smoked(self) -> Self:
        """These arguments for a run of a few updates."""
        return dataclasses.replace(
            self,
            num_envs=4,
            num_steps=16,
            num_minibatches=2,
            update_epochs=2,
            total_steps=256,
            eval_every=128,
            eval_episodes=4,
            checkpoint_every=128,
        )


def losses_of(net: ActorCritic, batch: Batch, args: Args) -> tuple[Tensor, Tensor]:
    """PPO's loss, and what to log of it.

    Returns:
        The loss, and policy loss, value loss, entropy, approximate KL divergence and share of clipped ratios, ``(5,)``.

    Source: Schulman et al., Proximal Policy Optimization Algorithms (arXiv 1707.06347), equations 7 and 9. The
    approximate KL divergence is ``mean(r - 1 - log r)``: Schulman, Approximating KL Divergence (2020).
    """
    outputs, values, _ = net(batch.observations, batch.memory, batch.begins)
    log_probs, entropies = net.head.log_prob_and_entropy(outputs, batch.actions, batch.masks)
    log_ratio = log_probs - batch.log_probs
    ratio = log_ratio.exp()
    clipped = ratio.clamp(1.0 - args.clip, 1.0 + args.clip)
    policy_losses = -torch.min(ratio * batch.advantages, clipped * batch.advantages)
    value_losses = (values.float() - batch.returns).square().sum(dim=1)
    losses = policy_losses + args.value_weight * value_losses - args.entropy_weight * entropies
    with torch.no_grad():
        parts = (policy_losses, value_losses, entropies, ratio - 1.0 - log_ratio, (ratio != clipped).float())
        logged = torch.stack(parts)
    if batch.weights is None:
        return losses.mean(), logged.mean(dim=1)
    weights = batch.weights / batch.weights.sum().clamp(min=1.0)
    return losses @ weights, logged @ weights


class PPO:
    """The learner: environments, networks, optimiser, and all that must be saved.

    Args:
        args: The arguments.
        training: The environments, not yet reset.
    """

    def __init__(self, args: Args, training: TrainingEnvs) -> None:
        self.args, self.training, self.device = args, training, args.torch_device
        envs, heads = training.envs, 2 if args.two_heads else 1
        self.encode, self.net = self._networks()
        self._optimiser = VectorAdam(self.net)
        self._generator = torch.Generator(self.device).manual_seed(args.seed)
        self._gammas = torch.tensor([args.gamma, args.intrinsic_gamma][:heads], device=self.device)
        self._episodic = torch.tensor([True, False][:heads], device=self.device)
        self._scales = [RewardScale(envs.num_envs, gamma, self.device) for gamma in self._gammas.tolist()]
        self._moments = RunningMoments(self.encode.shape, self.device)
        self._losses_of: Any = losses_of
        self._acting: Callable[[Rollout, torch.Generator], Act] = partial(acting, self.net, self.net)
        self._set_gradient: Callable[[Batch], Tensor] = self._backpropagate
        if HandGradient.fits(self.net) and not (args.compile or args.bf16):
            by_hand = HandGradient(self.net, args.clip, args.value_weight, args.entropy_weight)
            self._acting, self._set_gradient = by_hand.acting, by_hand
        if args.compile:
            # Checking every call that the modules are still the same would take a third of a small network's update.
            options: dict[str, Any] = {
                "guard_filter_fn": torch.compiler.skip_guard_on_all_nn_modules_unsafe,
                "triton.cudagraphs": args.cudagraphs,
            }
            self._acting = partial(acting, self.net, torch.compile(self.net, options=options))
            self._losses_of = torch.compile(losses_of, options=options)

    def _networks(self) -> tuple[ObservationEncoder, ActorCritic]:
        """Makes the network, and what encodes its observations."""
        envs = self.training.envs
        encode = ObservationEncoder(envs.single_observation_space, self.device)
        return encode, _network(self.args, encode, envs.single_action_space)

    def begin(self, resumes: int = 0) -> None:
        """Begins all episodes; those of a resumed run, whose number of steps this is, are others."""
        envs = self.training.envs
        self.start = begin(envs, self.encode, self.net, training_seed(self.args.seed, envs.num_envs, resumes))
        self._rollout = Rollout(self.args.num_steps, self.start, self.net.head, len(self._gammas))

    def step(self, learning_rate: float) -> dict[str, float]:
        """Collects a rollout, learns from it, and returns what to log."""
        began = time.perf_counter()
        act = self._acting(self._rollout, self._generator)
        self.start, seconds = collect(self.training.envs, self.encode, self.net, act, self.start, self._rollout)
        collected = time.perf_counter()
        metrics = self._update(self._rollout, learning_rate)
        times = {"env": seconds, "infer": collected - began - seconds, "update": time.perf_counter() - collected}
        return metrics | {f"time/{name}": value for name, value in times.items()}

    def _update(self, rollout: Rollout, learning_rate: float) -> dict[str, float]:
        """Learns from a rollout."""
        args = self.args
        if args.normalise_rewards:
            done = rollout.terminated | rollout.truncated
            for k, scale in enumerate(self._scales):
                rollout.rewards[..., k] = scale(rollout.rewards[..., k], done & self._episodic[k], rollout.active[:-1])
        if not rollout.learnable.any():
            return {}
        batch, returns = self._batch(rollout)
        logged, taken = torch.zeros(5, device=self.device), 0
        for _ in range(args.update_epochs):
            before = logged, taken
            for part in self._minibatches(batch):
                numbers = self._set_gradient(part)
                self._optimiser.step(learning_rate, args.max_grad_norm)
                logged, taken = logged + numbers, taken + 1
            if args.target_kl is not None and (logged - before[0])[3].item() > args.target_kl * (taken - before[1]):
                break
        if self.net.normalised:
            rows = rollout.observations.flatten(0, 1)
            self._moments.update(rows, rollout.active[:-1].reshape(-1).to(rows.dtype))
            self.net.normalise_by(self._moments)
        names = ("policy_loss", "value_loss", "entropy", "approx_kl", "clipfrac")
        metrics = {f"losses/{name}": value for name, value in zip(names, (logged / taken).tolist(), strict=True)}
        learned = rollout.learnable
        unexplained = (returns - rollout.values[:-1])[learned][:, 0].var() / returns[learned][:, 0].var()
        return metrics | {"losses/explained_variance": 1.0 - unexplained.item()}

    def _backpropagate(self, batch: Batch) -> Tensor:
        """Sets the gradient of a batch's loss, and returns what to log."""
        self._optimiser.zero_grad()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.args.bf16):
            loss, numbers = self._losses_of(self.net, batch, self.args)
        loss.backward()
        return numbers  # type: ignore[no-any-return]

    @torch.no_grad()
    def _batch(self, rollout: Rollout) -> tuple[Batch, Tensor]:
        """What to learn from, with the axes of time and environments, and the returns."""
        advantages = advantages_of(rollout, self._gammas, self.args.gae_lambda, self._episodic)
        returns = advantages + rollout.values[:-1]
        weight = torch.tensor([1.0, self.args.intrinsic_weight][: len(self._gammas)], device=self.device)
        total, learned = (advantages * weight).sum(dim=2), rollout.learnable
        total = (total - total[learned].mean()) / (total[learned].std(correction=0) + 1e-8)
        masks = None if rollout.masks is None else rollout.masks.flatten(0, 1)
        head, outputs, actions = self.net.head, rollout.outputs.flatten(0, 1), rollout.actions.flatten(0, 1)
        batch = Batch(
            observations=rollout.observations,
            masks=rollout.masks,
            actions=rollout.actions,
            log_probs=head.log_prob_and_entropy(outputs, actions, masks)[0].view_as(total),
            advantages=total,
            returns=returns,
            weights=None if bool(learned.all()) else learned.float(),
            begins=rollout.begins,
            memory=rollout.memory,
        )
        return batch, returns

    def _minibatches(self, batch: Batch) -> Iterator[Batch]:
        """An epoch's minibatches in random order: of steps, or with a memory of whole sequences."""
        pieces, memory = self.args.num_minibatches, batch.memory
        count = batch.begins.numel() if memory is None else len(memory)
        order = torch.randperm(count, generator=self._generator, device=self.device)
        if memory is None:
            shuffled, size = batch.flat().pick(order), -(-count // pieces)
            for first in range(0, count, size):
                yield shuffled.pick(slice(first, first + size))
        else:
            for columns in order.chunk(pieces):
                yield batch.pick((slice(None), columns), memory[columns]).flat()

    def state_dict(self) -> dict[str, Any]:
        """Everything but the network, for a checkpoint."""
        return {
            "optimiser": self._optimiser.state_dict(),
            "generator": self._generator.get_state(),
            "scales": [scale.state_dict() for scale in self._scales],
            "moments": self._moments.state_dict(),
            "start": self.start,
            "envs": save_envs(self.training),
        }

    def load_state_dict(self, checkpoint: Checkpoint) -> None:
        """Goes on from a checkpoint."""
        state = checkpoint.state
        self.net.load_state_dict(checkpoint.model)
        self._optimiser.load_state_dict(state["optimiser"])
        self._generator.set_state(state["generator"])
        for scale, saved in zip(self._scales, state["scales"], strict=True):
            scale.load_state_dict(saved)
        self._moments.load_state_dict(state["moments"])
        self.training, whole = load_envs(state["envs"], self.training)
        if whole:
            self.start = state["start"].to(self.device)
        else:
            warn(f"{self.args.env} cannot be saved: episodes begin anew, and the run will not be the same to the bit")
            self.begin(checkpoint.step)


def train(args: Args) -> Run:
    """Trains, and returns the finished or stopped run.

    Raises:
        InputError: If arguments do not fit the environment or each other.
    """
    with bad_input():
        args.check()
        args = args.smoked() if args.smoke else args
        args = args.rounded()
        training = make_training_envs(args.env, args.env_kwargs, args.num_envs, args.wrap, args.torch_device.type)
        learner = PPO(args, training)
        run = Run("ppo", args, training.spec)
    return learn(run, learner)


def learn(run: Run, learner: PPO, play: Callable[[Policy, int], Evaluation] | None = None) -> Run:
    """Runs a learner to the end of its run, or until a signal stops it; then closes its environments.

    Args:
        run: The run, new or to be resumed.
        learner: The learner, not yet begun.
        play: As in ``Run.evaluate_and_save``.
    """
    args, device = learner.args, learner.device.type
    rollout_steps = args.num_envs * args.num_steps
    with run, cpu_threads(args.threads or (None if learner.net.image else 1)):
        step = run.step
        learner.begin()
        run.resume(learner.load_state_dict)
        while step < args.total_steps and not run.stopped:
            rate = args.learning_rate * (1.0 - step / args.total_steps if args.anneal_lr else 1.0)
            metrics = learner.step(rate)
            before, step = step, step + rollout_steps
            run.log(step, learner.training.episode_metrics() | metrics | {"charts/learning_rate": rate})
            policy = NetworkPolicy(learner.net, learner.encode)
            run.evaluate_and_save(step, before, policy, learner.net, learner.state_dict, device, play)
        run.finish(step)
    learner.training.envs.close()
    return run


def load_policy(folder: str | Path, *, best: bool = False, deterministic: bool = True, seed: int = 0) -> NetworkPolicy:
    """Loads the policy of a run onto the CPU.

    Args:
        folder: The run's.
        best: Whether to take the best checkpoint by evaluation instead of the newest.
        deterministic: As for ``NetworkPolicy``.
        seed: As for ``NetworkPolicy``.

    Raises:
        FileNotFoundError: If there is no run, or no checkpoint yet.
    """
    args = Args.of_run(folder)
    net, encode = load_network(folder, args, partial(_network, args), best)
    return NetworkPolicy(net, encode, deterministic, seed)


def _network(args: Args, encode: ObservationEncoder, actions: spaces.Space[Any]) -> ActorCritic:
    net = ActorCritic(
        encode,
        action_head(actions),
        hidden=args.hidden,
        values=2 if args.two_heads else 1,
        recurrent=args.recurrent,
        normalised=args.normalise_observations,
        seed=args.seed,
    )
    return net.to(encode.device)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the script with the command line's arguments, by default those of this process."""
    command("telos train ppo", Args, train, arguments)


if __name__ == "__main__":
    main()
