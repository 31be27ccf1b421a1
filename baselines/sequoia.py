"""SEQUOIA: double DQN over combinatorial actions, on open solvers.

Xu, Wilder, Khalil and Tambe, "Reinforcement learning with combinatorial actions for coupled restless bandits",
arXiv:2503.01919: a Q-network takes the observation and the joint action, and acting and learning need its maximum over
the feasible actions. A regression of one-step rewards starts it; double DQN goes on.

As in the paper: hidden layers of 16 and 32 ReLU neurons, the myopic start, 100 episodes, one gradient step for each
step of experience, and the range of exploration, discount, loss, clipping and size of the memory. Ours: the form of the
network's inputs, a skip connection, the remaining time, random actions that are held, learning rates and a target that
moves. The paper solves a mixed-integer program for every maximum. Here training follows the network's linear pieces
through the feasible set's oracle, which finds the maximum or nearly so in a fraction of the time, and the policy lists
the feasible actions where they are few enough, which is exact; see :mod:`telos.baselines.q_argmax`.

    python -m telos.baselines.sequoia --env CoRMABCapacity-v0 --out runs/sequoia.pt

```python
envs = gym.make_vec("CoRMABCapacity-v0", num_envs=20, autoreset_mode="SameStep")
policy = train(envs, [envs.unwrapped.feasible_set], SequoiaConfig())
actions = policy(states, t=0)
```
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
import tyro
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray
from torch import Tensor, nn

from telos.baselines.bandit_evaluation import evaluate_policy
from telos.baselines.experience import Player, Replay, Rows, SetOf, concatenate, feasible_set_indices
from telos.baselines.machine import describe_machine
from telos.baselines.networks import cpu_threads
from telos.baselines.progress import Bar, progress_bar
from telos.baselines.q_argmax import Argmax, Decision, LocalSearch, best_actions, make_argmax
from telos.baselines.q_network import Features, InputForm, Inputs, QNetwork, StateFeatures
from telos.envs.bandits.feasible.base import FeasibleSet
from telos.envs.bandits.relaxation import hull_bound

__all__ = ["Sequoia", "SequoiaConfig", "train"]

PREFILL = 0.8  # ours: share of the replay that starts as samples of the regression
LINEAR_STEPS = 3  # ours: of the search in training, which needs no certificate


@dataclass(frozen=True)
class SequoiaConfig:
    """Settings of :func:`train`; "ours" marks what the paper does not have.

    Attributes:
        widths: Hidden neurons of each layer.
        inputs: "gated" (ours): one-hot states, and an arm's level is multiplied by them, so that acting on an arm is
            worth something else in each state; "one_hot" (ours): one-hot states and levels; "scaled": states as numbers
            from 0 to 1.
        skip: Ours: whether the inputs are also added to the output with weights of their own.
        remaining_time: Ours: whether the share of the horizon that is left is an input.
        horizon: Steps of an episode; scales the remaining time.
        warm_samples: Random steps for the regression of one-step rewards. (About 55,000 in the paper's code.)
        warm_epochs: Passes over the samples. (300 in the paper's code.)
        warm_batch: Samples a step of the regression. (32 in the paper's code.)
        warm_learning_rate: Its first learning rate; falls to 0 along a cosine. Ours.
        episodes: Episodes of double DQN, all environments together.
        updates: Gradient steps for each step of experience.
        batch: Transitions a gradient step. (32 in the paper's code.)
        replay: Transitions kept; it starts with samples of the regression, four fifths of it. (1000 samples of
            10,000 in the paper's code.)
        learning_rate: First learning rate; falls to a twentieth along a cosine. Ours.
        target_rate: Share of the network that moves into the target network at each gradient step. Ours.
        discount: Weight of the next step's value.
        explore_first: Chance of a random action at the start.
        explore_last: Chance of a random action after long training.
        explore_decay: Steps of experience in which the excess falls by a factor e. (1000 in the paper's code.)
        hold: Ours: chance that a random action is repeated, so that rewards of acting several times are seen.
        clip: Largest norm of a gradient.
        seed: Seed of everything, environments included.
    """

    widths: tuple[int, ...] = (16, 32)
    inputs: InputForm = "gated"
    skip: bool = True
    remaining_time: bool = True
    horizon: int = 20
    warm_samples: int = 20_000
    warm_epochs: int = 20
    warm_batch: int = 256
    warm_learning_rate: float = 3e-3
    episodes: int = 100
    updates: int = 1
    batch: int = 128
    replay: int = 10_000
    learning_rate: float = 1e-3
    target_rate: float = 0.02
    discount: float = 0.99
    explore_first: float = 0.9
    explore_last: float = 0.05
    explore_decay: float = 333.0
    hold: float = 0.7
    clip: float = 5.0
    seed: int = 0


class Sequoia:
    """A trained policy: the best feasible action under the Q-network. A ``BanditPolicy``.

    Args:
        network: The Q-network.
        config: What it was trained with.
        feasible_sets: The feasible sets; they have the same arms and levels.
        features: What the network sees of an observation.
        set_of: The index of the feasible set at each observation; None where there is one set.
        argmaxes: How to maximise over each set; None chooses by its size.

    Attributes:
        history: Mean expected reward per step of training's successive horizons, exploration included.
    """

    def __init__(
        self,
        network: QNetwork,
        config: SequoiaConfig,
        feasible_sets: Sequence[FeasibleSet],
        features: Features,
        set_of: SetOf | None = None,
        argmaxes: Sequence[Argmax] | None = None,
    ) -> None:
        self.network, self.config, self.feasible_sets = network, config, feasible_sets
        self._features, self._set_of = features, set_of
        self._argmaxes = argmaxes or [make_argmax(feasible_set) for feasible_set in feasible_sets]
        self.history: list[float] = []

    def __call__(self, states: Any, t: int) -> NDArray[np.int8]:
        """Actions ``(n, action_size)`` for n observations at time ``t``."""
        return self.decide(states, t).actions

    def decide(self, observation: Any, t: int) -> Decision:
        """Actions with their values and certified upper bounds, in units of the one-step rewards' deviation."""
        sets = feasible_set_indices(self._set_of, observation)
        inputs = self._features(observation, np.full(len(sets), t))
        return best_actions(self.network.at(inputs), sets, self._argmaxes)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes weights and settings, all or nothing."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(target.name + ".partial")
        num_states = self._features.num_states if isinstance(self._features, StateFeatures) else None
        record = {"config": asdict(self.config), "shape": self.network.shape, "num_states": num_states}
        torch.save(record | {"weights": self.network.state_dict()}, partial)
        os.replace(partial, target)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        feasible_sets: Sequence[FeasibleSet],
        features: Features | None = None,
        set_of: SetOf | None = None,
        argmaxes: Sequence[Argmax] | None = None,
    ) -> Sequoia:
        """Reads what :meth:`save` wrote; ``features``, if any, and ``set_of`` must be those of the training.

        Raises:
            ValueError: If the feasible sets have other arms or levels than the training's, or features are missing.
        """
        record = torch.load(path, weights_only=True)
        config, shape = SequoiaConfig(**record["config"]), record["shape"]
        arms = (feasible_sets[0].num_arms, feasible_sets[0].num_levels)
        if shape[2:] != arms:
            raise ValueError(f"{path} was trained for (arms, levels) {shape[2:]}, the feasible sets have {arms}")
        if features is None:
            if record["num_states"] is None:
                raise ValueError(f"{path} was trained with features of its own; pass them as features=")
            features = _state_features(record["num_states"], config)
        network = QNetwork(shape[0], shape[1], *arms, config.widths, config.skip)
        network.load_state_dict(record["weights"])
        return cls(network, config, feasible_sets, features, set_of, argmaxes)


def _state_features(num_states: int, config: SequoiaConfig) -> StateFeatures:
    return StateFeatures(num_states, config.inputs, config.horizon if config.remaining_time else None)


class _Learner:
    """The network, its target and its memory; see :func:`train`."""

    def __init__(
        self, player: Player, feasible_sets: Sequence[FeasibleSet], config: SequoiaConfig, rng: np.random.Generator
    ) -> None:
        self.player, self.sets, self.config, self.rng = player, feasible_sets, config, rng
        self.argmaxes = [LocalSearch(s, LINEAR_STEPS, sweeps=0, certified=False) for s in feasible_sets]
        inputs, sets = player.see()
        arms = (feasible_sets[0].num_arms, feasible_sets[0].num_levels)
        seen = (inputs.features.shape[1], inputs.gates.shape[2])
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            self.network = QNetwork(*seen, *arms, config.widths, config.skip)
        self.target = QNetwork(*seen, *arms, config.widths, config.skip)
        self.replay = Replay(config.replay)
        self.held = self._sample(sets)

    def _sample(self, sets: NDArray[np.int64]) -> NDArray[np.int8]:
        actions = np.zeros((len(sets), self.sets[0].action_size), np.int8)
        for index in np.unique(sets):
            actions[sets == index] = self.sets[index].sample(self.rng, int((sets == index).sum()))
        return actions

    def explore(self, inputs: Inputs, sets: NDArray[np.int64]) -> NDArray[np.int8]:
        """Random feasible actions, often those of the step before."""
        keep = self.rng.random(len(sets)) < self.config.hold
        for index in np.unique(sets):
            keep[sets == index] &= self.sets[index].feasible_batch(self.held[sets == index])
        self.held = np.where(keep[:, None], self.held, self._sample(sets))
        return self.held

    def start(self, bar: Bar | None) -> None:
        """Regression of the one-step expected rewards of random actions; then the memory's first content."""
        config = self.config
        steps = -(-config.warm_samples // len(self.held))
        rows = concatenate([self.player.step(self.explore) for _ in range(steps)])
        # Episodes of equal length lose the same by the centring, so it does not change which policy is best.
        self.mean, self.scale = rows["expected"].mean(), max(float(rows["expected"].std()), 1e-6)
        levels = torch.as_tensor(self.sets[0].levels(rows["actions"]))
        inputs = (torch.as_tensor(rows["features"]), torch.as_tensor(rows["gates"]), levels)
        rewards = torch.as_tensor((rows["expected"] - self.mean) / self.scale).float()
        batches = -(-len(rewards) // config.warm_batch)
        self._begin(config.warm_learning_rate, config.warm_epochs * batches, 0.0)
        for epoch in range(config.warm_epochs):
            order = torch.as_tensor(self.rng.permutation(len(rewards)))
            for batch in torch.tensor_split(order, batches):
                loss = nn.functional.mse_loss(self.network(*(part[batch] for part in inputs)), rewards[batch])
                self._descend(loss)
            if bar is not None:
                bar.update(f"one-step rewards, loss {loss.item():.4f}", 0.2 * (epoch + 1) / config.warm_epochs)
        self.target.load_state_dict(self.network.state_dict())
        self._remember({name: values[-int(PREFILL * config.replay) :] for name, values in rows.items()})

    def learn(self, bar: Bar | None) -> list[float]:
        """Double DQN; the mean expected reward of each step of the vector environment."""
        config, history, taken = self.config, [], 0
        total = config.episodes * config.horizon
        self._begin(config.learning_rate, total * config.updates, 0.05)
        while taken < total:
            explored = config.explore_first - config.explore_last
            chance = config.explore_last + explored * np.exp(-taken / config.explore_decay)

            def choose(inputs: Inputs, sets: NDArray[np.int64], chance: float = chance) -> NDArray[np.int8]:
                best = best_actions(self.network.at(inputs), sets, self.argmaxes).actions
                return np.where(self.rng.random((len(sets), 1)) < chance, self.explore(inputs, sets), best)

            rows = self.player.step(choose)
            count = min(len(rows["rewards"]), total - taken)
            taken += count
            if count:
                history.append(float(rows["expected"].mean()))
                self._remember(rows)
            for _ in range(count * config.updates):
                self._update()
            if bar is not None and count:
                bar.update(f"double DQN, {history[-1]:.2f} a step", 0.2 + 0.8 * taken / total)
        return history

    def _remember(self, rows: Rows) -> None:
        parts = {name: values for name, values in rows.items() if name not in ("actions", "expected", "sets")}
        parts["rewards"] = ((rows["rewards"] - self.mean) / self.scale).astype(np.float32)
        self.replay.add(parts | {"levels": self.sets[0].levels(rows["actions"])})

    def _update(self) -> None:
        config, rows = self.config, self.replay.draw(self.rng, self.config.batch)
        after = Inputs(rows.pop("features_after"), rows.pop("gates_after"))
        best = best_actions(self.network.at(after), rows.pop("sets_after"), self.argmaxes).actions
        batch = {name: torch.as_tensor(values) for name, values in rows.items()}
        with torch.no_grad():
            levels = torch.as_tensor(self.sets[0].levels(best))
            later = self.target(torch.as_tensor(after.features), torch.as_tensor(after.gates), levels)
            goal = batch["rewards"] + config.discount * later * ~batch["terminated"]
        value = self.network(batch["features"], batch["gates"], batch["levels"])
        self._descend(nn.functional.smooth_l1_loss(value, goal))
        with torch.no_grad():
            for slow, fast in zip(self.target.parameters(), self.network.parameters(), strict=True):
                slow.lerp_(fast, config.target_rate)

    def _begin(self, rate: float, steps: int, last: float) -> None:
        """A new optimiser, whose rate falls along a cosine to the share ``last``."""
        weights = [weight for weight in self.network.parameters() if weight.requires_grad]
        self.optimiser = torch.optim.Adam(weights, rate, amsgrad=True)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimiser, steps, last * rate)

    def _descend(self, loss: Tensor) -> None:
        self.optimiser.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
        self.optimiser.step()
        self.schedule.step()


def train(
    envs: VectorEnv[Any, Any, Any],
    feasible_sets: Sequence[FeasibleSet],
    config: SequoiaConfig,
    features: Features | None = None,
    set_of: SetOf | None = None,
    bar: Bar | None = None,
) -> Sequoia:
    """Learns from the environments alone: nothing is known of the arms but how many, their levels and what is feasible.

    Args:
        envs: Environments that reset themselves; those whose infos have no ``expected_reward`` are learnt from rewards.
        feasible_sets: The sets of feasible joint actions; they have the same arms and levels.
        config: Settings.
        features: What the network sees of an observation; None takes it for the arms' states.
        set_of: The index of the feasible set at each observation; None where there is one set.
        bar: Shows progress.

    Raises:
        ValueError: If the environments do not reset themselves.
    """
    if features is None:
        states: Any = envs.single_observation_space
        features = _state_features(int(states.high.max()) + 1, config)
    player = Player(envs, features, set_of, config.seed)
    learner = _Learner(player, feasible_sets, config, np.random.default_rng(config.seed))
    learner.start(bar)
    steps = learner.learn(bar)
    policy = Sequoia(learner.network, config, feasible_sets, features, set_of)
    policy.history = [float(np.mean(steps[i : i + config.horizon])) for i in range(0, len(steps), config.horizon)]
    return policy


@dataclass(frozen=True)
class Args:
    """Settings of a run.

    Attributes:
        env: Id of a coupled bandit.
        num_arms: J.
        budget: B.
        instance_seed: Seed of the instance.
        num_envs: Environments side by side in training.
        evaluation_episodes: Episodes of the final score.
        out: Where to write the checkpoint; its summary goes beside it. None writes nothing.
        smoke: A short run that only shows that everything works.
        config: Settings of the training.
    """

    env: str = "CoRMABCapacity-v0"
    num_arms: int = 20
    budget: int = 5
    instance_seed: int = 20
    num_envs: int = 20
    evaluation_episodes: int = 200
    out: Path | None = None
    smoke: bool = False
    config: SequoiaConfig = field(default_factory=SequoiaConfig)


def main(args: Args) -> dict[str, Any]:
    """Trains, scores, and prints a JSON summary, which it returns."""
    with cpu_threads(1):
        return _train_and_score(args)


def _train_and_score(args: Args) -> dict[str, Any]:
    config = args.config
    if args.smoke:
        config = replace(config, warm_samples=2000, warm_epochs=5, episodes=20)
    arguments: dict[str, Any] = {"num_arms": args.num_arms, "budget": args.budget, "horizon": config.horizon}
    arguments["instance_seed"] = args.instance_seed
    if args.env == "CoRMABIntervention-v0":
        arguments["num_actions"] = args.num_arms // 2
    envs = gym.make_vec(args.env, num_envs=args.num_envs, autoreset_mode="SameStep", **arguments)
    family: Any = envs.unwrapped.family  # type: ignore[attr-defined]
    instance = family.instance
    started = time.perf_counter()
    with progress_bar("SEQUOIA") as bar:
        policy = train(envs, [instance.feasible], config, bar=bar)
    seconds = time.perf_counter() - started
    test = gym.make_vec(args.env, num_envs=args.evaluation_episodes, **arguments)
    score = evaluate_policy(test, policy, config.horizon, seed=1_000_000 * args.instance_seed)
    bound = hull_bound(instance.arms, instance.feasible, config.horizon, family.start).value / config.horizon
    record = {"args": asdict(args) | {"out": str(args.out), "config": asdict(config)}, "training_s": seconds}
    record |= {"mean": score.mean, "error": score.error, "hull_bound": bound, "of_bound": score.mean / bound}
    record |= {"history": policy.history, "machine": describe_machine()}
    print(json.dumps(record, indent=1))
    if args.out is not None:
        policy.save(args.out)
        args.out.with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n")
    return record


if __name__ == "__main__":
    main(tyro.cli(Args))
