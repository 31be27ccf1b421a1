"""Sim2Rec (Chen et al., ICDE 2023): a policy for users that no simulator has, learned in a set of simulators.

    telos train sim2rec --env LTSRec-v0 --env-arg gap=2 --seed 1
    python -m telos.baselines.sim2rec --env LTSRec-v0 --no-set-code --no-recurrent

``docs/sim2rec.md`` says what is seen, learned and logged, which flags make the methods that it is compared with, and
names the source of every detail.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from gymnasium.spaces import Box, Space
from numpy.typing import NDArray
from torch import Tensor

from telos.baselines import ppo
from telos.baselines.action_heads import action_head
from telos.baselines.checkpoints import load_model
from telos.baselines.context_networks import BoundedMeans, ContextActorCritic
from telos.baselines.episode_totals import EpisodeTotals
from telos.baselines.evaluation import Evaluation, NetworkPolicy, evaluate_in, shares_of
from telos.baselines.input_errors import InputError, bad_input
from telos.baselines.networks import ActorCritic, ObservationEncoder
from telos.baselines.ppo import PPO, learn, losses_of
from telos.baselines.rollouts import Batch
from telos.baselines.run import Run, command
from telos.baselines.set_vae import SetVAE, fit
from telos.baselines.simulator_set import ContextEnvs, GroupContext, SimulatorSet, simulators_of
from telos.baselines.training_envs import EVALUATION_SEED, TrainingEnvs, make_envs, training_seed
from telos.wrappers.specs import wrap

__all__ = ["Args", "ContextPolicy", "Sim2Rec", "evaluate", "load_policy", "main", "train"]

_FITTED_USERS = 4096
"""Users of each simulator whose first observations the autoencoder learns from. Ours."""

_EVALUATED_TOGETHER = 16_384


@dataclass
class Args(ppo.Args):
    """Sim2Rec: PPO over a set of simulators with a memory and a code of the group that the user is of."""

    num_envs: int = 512
    """Users that are stepped together, over all simulators."""
    num_steps: int = 35
    """Steps of each user between updates."""
    total_steps: int = 4_000_000
    """Environment steps of the whole run, over all users."""
    eval_every: int = 1_000_000
    """Steps between evaluations; the last step is always evaluated."""
    eval_episodes: int = 1024
    """Episodes of an evaluation, over all simulators; 0 for none."""
    checkpoint_every: int = 1_000_000
    """Steps between checkpoints."""
    learning_rate: float = 3e-3
    """Step size of Adam."""
    num_minibatches: int = 8
    """Minibatches of an epoch."""
    update_epochs: int = 3
    """Passes over a rollout."""
    recurrent: bool = True
    """Remember by a GRU, which sees the action before, too."""
    normalise_observations: bool = True
    """Normalise observations by their running mean and deviation."""
    normalise_rewards: bool = True
    """Divide rewards by the running deviation of discounted returns."""
    set_code: bool = True
    """Show the policy the code of its group, made by the set autoencoder."""
    code_size: int = 5
    """Numbers of the code."""
    code_updates: int = 500
    """Updates of the autoencoder, before the policy learns."""
    code_learning_rate: float = 1e-3
    """Step size of the autoencoder's first update."""
    guess_weight: float = 0.0
    """Weight of the error with which the memory guesses the hidden user, whom simulators know; only in training."""
    held_out: tuple[float, ...] = ()
    """Groups to keep out of training: evaluations, and so the choice of the best checkpoint, are then on these."""

    def check(self) -> None:
        """Raises ``InputError`` if the arguments do not fit."""
        super().check()
        self.check_least(1, "code_size", "code_updates")
        self.check_least(0, "guess_weight")

    @property
    def guesses(self) -> bool:
        """Whether the memory learns to guess the hidden user."""
        return self.recurrent and self.guess_weight > 0.0

    def smoked(self) -> Self:
        """These arguments for a run of a few updates."""
        return dataclasses.replace(
            super().smoked(), num_envs=32, total_steps=1024, eval_every=512, eval_episodes=32, code_updates=20
        )

    def simulators(self) -> tuple[dict[float, dict[str, Any]], dict[float, dict[str, Any]]]:
        """Arguments of the simulators to learn in, and of those to evaluate in, by group.

        Raises:
            InputError: If the environment has no groups, or those to hold out are none of them, or all.
        """
        found = simulators_of(self.env, self.env_kwargs)
        unknown = [group for group in self.held_out if group not in found]
        kept = {group: kwargs for group, kwargs in found.items() if group not in self.held_out}
        if unknown or not kept:
            raise InputError(f"--held-out must be some of the groups {tuple(found)}, got {self.held_out}")
        return kept, {group: found[group] for group in self.held_out} or found


class ContextPolicy(NetworkPolicy):
    """The policy of a run, for users of one group: all users of a batch are the set whose code it sees.

    Args:
        net: The network.
        context: What it sees beside observations.
        deterministic: As for ``NetworkPolicy``.
        seed: As for ``NetworkPolicy``.
    """

    def __init__(self, net: ActorCritic, context: GroupContext, deterministic: bool = True, seed: int = 0) -> None:
        device = next(net.parameters()).device
        super().__init__(net, ObservationEncoder(context.space, device), deterministic, seed)
        self._context = context

    def __call__(self, observations: Any, infos: dict[str, Any], begins: NDArray[np.bool_]) -> Any:
        """Returns a batch of actions, as ``Policy``."""
        actions = super().__call__(self._context.join(observations, begins), infos, begins)
        self._context.take(actions)
        return actions


class Sim2Rec(PPO):
    """The learner: PPO on users of all simulators, each with its context.

    Args:
        args: The arguments.
        training: The environments, not yet reset; see ``ContextEnvs``.
        extractor: What makes codes of groups; None without codes.
        observed: The space of observations without context.
        told: Numbers of the hidden user that are behind each observation.
    """

    args: Args

    def __init__(
        self, args: Args, training: TrainingEnvs, extractor: SetVAE | None, observed: Space[Any], told: int = 0
    ) -> None:
        self._told = told
        super().__init__(args, training)
        self._observed, self._extractor = observed, extractor
        if args.guesses:
            self._losses_of = _losses_with_guesses
        # Behind the optimiser, which is to leave it alone; with the network, as its checkpoints need it.
        self.net.add_module("extractor", extractor)

    def _networks(self) -> tuple[ObservationEncoder, ActorCritic]:
        envs = self.training.envs
        encode = ObservationEncoder(envs.single_observation_space, self.device)
        return encode, _network(self.args, encode, envs.single_action_space, self._told).to(self.device)

    def policy(self) -> ContextPolicy:
        """The policy as it is now."""
        context = GroupContext(
            self._observed, self.training.envs.single_action_space, self.args.recurrent, self._extractor
        )
        return ContextPolicy(self.net, context)


def train(args: Args) -> Run:
    """Trains, and returns the finished or stopped run.

    Raises:
        InputError: If arguments do not fit the environment or each other.
    """
    with bad_input():
        args.check()
        args = (args.smoked() if args.smoke else args).rounded()
        simulators, judged = args.simulators()
        learned = list(simulators.values())
        if args.num_envs < len(learned):
            raise InputError(f"--num-envs must be at least {len(learned)}, one a simulator, got {args.num_envs}")
        shares = shares_of(args.num_envs, len(learned)).tolist()
        parts = [
            make_envs(args.env, kwargs, share, same_step=True) for kwargs, share in zip(learned, shares, strict=True)
        ]
        together = SimulatorSet(parts)
        observed, acted = together.single_observation_space, together.single_action_space
        extractor = _fitted(args, learned) if args.set_code else None
        raw = EpisodeTotals(together)
        paid = EpisodeTotals(wrap(raw, *args.wrap)) if args.wrap else raw
        context = GroupContext(observed, acted, args.recurrent, extractor, together.membership)
        training = TrainingEnvs(ContextEnvs(paid, context, together if args.guesses else None), raw, paid)
        told = together.hidden_users().shape[1] if args.guesses else 0
        learner = Sim2Rec(args, training, extractor, observed, told)
        run = Run("sim2rec", args, training.spec)
    return learn(run, learner, lambda _, episodes: _evaluate(args, judged, learner.policy(), episodes))


def evaluate(
    policy: ContextPolicy, env: str, kwargs: dict[str, Any], episodes: int, seed: int = EVALUATION_SEED
) -> Evaluation:
    """Plays exactly so many episodes of one group of users, without reward wrappers.

    Args:
        policy: What acts.
        env: Gymnasium's id.
        kwargs: The environment's arguments: all its users must be of one group.
        episodes: How many, at least 1. Up to 16,384 users are played together, and are the set that the policy sees.
        seed: Seed of the first user; training uses smaller ones.
    """
    envs = make_envs(env, kwargs, min(_EVALUATED_TOGETHER, episodes), same_step=True)
    try:
        return evaluate_in(envs, policy, episodes, seed)
    finally:
        envs.close()


def _evaluate(args: Args, simulators: dict[float, dict[str, Any]], policy: ContextPolicy, episodes: int) -> Evaluation:
    """Plays a share of the episodes in each simulator."""
    shares = shares_of(max(episodes, len(simulators)), len(simulators)).tolist()
    found = [
        evaluate(policy, args.env, kwargs, share) for kwargs, share in zip(simulators.values(), shares, strict=True)
    ]
    names = found[0].terms
    return Evaluation(
        np.concatenate([part.returns for part in found]),
        np.concatenate([part.lengths for part in found]),
        {name: np.concatenate([part.terms[name] for part in found]) for name in names},
    )


def _fitted(args: Args, simulators: list[dict[str, Any]]) -> SetVAE:
    """The autoencoder, trained on first observations of users of each simulator."""
    groups = []
    for k, kwargs in enumerate(simulators):
        envs = make_envs(args.env, kwargs, _FITTED_USERS, same_step=True)
        encode = ObservationEncoder(envs.single_observation_space, torch.device("cpu"))
        observations, _ = envs.reset(seed=training_seed(args.seed + k, _FITTED_USERS, 1))
        groups.append(encode(observations).clone())
        envs.close()
    extractor = SetVAE(groups[0].shape[1], args.code_size, seed=args.seed)
    fit(extractor, groups, updates=args.code_updates, learning_rate=args.code_learning_rate, seed=args.seed)
    return extractor


def _losses_with_guesses(net: ContextActorCritic, batch: Batch, args: Args) -> tuple[Tensor, Tensor]:
    """As ``losses_of``."""
    loss, logged = losses_of(net, batch, args)
    return loss + args.guess_weight * net.guess_loss(batch.observations), logged


def _network(args: Args, encode: ObservationEncoder, actions: Space[Any], told: int) -> ActorCritic:
    common: dict[str, Any] = {
        "hidden": args.hidden,
        "values": 2 if args.two_heads else 1,
        "normalised": args.normalise_observations,
        "seed": args.seed,
    }
    head = action_head(actions)
    net = (
        ContextActorCritic(encode, head, told=told, **common) if args.recurrent else ActorCritic(encode, head, **common)
    )
    if isinstance(actions, Box) and actions.is_bounded():
        net.actor.append(BoundedMeans(actions))
    return net


def load_policy(folder: str | Path, *, best: bool = False, deterministic: bool = True, seed: int = 0) -> ContextPolicy:
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
    envs = make_envs(args.env, args.env_kwargs, 1, same_step=True)
    observed, acted = envs.single_observation_space, envs.single_action_space
    size = ObservationEncoder(observed, torch.device("cpu")).shape[0]
    extractor = SetVAE(size, args.code_size) if args.set_code else None
    context = GroupContext(observed, acted, args.recurrent, extractor)
    shown = ContextEnvs(envs, context, SimulatorSet([envs]) if args.guesses else None).single_observation_space
    envs.close()
    encode = ObservationEncoder(shown, torch.device("cpu"))
    net = _network(args, encode, acted, encode.shape[0] - context.space.shape[0])
    net.add_module("extractor", extractor)
    net.load_state_dict(load_model(Path(folder), best))
    return ContextPolicy(net, context, deterministic, seed)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the script with the command line's arguments, by default those of this process."""
    command("telos train sim2rec", Args, train, arguments)


if __name__ == "__main__":
    main()
