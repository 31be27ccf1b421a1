"""Multi-agent PPO (Yu et al., NeurIPS 2022): one policy for all agents, and a critic that sees the whole state.

    python -m telos.baselines.mappo --env pettingzoo.sisl.pursuit_v5 --seed 1
    telos train mappo --env my_package.my_module:parallel_env --env-arg num_agents=4

``docs/mappo.md`` says what is seen, learned and logged, and names the source of every detail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from telos.baselines import ppo
from telos.baselines.action_heads import action_head
from telos.baselines.agent_networks import AgentActorCritic, AgentEncoder
from telos.baselines.checkpoints import Checkpoint, load_model
from telos.baselines.evaluation import Evaluation, NetworkPolicy, Policy
from telos.baselines.input_errors import bad_input
from telos.baselines.networks import ActorCritic, ObservationEncoder
from telos.baselines.ppo import PPO, learn
from telos.baselines.rollouts import Batch, Rollout
from telos.baselines.run import Run, command
from telos.baselines.team_envs import make_agent_envs, make_training_teams
from telos.baselines.team_totals import TeamTotals, evaluate_team
from telos.baselines.training_envs import EVALUATION_SEED, TrainingEnvs
from telos.wrappers.networks import RunningMoments

__all__ = ["MAPPO", "Args", "evaluate", "load_policy", "main", "train"]

_SMALLEST_DEVIATION = 1e-2
"""Of returns, when values are normalised: smaller ones would make noise of them. Ours."""

_EVALUATED_TOGETHER = 32


@dataclass
class Args(ppo.Args):
    """Multi-agent proximal policy optimisation with a critic that sees the whole state."""

    algorithm: ClassVar[str] = "mappo"
    central: ClassVar[bool] = True

    env: str
    """A PettingZoo module such as pettingzoo.sisl.pursuit_v5, an import path package.module:callable, or an id."""
    num_minibatches: int = 1
    """Minibatches of an epoch."""
    update_epochs: int = 10
    """Passes over a rollout."""
    normalise_values: bool = True
    """Let the critic learn returns in units of their running deviation, from their running mean."""


class MAPPO(PPO):
    """The learner: PPO on a row for each agent of each environment.

    Steps of agents that are gone are no part of advantages, losses and statistics. Bonuses end with an agent's episode.

    Args:
        args: The arguments.
        training: The environments, not yet reset.
    """

    args: Args

    def __init__(self, args: Args, training: TrainingEnvs) -> None:
        super().__init__(args, training)
        self._episodic = torch.ones_like(self._episodic)
        self._worth = RunningMoments(tuple(self._gammas.shape), self.device)

    def _networks(self) -> tuple[ObservationEncoder, ActorCritic]:
        return _networks(self.args, self.training.envs, self.device)

    def _scale(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of returns by which the critic's values are normalised now."""
        mean = self._worth.mean.float()
        if not self.args.normalise_values or not self._worth.count:
            return torch.zeros_like(mean), torch.ones_like(mean)
        return mean, self._worth.std.float().clamp(min=_SMALLEST_DEVIATION)

    def _update(self, rollout: Rollout, learning_rate: float) -> dict[str, float]:
        mean, deviation = self._scale()
        for values in (rollout.values, rollout.finals):
            values.mul_(deviation).add_(mean)
        return super()._update(rollout, learning_rate)

    def _batch(self, rollout: Rollout) -> tuple[Batch, Tensor]:
        batch, returns = super()._batch(rollout)
        self._worth.update(returns.flatten(0, 1), rollout.learnable.flatten().to(returns.dtype))
        mean, deviation = self._scale()
        batch = batch._replace(returns=(returns - mean) / deviation)
        if batch.weights is not None and batch.memory is None:
            # Steps of agents that are gone would only fill up minibatches.
            kept = batch.flat().pick(rollout.learnable.flatten())._replace(weights=None)
            batch = Batch(*(None if part is None else part[None] for part in kept))  # type: ignore[arg-type]
        return batch, returns

    def state_dict(self) -> dict[str, Any]:
        """Everything but the network, for a checkpoint."""
        return super().state_dict() | {"worth": self._worth.state_dict()}

    def load_state_dict(self, checkpoint: Checkpoint) -> None:
        """Goes on from a checkpoint."""
        super().load_state_dict(checkpoint)
        self._worth.load_state_dict(checkpoint.state["worth"])


def train(args: Args) -> Run:
    """Trains, and returns the finished or stopped run.

    Raises:
        InputError: If arguments do not fit the environment or each other.
    """
    with bad_input():
        args.check()
        args = (args.smoked() if args.smoke else args).rounded()
        training = make_training_teams(
            args.env, args.env_kwargs, args.num_envs, args.wrap, args.torch_device.type, args.central
        )
        learner = MAPPO(args, training)
        run = Run(args.algorithm, args, training.spec)
    return learn(run, learner, lambda policy, episodes: evaluate(args, policy, episodes))


def evaluate(args: Args, policy: Policy, episodes: int = 100, seed: int = EVALUATION_SEED) -> Evaluation:
    """Plays exactly so many episodes in new environments without reward wrappers; see ``evaluate_team``.

    Args:
        args: Whose environment, and which critic the policy comes with.
        policy: What acts for all agents.
        episodes: How many, at least 1.
        seed: Seed of the first environment; training uses smaller ones.
    """
    together = min(_EVALUATED_TOGETHER, episodes)
    device = args.torch_device.type
    envs = TeamTotals(make_agent_envs(args.env, args.env_kwargs, together, (), device, args.central))
    try:
        return evaluate_team(envs, policy, episodes, seed)
    finally:
        envs.close()


def load_policy(
    folder: str | Path, *, best: bool = False, deterministic: bool = True, seed: int = 0, arguments: type[Args] = Args
) -> NetworkPolicy:
    """Loads the policy of a run onto the CPU; it acts in ``AgentEnvs``.

    Args:
        folder: The run's.
        best: Whether to take the best checkpoint by evaluation instead of the newest.
        deterministic: As for ``NetworkPolicy``.
        seed: As for ``NetworkPolicy``.
        arguments: Those of the script that wrote the run.

    Raises:
        FileNotFoundError: If there is no run, or no checkpoint yet.
    """
    args = arguments.of_run(folder)
    envs = make_agent_envs(args.env, args.env_kwargs, 1, central=args.central)
    encode, net = _networks(args, envs, torch.device("cpu"))
    envs.close()
    net.load_state_dict(load_model(Path(folder), best))
    return NetworkPolicy(net, encode, deterministic, seed)


def _networks(args: Args, envs: Any, device: torch.device) -> tuple[AgentEncoder, AgentActorCritic]:
    encode = AgentEncoder(envs.single_observation_space, device)
    net = AgentActorCritic(
        encode,
        action_head(envs.single_action_space),
        hidden=args.hidden,
        values=2 if args.two_heads else 1,
        recurrent=args.recurrent,
        normalised=args.normalise_observations,
        seed=args.seed,
    )
    return encode, net.to(device)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the script with the command line's arguments, by default those of this process."""
    command("telos train mappo", Args, train, arguments)


if __name__ == "__main__":
    main()
