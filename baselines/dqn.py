"""Double deep Q-learning (van Hasselt et al., 2016) with n-step returns, readable from top to bottom.

    python -m telos.baselines.dqn --env CartPole-v1 --seed 1
    telos train dqn --env LoiterChain-v0 --wrap "gated:threshold=0.5" --seed 1

``docs/dqn.md`` explains every metric and names the source of every detail.
"""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from gymnasium import spaces
from gymnasium.logger import warn
from torch import Tensor, nn
from torch.nn import functional

from telos.baselines.action_values import ActionValues, GreedyPolicy, greedy
from telos.baselines.checkpoints import Checkpoint
from telos.baselines.input_errors import InputError, bad_input
from telos.baselines.networks import ObservationEncoder, VectorAdam
from telos.baselines.replay import Batch, Player, Replay, Window
from telos.baselines.run import Run, command
from telos.baselines.run_args import RunArgs
from telos.baselines.trained_networks import load_network
from telos.baselines.training_envs import (
    TrainingEnvs,
    load_envs,
    make_training_envs,
    save_envs,
    training_seed,
)

__all__ = ["DQN", "Args", "double_q_targets", "load_policy", "main", "train"]


@dataclass
class Args(RunArgs):
    """Double deep Q-learning from uniform replay, for discrete actions."""

    num_envs: int = 8
    """Environments that are stepped together."""
    learning_rate: float = 5e-4
    """Step size of Adam."""
    buffer_size: int = 100_000
    """Transitions that are remembered; checkpoints hold them all."""
    batch_size: int = 128
    """Transitions of a gradient step."""
    gamma: float = 0.99
    """Discount of the reward."""
    n_step: int = 3
    """Rewards that are summed before the value that follows is estimated."""
    learning_starts: int = 1_000
    """Steps before the first gradient step."""
    train_frequency: int = 4
    """Steps between gradient steps; with more environments than that, several gradient steps follow each other."""
    target_frequency: int = 250
    """Steps between copies of the network to the target network."""
    epsilon_start: float = 1.0
    """Probability of a random action at first."""
    epsilon_end: float = 0.05
    """Probability of a random action at last."""
    exploration_fraction: float = 0.2
    """Part of the run in which that probability falls, linearly."""
    max_grad_norm: float = 10.0
    """Largest norm of the gradient."""
    hidden: int = 128
    """Units of each of the two hidden layers."""
    log_every: int = 2_000
    """Steps between lines of the log."""

    def check(self) -> None:
        """Raises ``InputError`` if the arguments do not fit."""
        super().check()
        self.check_least(1, "batch_size", "n_step", "train_frequency", "target_frequency", "hidden", "log_every")
        if self.buffer_size < self.n_step * self.num_envs:
            raise InputError(f"--buffer-size must be at least n-step * num-envs, {self.n_step * self.num_envs}")
        for name in ("gamma", "epsilon_start", "epsilon_end", "exploration_fraction"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise InputError(f"--{name.replace('_', '-')} must be from 0 to 1, got {getattr(self, name)}")

    def epsilon(self, step: int) -> float:
        """The probability of a random action after so many steps."""
        falling = self.exploration_fraction * self.total_steps
        done = min(1.0, step / falling) if falling else 1.0
        return self.epsilon_start + done * (self.epsilon_end - self.epsilon_start)

    def smoked(self) -> Args:
        """These arguments for a run of some gradient steps."""
        small: dict[str, Any] = {"num_envs": 4, "buffer_size": 1_000, "batch_size": 16, "learning_starts": 64}
        often: dict[str, Any] = {"eval_every": 256, "checkpoint_every": 256, "log_every": 128, "target_frequency": 64}
        return dataclasses.replace(self, **small, **often, total_steps=512, eval_episodes=4)


@torch.no_grad()
def double_q_targets(batch: Batch, net: nn.Module, target: nn.Module) -> Tensor:
    """What the values of a batch's actions should be, ``(B,)``: the target network values the network's best action.

    Source: van Hasselt, Guez and Silver, Deep Reinforcement Learning with Double Q-learning (AAAI 2016), equation 4.
    """
    best = greedy(net(batch.following), batch.masks)
    values: Tensor = target(batch.following).gather(1, best[:, None])[:, 0]
    return batch.returns + batch.discounts * values


class DQN:
    """The learner: environments, networks, optimiser, replay, and all that must be saved.

    Args:
        args: The arguments.
        training: The environments, not yet reset.

    Raises:
        InputError: If actions are not ``Discrete``.
    """

    def __init__(self, args: Args, training: TrainingEnvs) -> None:
        self.args, self.training, self.device = args, training, args.torch_device
        self.encode = ObservationEncoder(training.envs.single_observation_space, self.device)
        self.net = _network(args, self.encode, training.envs.single_action_space)
        self._target = copy.deepcopy(self.net)
        self._optimiser = VectorAdam(self.net, epsilon=1e-8)
        self._generator = torch.Generator(self.device).manual_seed(args.seed)
        self._replay: Replay | None = None
        self._sums, self._updates = torch.zeros(2, device=self.device), 0
        self._seconds = {"env": 0.0, "infer": 0.0, "update": 0.0}

    def begin(self, resumes: int = 0) -> None:
        """Begins all episodes; those of a resumed run, whose number of steps this is, are others."""
        self._player = Player(self.training.envs, self.net.actions, self.encode)
        self._player.begin(training_seed(self.args.seed, self.args.num_envs, resumes))
        observations, masks = self._player.observations, self._player.masks
        self._window = Window(self.args.n_step, self.args.gamma, observations)
        if self._replay is None:
            none = torch.zeros(0, device=self.device)
            masks = None if masks is None else masks[:0]
            example = Batch(observations[:0], none.long(), none, observations[:0], none, masks)
            self._replay = Replay(self.args.buffer_size, example)

    @torch.no_grad()
    def collect(self, epsilon: float) -> None:
        """Takes a step in every environment, at random with a probability, and remembers what it completes."""
        began = time.perf_counter()
        observations, masks = self._player.observations, self._player.masks
        values = self.net(observations)
        draws = torch.rand((len(values), values.shape[1] + 1), generator=self._generator, device=self.device)
        explored, best = greedy(draws[:, 1:], masks), greedy(values, masks)
        actions = torch.where(draws[:, 0] < epsilon, explored, best)
        step, seconds = self._player.step(actions)
        assert self._replay is not None
        self._replay.add(self._window.add(observations, actions, step))
        self._seconds["env"] += seconds
        self._seconds["infer"] += time.perf_counter() - began - seconds

    def learn(self, count: int) -> None:
        """Takes so many gradient steps."""
        began = time.perf_counter()
        assert self._replay is not None
        for _ in range(count if len(self._replay) else 0):
            batch = self._replay.sample(self.args.batch_size, self._generator)
            targets = double_q_targets(batch, self.net, self._target)
            values = self.net(batch.observations).gather(1, batch.actions[:, None])[:, 0]
            loss = functional.smooth_l1_loss(values, targets)
            self._optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimiser.step(self.args.learning_rate, self.args.max_grad_norm)
            self._sums += torch.stack((loss.detach(), values.detach().mean()))
            self._updates += 1
        self._seconds["update"] += time.perf_counter() - began

    def copy_to_target(self) -> None:
        """Makes the target network the same as the network."""
        self._target.load_state_dict(self.net.state_dict())

    def metrics(self) -> dict[str, float]:
        """What to log since the last call."""
        metrics = self.training.episode_metrics() | {f"time/{name}": value for name, value in self._seconds.items()}
        if self._updates:
            loss, values = (self._sums / self._updates).tolist()
            metrics |= {"losses/td_loss": loss, "losses/q_values": values}
        self._sums.zero_()
        self._updates, self._seconds = 0, dict.fromkeys(self._seconds, 0.0)
        return metrics

    def state_dict(self) -> dict[str, Any]:
        """Everything but the network, for a checkpoint."""
        assert self._replay is not None
        return {
            "target": self._target.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "generator": self._generator.get_state(),
            "replay": self._replay.state_dict(),
            "window": self._window.state_dict(),
            "player": self._player.state_dict(),
            "meters": (self._sums, self._updates, self._seconds),
            "envs": save_envs(self.training),
        }

    def load_state_dict(self, checkpoint: Checkpoint) -> None:
        """Goes on from a checkpoint; episodes have begun."""
        state = checkpoint.state
        self.net.load_state_dict(checkpoint.model)
        self._target.load_state_dict(state["target"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._generator.set_state(state["generator"])
        assert self._replay is not None
        self._replay.load_state_dict(state["replay"])
        sums, self._updates, self._seconds = state["meters"]
        self._sums = sums.to(self.device)
        self.training, whole = load_envs(state["envs"], self.training)
        if whole:
            self._window.load_state_dict(state["window"])
            self._player = Player(self.training.envs, self.net.actions, self.encode)
            self._player.load_state_dict(state["player"])
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
        args = dataclasses.replace(args, total_steps=-(-args.total_steps // args.num_envs) * args.num_envs)
        device = args.torch_device.type
        learner = DQN(args, make_training_envs(args.env, args.env_kwargs, args.num_envs, args.wrap, device))
        run = Run("dqn", args, learner.training.spec)
    with run:
        step = run.step
        learner.begin()
        run.resume(learner.load_state_dict)
        while step < args.total_steps and not run.stopped:
            epsilon, before, step = args.epsilon(step), step, step + args.num_envs
            learner.collect(epsilon)
            if step >= args.learning_starts:
                learner.learn(step // args.train_frequency - before // args.train_frequency)
            if run.due(step, before, args.target_frequency):
                learner.copy_to_target()
            if step >= args.total_steps or run.due(step, before, args.log_every):
                charts = {"charts/learning_rate": args.learning_rate, "charts/epsilon": epsilon}
                run.log(step, learner.metrics() | charts)
            policy = GreedyPolicy(learner.net, learner.encode)
            run.evaluate_and_save(step, before, policy, learner.net, learner.state_dict, device)
        run.finish(step)
    learner.training.envs.close()
    return run


def load_policy(folder: str | Path, *, best: bool = False) -> GreedyPolicy:
    """Loads the policy of a run onto the CPU.

    Args:
        folder: The run's.
        best: Whether to take the best checkpoint by evaluation instead of the newest.

    Raises:
        FileNotFoundError: If there is no run, or no checkpoint yet.
    """
    args = Args.of_run(folder)
    net, encode = load_network(folder, args, partial(_network, args), best)
    return GreedyPolicy(net, encode)


def _network(args: Args, encode: ObservationEncoder, actions: spaces.Space[Any]) -> ActionValues:
    if not isinstance(actions, spaces.Discrete):
        raise InputError(f"dqn needs Discrete actions, and {args.env} has {actions}; ppo takes these: telos train ppo")
    return ActionValues(encode, actions, args.hidden, args.seed).to(encode.device)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the script with the command line's arguments, by default those of this process."""
    command("telos train dqn", Args, train, arguments)


if __name__ == "__main__":
    main()
