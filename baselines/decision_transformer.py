"""The Decision Transformer (Chen et al., NeurIPS 2021): recorded actions, conditioned on the return that followed.

    telos train decision-transformer --env CartPole-v1 --episodes recorded.npz --seed 1
    python -m telos.baselines.decision_transformer --env CartPole-v1 --episodes recorded.npz --target-return 500

``docs/offline.md`` explains every metric and names the source of every detail.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor, nn

from telos.baselines.causal_transformer import DecisionTransformer, ReturnConditionedPolicy
from telos.baselines.checkpoints import load_model
from telos.baselines.episode_data import EpisodeData
from telos.baselines.input_errors import InputError
from telos.baselines.networks import ObservationEncoder
from telos.baselines.offline import Batch, OfflineArgs, OfflineLearner, Task, train_offline
from telos.baselines.run import Run, command
from telos.baselines.training_envs import make_envs

__all__ = ["Args", "Learner", "load_policy", "main", "train"]

_VALIDATED_WINDOWS = 64
"""Windows that are validated together."""


@dataclass
class Args(OfflineArgs):
    """A causal transformer that predicts recorded actions from returns-to-go, for any space of actions."""

    context: int = 20
    """K, the steps that the network sees, of which each is three tokens."""
    hidden: int = 128
    """Width of a token."""
    layers: int = 3
    """Layers of the transformer."""
    heads: int = 1
    """Heads of attention."""
    dropout: float = 0.1
    """Probability of dropout."""
    learning_rate: float = 1e-4
    """Largest step size of AdamW."""
    warmup_steps: int = 1_000
    """Gradient steps in which the step size rises from 0, linearly."""
    weight_decay: float = 1e-4
    """Weight decay of AdamW."""
    max_grad_norm: float = 0.25
    """Largest norm of the gradient."""
    target_return: float | None = None
    """Return that evaluations ask for, in the reward of --wrap; by default the best of all recorded episodes."""

    def check(self) -> None:
        """Raises ``InputError`` if the arguments do not fit."""
        super().check()
        self.check_least(1, "context", "layers", "heads", "warmup_steps")
        self.check_least(0, "weight_decay")
        if self.hidden % self.heads:
            raise InputError(f"--heads must divide --hidden, and {self.heads} does not divide {self.hidden}")
        if not 0.0 <= self.dropout < 1.0:
            raise InputError(f"--dropout must be at least 0 and below 1, got {self.dropout}")

    def smoked(self) -> Args:
        """These arguments for a run of a few gradient steps of a small network."""
        return dataclasses.replace(super().smoked(), context=5, hidden=32, layers=1, heads=1)


class Learner(OfflineLearner[Args]):
    """The learner: the transformer and its optimiser.

    Args:
        args: The arguments.
        task: What is to be learned.
    """

    net: DecisionTransformer

    def __init__(self, args: Args, task: Task) -> None:
        encode, recorded = ObservationEncoder(task.observations, args.torch_device), task.recorded
        net = _network(args, encode, task.actions, int(recorded.lengths.max()))
        super().__init__(args, task, net, net.head)
        net.fit_scales(self.data.observations, self.data.returns_to_go)
        self._target = float(recorded.returns.max()) if args.target_return is None else args.target_return
        net.target.fill_(self._target)
        self.optimiser = torch.optim.AdamW(net.parameters(), lr=args.learning_rate, weight_decay=args.weight_decay)

    def draw(self) -> Batch:
        """Draws windows that begin at any step, uniformly and with replacement; the episode's end may cut them."""
        data = self.data
        first = torch.randint(len(data.actions), (self.args.batch_size,), generator=self.generator)
        return self._windows(data, first)

    def whole(self, data: EpisodeData) -> Iterator[Batch]:
        """See ``OfflineLearner``: the windows follow each other without overlap."""
        firsts = (data.timesteps % self.args.context == 0).nonzero()[:, 0]
        for first in torch.split(firsts, _VALIDATED_WINDOWS):
            yield self._windows(data, first)

    def _windows(self, data: EpisodeData, first: Tensor) -> Batch:
        """K steps from each of these on; behind an episode's end its last one is repeated, with weight 0."""
        episodes = torch.searchsorted(data.starts, first, right=True) - 1
        ends = (data.starts + data.lengths)[episodes]
        rows = first[:, None] + torch.arange(self.args.context)
        inside = rows < ends[:, None]
        rows = rows.minimum(ends[:, None] - 1)
        flat = rows.flatten()
        return Batch(
            (
                data.returns_to_go[rows].float(),
                data.observations[rows],
                data.actions[rows],
                rows - data.starts[episodes][:, None],
            ),
            data.actions[flat],
            None if data.masks is None else data.masks[flat],
            (data.learnable[flat] & inside.flatten()).float(),
        )

    def outputs(self, batch: Batch) -> Tensor:
        """See ``OfflineLearner``."""
        outputs: Tensor = self.net(*batch.inputs)
        return outputs.flatten(0, 1)

    def update(self, loss: Tensor, learning_rate: float) -> None:
        """See ``OfflineLearner``."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.net.parameters(), self.args.max_grad_norm)
        self.optimiser.step()

    def policy(self) -> ReturnConditionedPolicy:
        """See ``OfflineLearner``."""
        return ReturnConditionedPolicy(self.net, self.encode, self.args.context, self._target, tuple(self.args.wrap))

    def facts(self) -> dict[str, float]:
        """See ``OfflineLearner``."""
        return super().facts() | {"data/target_return": self._target}


def train(args: Args) -> Run:
    """Trains, and returns the finished or stopped run.

    Raises:
        InputError: If arguments, files and environment do not fit.
    """
    return train_offline("decision-transformer", args, Learner, _learning_rate)


def _learning_rate(args: Args, step: int) -> float:
    return args.learning_rate * min(1.0, (step + 1) / args.warmup_steps)


def load_policy(
    folder: str | Path,
    *,
    best: bool = False,
    target_return: float | None = None,
    deterministic: bool = True,
    seed: int = 0,
) -> ReturnConditionedPolicy:
    """Loads the policy of a run onto the CPU.

    Args:
        folder: The run's.
        best: Whether to take the best checkpoint by evaluation instead of the newest.
        target_return: What to ask for; None for what the run's evaluations asked for.
        deterministic: As for ``ReturnConditionedPolicy``.
        seed: As for ``ReturnConditionedPolicy``.

    Raises:
        FileNotFoundError: If there is no run, or no checkpoint yet.
    """
    args = Args.of_run(folder)
    model = load_model(Path(folder), best)
    envs = make_envs(args.env, args.env_kwargs, 1)
    encode = ObservationEncoder(envs.single_observation_space, torch.device("cpu"))
    net = _network(args, encode, envs.single_action_space, len(model["of_timestep.weight"]))
    envs.close()
    net.load_state_dict(model)
    return ReturnConditionedPolicy(
        net, encode, args.context, target_return, tuple(args.wrap), deterministic=deterministic, seed=seed
    )


def _network(args: Args, encode: ObservationEncoder, actions: spaces.Space[Any], timesteps: int) -> DecisionTransformer:
    net = DecisionTransformer(
        encode,
        actions,
        width=args.hidden,
        layers=args.layers,
        heads=args.heads,
        dropout=args.dropout,
        timesteps=timesteps,
        seed=args.seed,
    )
    return net.to(encode.device)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the script with the command line's arguments, by default those of this process."""
    command("telos train decision-transformer", Args, train, arguments)


if __name__ == "__main__":
    main()
