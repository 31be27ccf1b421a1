"""DT4IER (Liu et al., SIGIR 2024): a Decision Transformer that is asked for clicks and for retention.

    telos train dt4ier --env RetentionRec-v0 --episodes recorded.npz --seed 1
    python -m telos.baselines.dt4ier --env RetentionRec-v0 --episodes recorded.npz --target-returns 20 12

``docs/dt4ier.md`` says what is learned and logged, how it differs from the authors' code, and names the source of every
detail.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
import tyro
from gymnasium import spaces
from torch import Tensor
from torch.nn import functional

from telos.baselines import decision_transformer
from telos.baselines.action_heads import action_head
from telos.baselines.checkpoints import Checkpoint, load_model
from telos.baselines.episode_data import as_data, read_files
from telos.baselines.input_errors import InputError
from telos.baselines.networks import ObservationEncoder
from telos.baselines.offline import Batch, OfflineLearner, Task, train_offline
from telos.baselines.policies.registry import make_policy
from telos.baselines.recording import record_episodes
from telos.baselines.run import Run, command
from telos.baselines.training_envs import make_envs
from telos.baselines.two_returns import (
    ReturnBalance,
    TwoReturnPolicy,
    TwoReturnTransformer,
    goal_episode,
    goal_space,
)

__all__ = ["Args", "Learner", "load_policy", "main", "train"]

_SMOKE_EPISODES = 20
"""Episodes of random actions that --smoke records if it is given none."""


@dataclass
class Args(decision_transformer.Args):
    """A causal transformer that predicts recorded choices from two returns-to-go."""

    objectives: tuple[str, str] = ("click", "retention")
    """Names of the two reward terms, the immediate one and the long-term one."""
    target_returns: tuple[float, float] | None = None
    """The two returns that evaluations ask for; by default --proportion of the best recorded ones."""
    proportion: float = 0.8
    """Share of each term's best recorded return that evaluations ask for."""
    balance: bool = True
    """Weight the two returns-to-go for each user; otherwise they count equally."""
    inequality: float = 0.5
    """Weight of the difference between the weighted returns in the loss of the weights."""
    reward_encoder: bool = True
    """Embed returns by their likeness to buckets, otherwise linearly."""
    contrast: float = 0.1
    """Weight of the contrastive loss; 0 for none."""
    negatives: float = 0.6
    """A step is a negative if both returns-to-go are below this quantile of those at the same place in an episode."""
    target_return: tyro.conf.Suppress[float | None] = None
    wrap: tyro.conf.Suppress[tuple[str, ...]] = ()

    def check(self) -> None:
        """Raises ``InputError`` if the arguments do not fit."""
        super().check()
        self.check_least(0, "proportion", "inequality", "contrast")
        if self.objectives[0] == self.objectives[1]:
            raise InputError(f"--objectives must be two reward terms, got {self.objectives[0]} twice")
        if not 0.0 < self.negatives <= 1.0:
            raise InputError(f"--negatives must be above 0 and at most 1, got {self.negatives}")
        if self.wrap or self.target_return is not None:
            raise InputError("dt4ier counts two reward terms as recorded: it has no --wrap, and --target-returns")


class Learner(decision_transformer.Learner):
    """The learner: the transformer, the network of the weights, and their optimiser.

    Args:
        args: The arguments.
        task: What is to be learned.
    """

    args: Args
    net: TwoReturnTransformer

    def __init__(self, args: Args, task: Task) -> None:
        task = _with_returns(args, task)
        encode = ObservationEncoder(task.observations, args.torch_device)
        net = _network(args, encode, task.actions, int(task.recorded.lengths.max()))
        OfflineLearner.__init__(self, args, task, net, net.head)
        net.fit_scales(self.data.observations, self.data.returns_to_go)
        firsts = task.recorded.observations[task.recorded.starts, -2:].double()
        best = args.proportion * firsts.amax(dim=0)
        net.target.copy_(best if args.target_returns is None else torch.tensor(args.target_returns))
        self._means = firsts.mean(dim=0)
        self.optimiser = torch.optim.AdamW(net.parameters(), lr=args.learning_rate, weight_decay=args.weight_decay)
        self._low = _low_returns(self.data.observations[:, -2:], self.data.timesteps, args.negatives).to(self.device)
        self._others = torch.zeros(4, device=self.device)  # contrast, balance, weight of the first, negatives

    def learn(self, learning_rate: float) -> None:
        """Adds the losses of the weights and of contrast to the negative log-likelihood; see ``OfflineLearner``."""
        self._extra = torch.zeros((), device=self.device)
        super().learn(learning_rate)

    def outputs(self, batch: Batch) -> Tensor:
        """See ``OfflineLearner``; while learning, keeps the other losses for ``update``."""
        outputs = super().outputs(batch)
        if self.net.training:
            self._extra = self._other_losses(batch, outputs)
        return outputs

    def update(self, loss: Tensor, learning_rate: float) -> None:
        """See ``OfflineLearner``."""
        super().update(loss + self._extra, learning_rate)

    def _other_losses(self, batch: Batch, outputs: Tensor) -> Tensor:
        """The losses of the weights and of contrast."""
        _, observations, _, timesteps = batch.inputs
        assert observations is not None
        assert timesteps is not None
        observations, learned = observations.flatten(0, 1), batch.weights > 0
        users, to_go = self.net.split(observations)
        weights, zero = self.net.weights(users), outputs.new_zeros(())
        balance = zero
        if self.net.balance is not None:
            balance = ReturnBalance.loss(weights, to_go, self.args.inequality)[learned].mean()
        low = (observations[:, -2:] < self._low[timesteps.flatten()]).all(dim=1)
        contrast = zero
        if self.args.contrast:
            contrast = self._contrast(outputs, batch.actions, learned & ~low, learned & low)
        self._others += torch.stack(
            (contrast, balance, weights[learned, 0].mean(), (low & learned).sum() / learned.sum())
        ).detach()
        return balance + self.args.contrast * contrast

    def _contrast(self, outputs: Tensor, actions: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """How alike what is predicted in positive steps is to what was done in negative ones: a mean cosine."""
        if not (positive.any() and negative.any()):
            return outputs.new_zeros(())
        predicted = functional.normalize(self.net.embed_predicted(outputs[positive]), dim=1)
        avoided = functional.normalize(self.net.embed_actions(actions[negative]), dim=1)
        # The mean over all pairs.
        return predicted.mean(dim=0) @ avoided.mean(dim=0)

    def policy(self) -> TwoReturnPolicy:  # type: ignore[override]
        """See ``OfflineLearner``."""
        return TwoReturnPolicy(self.net, self.encode, self.args.context, self.args.objectives)

    def facts(self) -> dict[str, float]:
        """See ``OfflineLearner``."""
        facts = OfflineLearner.facts(self)
        for k, name in enumerate(self.args.objectives):
            facts |= {f"data/{name}": float(self._means[k]), f"data/target_{name}": float(self.net.target[k])}
        return facts

    def metrics(self) -> dict[str, float]:
        """See ``OfflineLearner``."""
        contrast, balance, weight, negatives = (self._others / self._learned).tolist()
        self._others.zero_()
        others = {"losses/contrast": contrast, "losses/balance": balance, "losses/negatives": negatives}
        return super().metrics() | others | {f"balance/{self.args.objectives[0]}": weight}

    def state_dict(self) -> dict[str, Any]:
        """See ``OfflineLearner``."""
        return super().state_dict() | {"others": self._others.clone()}

    def load_state_dict(self, checkpoint: Checkpoint) -> None:
        """See ``OfflineLearner``."""
        super().load_state_dict(checkpoint)
        self._others = checkpoint.state["others"].to(self.device)


def _with_returns(args: Args, task: Task) -> Task:
    """The same task, with the returns-to-go of the objectives in the observations."""
    if args.episodes:
        episodes, _ = read_files(args.episodes, task.observations, task.actions)
    else:
        policy = make_policy("random", args.env, args.env_kwargs, seed=args.seed)
        episodes, _ = record_episodes(
            policy, args.env, args.env_kwargs, episodes=_SMOKE_EPISODES, num_envs=4, seed=args.seed
        )
    space = goal_space(task.observations)
    told = [goal_episode(episode, args.objectives) for episode in episodes]
    data = as_data(told, ObservationEncoder(space, torch.device("cpu")), action_head(task.actions))
    return dataclasses.replace(task, observations=space, recorded=data)


def _low_returns(to_go: Tensor, timesteps: Tensor, quantile: float) -> Tensor:
    """A quantile of each return-to-go, by the place in the episode: ``(T, 2)``."""
    table = [to_go[timesteps == t].quantile(quantile, dim=0) for t in range(int(timesteps.max()) + 1)]
    return torch.stack(table)


def train(args: Args) -> Run:
    """Trains, and returns the finished or stopped run.

    Raises:
        InputError: If arguments, files and environment do not fit.
    """
    make = cast("Callable[[Args, Task], OfflineLearner[Args]]", Learner)
    return train_offline("dt4ier", args, make, _learning_rate)


def _learning_rate(args: Args, step: int) -> float:
    return args.learning_rate * min(1.0, (step + 1) / args.warmup_steps)


def load_policy(
    folder: str | Path,
    *,
    best: bool = False,
    target_returns: tuple[float, float] | None = None,
    deterministic: bool = True,
    seed: int = 0,
) -> TwoReturnPolicy:
    """Loads the policy of a run onto the CPU.

    Args:
        folder: The run's.
        best: Whether to take the best checkpoint by evaluation instead of the newest.
        target_returns: What to ask for; None for what the run's evaluations asked for.
        deterministic: As for ``TwoReturnPolicy``.
        seed: As for ``TwoReturnPolicy``.

    Raises:
        FileNotFoundError: If there is no run, or no checkpoint yet.
    """
    args = Args.of_run(folder)
    model = load_model(Path(folder), best)
    envs = make_envs(args.env, args.env_kwargs, 1)
    encode = ObservationEncoder(goal_space(envs.single_observation_space), torch.device("cpu"))
    net = _network(args, encode, envs.single_action_space, len(model["of_timestep.weight"]))
    envs.close()
    net.load_state_dict(model)
    first, second = args.objectives
    return TwoReturnPolicy(net, encode, args.context, (first, second), target_returns, deterministic, seed)


def _network(
    args: Args, encode: ObservationEncoder, actions: spaces.Space[Any], timesteps: int
) -> TwoReturnTransformer:
    net = TwoReturnTransformer(
        encode,
        actions,
        balanced=args.balance,
        bucketed=args.reward_encoder,
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
    command("telos train dt4ier", Args, train, arguments)


if __name__ == "__main__":
    main()
