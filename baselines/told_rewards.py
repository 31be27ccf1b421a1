"""Policies that must know what their steps paid, such as those that act for a return that is still to come.

* ``ToldRewards`` - such a policy
* ``with_told_rewards`` - environments that tell it
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from gymnasium.vector import VectorEnv, VectorWrapper

from telos.wrappers.specs import wrap

__all__ = ["ToldRewards", "with_told_rewards"]


@runtime_checkable
class ToldRewards(Protocol):
    """A policy that is told what each step paid.

    Attributes:
        reward_wrappers: Specs of reward wrappers, see ``telos.wrappers.specs``: it is told what these pay, whatever it
            is evaluated by.
    """

    reward_wrappers: tuple[str, ...]

    def receive(self, rewards: Any) -> None:
        """Takes in what the step after the last actions paid, ``(n,)``, an array or a tensor."""


def with_told_rewards(envs: VectorEnv[Any, Any, Any], policy: object) -> VectorEnv[Any, Any, Any]:
    """Returns environments that pay and say the same as ``envs`` and tell a policy what its reward wrappers would pay.

    Args:
        envs: The environments, without reward wrappers.
        policy: Any policy; if it is no ``ToldRewards``, ``envs`` are returned.
    """
    if not isinstance(policy, ToldRewards):
        return envs
    raw = _Last(envs)
    return _Teller(wrap(raw, *policy.reward_wrappers), raw, policy)


class _Last(VectorWrapper[Any, Any, Any, Any, Any]):
    """Keeps what its last step returned beside observations."""

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        step = super().step(actions)
        self.rewards, self.infos = step[1], step[4]
        return step


class _Teller(VectorWrapper[Any, Any, Any, Any, Any]):
    """Tells a policy the rewards, and returns those below the reward wrappers."""

    def __init__(self, env: VectorEnv[Any, Any, Any], raw: _Last, policy: ToldRewards) -> None:
        super().__init__(env)
        self._raw, self._policy = raw, policy

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        observations, paid, terminated, truncated, _ = super().step(actions)
        self._policy.receive(paid)
        return observations, self._raw.rewards, terminated, truncated, self._raw.infos
