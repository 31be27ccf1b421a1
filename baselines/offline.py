"""What scripts that learn from recorded episodes share.

* ``OfflineArgs`` - their arguments
* ``Task`` - the environment's spaces, and the episodes
* ``Batch`` - steps to imitate
* ``OfflineLearner`` - learns to imitate them
* ``train_offline`` - the run of a script
"""

from __future__ import annotations

import dataclasses
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, Self, TypeVar

import torch
import tyro
from gymnasium import spaces
from torch import Tensor, nn

from telos.baselines.action_heads import ActionHead, Gaussian, action_head
from telos.baselines.checkpoints import Checkpoint
from telos.baselines.episode_data import EpisodeData, as_data, read_files
from telos.baselines.evaluation import Policy
from telos.baselines.input_errors import InputError, bad_input
from telos.baselines.networks import ObservationEncoder
from telos.baselines.policies.registry import make_policy
from telos.baselines.recording import record_episodes
from telos.baselines.run import Run
from telos.baselines.run_args import ScriptArgs
from telos.baselines.training_envs import make_training_envs

__all__ = ["Batch", "OfflineArgs", "OfflineLearner", "Task", "train_offline"]

_SMOKE_EPISODES = 20
"""Episodes of random actions that --smoke records if it is given none."""


@dataclass
class OfflineArgs(ScriptArgs):
    """Arguments of scripts that learn from recorded episodes, and use the environment only to evaluate."""

    episodes: tuple[Path, ...] = ()
    """Files of telos.wrappers.save_episodes; --smoke records random episodes if there are none."""
    wrap: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Reward wrapper that pays instead of what was recorded; repeat it for a stack, the innermost first."""
    total_steps: int = 10_000
    """Gradient steps of the whole run."""
    eval_every: int = 2_000
    """Gradient steps between evaluations; the last step is always evaluated."""
    checkpoint_every: int = 2_000
    """Gradient steps between checkpoints."""
    log_every: int = 500
    """Gradient steps between lines of the log, each with the loss of all held-out episodes."""
    validation: float = 0.1
    """Share of the episodes that are held out; 0 for none."""
    best: float = 1.0
    """Learn only from the episodes of the highest return that together have this share of all steps."""
    batch_size: int = 64
    """Samples of a gradient step."""
    hidden: int = 128
    """Units of hidden layers."""

    def check(self) -> None:
        """Raises ``InputError`` if the arguments do not fit."""
        super().check()
        self.check_least(1, "log_every", "batch_size", "hidden")
        if not self.episodes and not self.smoke:
            raise InputError("give recorded episodes to learn from: --episodes FILE")
        if not 0.0 <= self.validation < 1.0:
            raise InputError(f"--validation must be at least 0 and below 1, got {self.validation}")
        if not 0.0 < self.best <= 1.0:
            raise InputError(f"--best must be above 0 and at most 1, got {self.best}")

    def smoked(self) -> Self:
        """These arguments for a run of a few gradient steps."""
        return dataclasses.replace(
            self, total_steps=40, eval_every=20, checkpoint_every=20, log_every=10, eval_episodes=4, batch_size=16
        )


@dataclass(frozen=True)
class Task:
    """What is to be learned.

    Attributes:
        observations: The environment's space.
        actions: The environment's space.
        spec: The environment's spec as JSON.
        recorded: All episodes, on the CPU.
        digest: A hash of their files.
    """

    observations: spaces.Space[Any]
    actions: spaces.Space[Any]
    spec: str
    recorded: EpisodeData
    digest: str

    @classmethod
    def load(cls, args: OfflineArgs) -> Task:
        """Makes the environment for its spaces, and loads the episodes.

        Raises:
            ValueError: If arguments, files and environment do not fit.
            OSError: If a file cannot be read.
            gymnasium.error.Error: If there is no such environment.
        """
        training = make_training_envs(args.env, args.env_kwargs, 1, args.wrap)
        observations, actions = training.envs.single_observation_space, training.envs.single_action_space
        spec = training.spec
        training.envs.close()
        head, encode = action_head(actions), ObservationEncoder(observations, torch.device("cpu"))
        if args.episodes:
            episodes, digest = read_files(args.episodes, observations, actions)
        else:
            policy = make_policy("random", args.env, args.env_kwargs, seed=args.seed)
            episodes, _ = record_episodes(
                policy, args.env, args.env_kwargs, episodes=_SMOKE_EPISODES, num_envs=4, seed=args.seed
            )
            digest = f"random episodes of seed {args.seed}"
        return cls(observations, actions, spec, as_data(episodes, encode, head, args.wrap), digest)


class Batch(NamedTuple):
    """B steps to imitate.

    Attributes:
        inputs: Of the learner's network, any tensors.
        actions: What was done, ``(B, *head.shape)``.
        masks: What was allowed, bool ``(B, entries)``, or None.
        weights: 1 in steps to imitate and 0 in others, float32 ``(B,)``.
    """

    inputs: tuple[Tensor | None, ...]
    actions: Tensor
    masks: Tensor | None
    weights: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        inputs = tuple(None if part is None else part.to(device) for part in self.inputs)
        masks = None if self.masks is None else self.masks.to(device)
        return Batch(inputs, self.actions.to(device), masks, self.weights.to(device))


Args = TypeVar("Args", bound=OfflineArgs)


class OfflineLearner(ABC, Generic[Args]):
    """Maximises the likelihood of recorded actions.

    Args:
        args: The arguments.
        task: What is to be learned.
        net: The network, on its device.
        head: What its outputs mean.

    Attributes:
        encode: What encodes observations, on the device.
        data: The episodes to learn from.
        held_out: Those that are held out, or None.
        generator: Of the draws of batches, on the CPU.
    """

    def __init__(self, args: Args, task: Task, net: nn.Module, head: ActionHead) -> None:
        self.args, self.net, self.head, self.device = args, net, head, args.torch_device
        self.encode = ObservationEncoder(task.observations, self.device)
        self.data, self.held_out = task.recorded.best(args.best).split(args.validation, args.seed)
        self.generator = torch.Generator().manual_seed(args.seed)
        self._recorded, self._digest = task.recorded, task.digest
        self._loss, self._learned, self._seconds = torch.zeros((), device=self.device), 0, 0.0

    optimiser: Any

    @abstractmethod
    def draw(self) -> Batch:
        """Draws what a gradient step learns from, on the CPU."""

    @abstractmethod
    def whole(self, data: EpisodeData) -> Iterator[Batch]:
        """Returns all steps of some episodes, each once, on the CPU."""

    @abstractmethod
    def outputs(self, batch: Batch) -> Tensor:
        """Returns what the network says of each step, ``(B, head.outputs)``."""

    @abstractmethod
    def update(self, loss: Tensor, learning_rate: float) -> None:
        """Takes a gradient step."""

    @abstractmethod
    def policy(self) -> Policy:
        """Returns the policy as it is now."""

    def facts(self) -> dict[str, float]:
        """What to log before anything is learned."""
        returns, learned = self._recorded.returns, self.data.returns
        return {
            "data/episodes": len(returns),
            "data/steps": len(self._recorded.actions),
            "data/return": float(returns.mean()),
            "data/return_best": float(returns.max()),
            "data/episodes_learned": len(learned),
            "data/return_learned": float(learned.mean()),
        }

    def learn(self, learning_rate: float) -> None:
        """Draws a batch and takes a gradient step on its mean negative log-likelihood."""
        began = time.perf_counter()
        self.net.train()
        batch = self.draw().to(self.device)
        logs, _ = self.head.log_prob_and_entropy(self.outputs(batch), batch.actions, batch.masks)
        loss = -(logs @ batch.weights) / batch.weights.sum().clamp(min=1.0)
        self.update(loss, learning_rate)
        self._loss += loss.detach()
        self._learned += 1
        self._seconds += time.perf_counter() - began

    def metrics(self) -> dict[str, float]:
        """What to log since the last call, and how the held-out episodes are predicted."""
        metrics = {"losses/policy_loss": float(self._loss) / self._learned, "time/update": self._seconds}
        self._loss.zero_()
        self._learned, self._seconds = 0, 0.0
        return metrics if self.held_out is None else metrics | self.validate(self.held_out)

    @torch.no_grad()
    def validate(self, data: EpisodeData) -> dict[str, float]:
        """Returns the loss of some episodes, and how far the likeliest actions are right."""
        self.net.eval()
        sums, count = torch.zeros(2, device=self.device), 0.0
        for on_cpu in self.whole(data):
            batch = on_cpu.to(self.device)
            outputs = self.outputs(batch)
            logs, _ = self.head.log_prob_and_entropy(outputs, batch.actions, batch.masks)
            likeliest = self.head.mode(outputs, batch.masks)
            if isinstance(self.head, Gaussian):
                right = (self.head.to_env(likeliest) - batch.actions).abs().flatten(1).mean(dim=1)
            else:
                right = (likeliest == batch.actions).reshape(len(logs), -1).all(dim=1).float()
            sums += torch.stack((-logs, right)) @ batch.weights
            count += float(batch.weights.sum())
        loss, right = (sums / max(count, 1.0)).tolist()
        name = "absolute_error" if isinstance(self.head, Gaussian) else "accuracy"
        return {"validation/loss": loss, f"validation/{name}": right}

    def state_dict(self) -> dict[str, Any]:
        """Everything but the network, for a checkpoint."""
        return {
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
            "meters": (self._loss.clone(), self._learned, self._seconds),
            "digest": self._digest,
        }

    def load_state_dict(self, checkpoint: Checkpoint) -> None:
        """Goes on from a checkpoint.

        Raises:
            InputError: If the files of episodes have changed.
        """
        state = checkpoint.state
        if state["digest"] != self._digest:
            raise InputError("the files of --episodes have changed since the run began; begin another without --resume")
        self.net.load_state_dict(checkpoint.model)
        self.optimiser.load_state_dict(state["optimiser"])
        self.generator.set_state(state["generator"])
        loss, self._learned, self._seconds = state["meters"]
        self._loss = loss.to(self.device)


def train_offline(
    algorithm: str, args: Args, make: Callable[[Args, Task], OfflineLearner[Args]], rate: Callable[[Args, int], float]
) -> Run:
    """Learns from recorded episodes, and returns the finished or stopped run, whose steps are gradient steps.

    Args:
        algorithm: Its name.
        args: The arguments.
        make: Makes the learner.
        rate: The learning rate after so many gradient steps.

    Raises:
        InputError: If arguments, files and environment do not fit.
    """
    with bad_input():
        args.check()
        args = args.smoked() if args.smoke else args
        task = Task.load(args)
        learner = make(args, task)
        run = Run(algorithm, args, task.spec)
    with run:
        step = run.step
        run.resume(learner.load_state_dict)
        if not step:
            run.log(0, learner.facts())
        while step < args.total_steps and not run.stopped:
            learning_rate = rate(args, step)
            learner.learn(learning_rate)
            before, step = step, step + 1
            if step >= args.total_steps or run.due(step, before, args.log_every):
                run.log(step, learner.metrics() | {"charts/learning_rate": learning_rate})
            run.evaluate_and_save(
                step, before, learner.policy(), learner.net, learner.state_dict, args.torch_device.type
            )
        run.finish(step)
    return run
