"""What a policy is worth: whole episodes on the unshaped reward, from seeds that training never saw.

* ``Policy`` - what is evaluated
* ``NetworkPolicy`` - the policy of a network
* ``evaluate`` - plays exactly so many episodes
* ``evaluate_in`` - the same in environments that are there; ``shares_of`` - how many episodes each plays
* ``Evaluation`` - what these were worth
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from telos.baselines.networks import ActorCritic, ObservationEncoder
from telos.baselines.stats import iqm
from telos.baselines.told_rewards import with_told_rewards
from telos.baselines.training_envs import EVALUATION_SEED, is_on_host, make_envs
from telos.envs.engine.arrays import on_host
from telos.wrappers.arrays import arrays_of
from telos.wrappers.infos import VectorInfo

__all__ = ["Evaluation", "NetworkPolicy", "Policy", "evaluate", "evaluate_in", "shares_of"]


class Policy(Protocol):
    """Acts in a batch of environments, and may remember."""

    def __call__(self, observations: Any, infos: dict[str, Any], begins: NDArray[np.bool_]) -> Any:
        """Returns a batch of actions.

        Args:
            observations: A batch of them.
            infos: What came with them.
            begins: Bool ``(n,)``, where an episode begins, and what was before is to be forgotten.
        """


@dataclass(frozen=True, eq=False)
class Evaluation:
    """N finished episodes, those of the first environment first.

    Attributes:
        returns: Undiscounted sums of the unshaped reward, float64 ``(N,)``.
        lengths: Steps, int64 ``(N,)``.
        terms: Each reward term's sum, float64 ``(N,)``, by name.
    """

    returns: NDArray[np.float64]
    lengths: NDArray[np.int64]
    terms: dict[str, NDArray[np.float64]]

    def metrics(self) -> dict[str, float]:
        """Means, and of returns also the interquartile mean and the standard deviation, as runs log them."""
        return {
            "eval/return": float(self.returns.mean()),
            "eval/return_iqm": float(iqm(self.returns)),
            "eval/return_std": float(self.returns.std()),
            "eval/length": float(self.lengths.mean()),
            **{f"eval/{name}": float(values.mean()) for name, values in self.terms.items()},
        }


class NetworkPolicy:
    """The policy of a network.

    Args:
        net: The network.
        encode: What encodes its observations.
        deterministic: Whether to take the likeliest action instead of drawing one.
        seed: Of the draws.
    """

    def __init__(self, net: ActorCritic, encode: ObservationEncoder, deterministic: bool = True, seed: int = 0) -> None:
        self._net, self._encode, self._deterministic = net, encode, deterministic
        self._generator = torch.Generator(encode.device).manual_seed(seed)
        self._memory: torch.Tensor | None = None

    @torch.no_grad()
    def __call__(self, observations: Any, infos: dict[str, Any], begins: NDArray[np.bool_]) -> Any:
        """Returns a batch of actions, as ``Policy``."""
        rows, mask = self._encode(observations), self._encode.action_mask(observations, infos)
        if self._memory is None or len(self._memory) != len(rows):
            self._memory = self._net.begin(len(rows))
        outputs, _, self._memory = self._net(rows, self._memory, torch.as_tensor(begins, device=self._encode.device))
        head = self._net.head
        actions = head.mode(outputs, mask) if self._deterministic else head.sample(outputs, mask, self._generator)
        chosen = head.to_env(actions)
        return chosen.cpu().numpy() if is_on_host(observations) else chosen


def evaluate(
    policy: Policy,
    env_id: str,
    kwargs: dict[str, Any] | None = None,
    *,
    episodes: int = 100,
    num_envs: int = 32,
    seed: int = EVALUATION_SEED,
    max_steps: int = 1_000_000,
    device: str = "cpu",
) -> Evaluation:
    """Plays exactly so many episodes in new environments without reward wrappers.

    Args:
        policy: What acts.
        env_id: Gymnasium's id.
        kwargs: The environment's arguments.
        episodes: N, at least 1.
        num_envs: Environments at a time, at most.
        seed: Seed of the first environment; training uses smaller ones, see ``training_seed``.
        max_steps: Steps of one environment after which to give up.
        device: As in ``make_envs``.

    Raises:
        ValueError: If ``episodes`` is below 1, or as ``evaluate_in`` and ``make_envs``.
    """
    if episodes < 1:
        raise ValueError(f"episodes must be at least 1, got {episodes}")
    envs = make_envs(env_id, dict(kwargs or {}), min(num_envs, episodes), device)
    try:
        return evaluate_in(envs, policy, episodes, seed, max_steps)
    finally:
        envs.close()


def shares_of(episodes: int, num_envs: int) -> NDArray[np.int64]:
    """How many episodes each environment plays, int64 ``(num_envs,)``: they differ by one at most."""
    return np.full(num_envs, episodes // num_envs) + (np.arange(num_envs) < episodes % num_envs)


def evaluate_in(
    envs: VectorEnv[Any, Any, Any], policy: Policy, episodes: int, seed: int, max_steps: int = 1_000_000
) -> Evaluation:
    """As ``evaluate``, in environments that reset themselves.

    Every environment plays a fixed share of the episodes, which differ by one at most. Whoever takes the episodes that
    end first counts short ones too often. A policy that is a ``ToldRewards`` is told what its steps pay.

    Raises:
        ValueError: If episodes do not end.
    """
    envs, n = with_told_rewards(envs, policy), envs.num_envs
    shares = shares_of(episodes, n)
    next_step = envs.metadata.get("autoreset_mode") is AutoresetMode.NEXT_STEP
    observations, infos = envs.reset(seed=seed)
    begins, waiting = np.ones(n, np.bool_), np.zeros(n, np.bool_)
    returns, lengths = np.zeros(n), np.zeros(n, np.int64)
    sums: dict[str, NDArray[np.float64]] = {}
    finished: list[tuple[int, float, int, dict[str, float]]] = []
    for _ in range(max_steps):
        observations, rewards, terminated, truncated, infos = envs.step(policy(observations, infos, begins))
        xp, active = arrays_of(rewards), ~waiting
        done = on_host(terminated | truncated) & active
        returns += np.where(active, on_host(rewards), 0.0)
        lengths += active
        for name, values in VectorInfo(infos, n, xp).read_terms(rewards, xp.asarray(active)).items():
            sums[name] = sums.get(name, 0.0) + np.where(active, on_host(values), 0.0)
        # Where the next step only resets, the episode begins after it.
        begins, waiting = (waiting, done) if next_step else (done, waiting)
        if done.any():
            for i in np.flatnonzero(done & (shares > 0)).tolist():
                terms = {name: float(total[i]) for name, total in sums.items()}
                finished.append((i, float(returns[i]), int(lengths[i]), terms))
            shares -= done
            for total in (returns, lengths, *sums.values()):
                total[done] = 0
            if (shares <= 0).all():
                break
    else:
        raise ValueError(f"an episode has not ended in {max_steps:,} steps; give the environment a max_episode_steps")
    finished.sort(key=lambda episode: episode[0])
    names = dict.fromkeys(name for *_, terms in finished for name in terms)
    return Evaluation(
        np.array([worth for _, worth, _, _ in finished]),
        np.array([length for _, _, length, _ in finished]),
        {name: np.array([terms.get(name, 0.0) for *_, terms in finished]) for name in names},
    )
