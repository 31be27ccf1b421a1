"""Behaviour cloning: imitates the actions of recorded episodes, readable from top to bottom.

    telos train bc --env CartPole-v1 --episodes demos.npz --seed 1
    python -m telos.baselines.bc --env CartPole-v1 --episodes demos.npz --best 0.1

``docs/offline.md`` explains every metric and names the source of every detail.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor

from telos.baselines.action_heads import action_head
from telos.baselines.episode_data import EpisodeData
from telos.baselines.evaluation import NetworkPolicy
from telos.baselines.networks import ActorCritic, ObservationEncoder, VectorAdam
from telos.baselines.offline import Batch, OfflineArgs, OfflineLearner, Task, train_offline
from telos.baselines.run import Run, command
from telos.baselines.trained_networks import load_network
from telos.wrappers.networks import RunningMoments

__all__ = ["BC", "Args", "load_policy", "main", "train"]

_VALIDATED_ROWS = 4096
"""Steps that are validated together."""


@dataclass
class Args(OfflineArgs):
    """Behaviour cloning of recorded episodes, for any space of actions."""

    learning_rate: float = 1e-3
    """Step size of Adam."""
    max_grad_norm: float = 1.0
    """Largest norm of the gradient."""
    recurrent: bool = False
    """Remember by a GRU, which learns from whole episodes: as many as have about --batch-size steps."""
    normalise_observations: bool = False
    """Normalise observations, unless images, by the mean and deviation of the data."""


class BC(OfflineLearner[Args]):
    """The learner: the policy's network and its optimiser.

    Args:
        args: The arguments.
        task: What is to be learned.

    Source: Pomerleau, ALVINN (NeurIPS 1988); the loss is the negative log-likelihood of the recorded actions.
    """

    net: ActorCritic

    def __init__(self, args: Args, task: Task) -> None:
        encode = ObservationEncoder(task.observations, args.torch_device)
        super().__init__(args, task, net := _network(args, encode, task.actions), net.head)
        self.optimiser = VectorAdam(net, epsilon=1e-8)
        self._rows = self.data.learnable.nonzero()[:, 0]
        if net.normalised:
            moments = RunningMoments(encode.shape, encode.device)
            moments.update(
                self.data.observations.to(encode.device), torch.ones(len(self.data.actions)).to(encode.device)
            )
            net.normalise_by(moments)

    def draw(self) -> Batch:
        """Draws steps, or with a memory episodes, uniformly and with replacement."""
        count, data = self.args.batch_size, self.data
        if self.net.cell is None:
            return self._steps(data, self._rows[torch.randint(len(self._rows), (count,), generator=self.generator)])
        count = max(1, round(count * len(data) / len(data.actions)))
        return self._sequences(data, torch.randint(len(data), (count,), generator=self.generator))

    def whole(self, data: EpisodeData) -> Iterator[Batch]:
        """See ``OfflineLearner``."""
        if self.net.cell is None:
            for rows in torch.split(torch.arange(len(data.actions)), _VALIDATED_ROWS):
                yield self._steps(data, rows)
        else:
            episodes = max(1, round(_VALIDATED_ROWS * len(data) / len(data.actions)))
            for some in torch.split(torch.arange(len(data)), episodes):
                yield self._sequences(data, some)

    def _steps(self, data: EpisodeData, rows: Tensor) -> Batch:
        masks = None if data.masks is None else data.masks[rows]
        inputs = (data.observations[rows], None, None)
        return Batch(inputs, data.actions[rows], masks, data.learnable[rows].float())

    def _sequences(self, data: EpisodeData, episodes: Tensor) -> Batch:
        """Whole episodes beside each other; the shorter ones repeat their last step, with weight 0."""
        lengths = data.lengths[episodes]
        steps = torch.arange(int(lengths.max()))[:, None].expand(-1, len(episodes))
        rows = (data.starts[episodes] + steps.minimum(lengths - 1)).flatten()
        batch = self._steps(data, rows)
        memory = torch.zeros(len(episodes), self.net.hidden)
        inputs = (batch.inputs[0], memory, (steps == 0).flatten())
        return batch._replace(inputs=inputs, weights=batch.weights * (steps < lengths).flatten())

    def outputs(self, batch: Batch) -> Tensor:
        """See ``OfflineLearner``."""
        observations, memory, begins = batch.inputs
        assert observations is not None
        outputs: Tensor = self.net(observations, memory, begins)[0]
        return outputs

    def update(self, loss: Tensor, learning_rate: float) -> None:
        """See ``OfflineLearner``."""
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step(learning_rate, self.args.max_grad_norm)

    def policy(self) -> NetworkPolicy:
        """See ``OfflineLearner``."""
        return NetworkPolicy(self.net, self.encode)


def train(args: Args) -> Run:
    """Trains, and returns the finished or stopped run.

    Raises:
        InputError: If arguments, files and environment do not fit.
    """
    return train_offline("bc", args, BC, lambda args, _: args.learning_rate)


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
    # Its values are left as they are.
    net = ActorCritic(
        encode,
        action_head(actions),
        hidden=args.hidden,
        recurrent=args.recurrent,
        normalised=args.normalise_observations,
        seed=args.seed,
    )
    return net.to(encode.device)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the script with the command line's arguments, by default those of this process."""
    command("telos train bc", Args, train, arguments)


if __name__ == "__main__":
    main()
