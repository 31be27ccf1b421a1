"""The one table of policies that need no training: name, what it does, where it plays.

* ``POLICIES`` - the table
* ``make_policy`` - makes one for an environment, as ``telos.baselines.evaluation`` plays it
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import gymnasium as gym

import telos  # noqa: F401 - registers the environments
from telos.wrappers.terms import suggestion

if TYPE_CHECKING:
    from telos.baselines.evaluation import Policy

__all__ = ["POLICIES", "PolicyEntry", "call_with", "make_policy"]

_BUDGET = ("RestlessBandit-v0",)
_BANDITS = (*_BUDGET, "CoRMABIntervention-v0", "CoRMABPath-v0", "CoRMABMatching-v0", "CoRMABCapacity-v0")
_TABLES = ("LoiterChain-v0", "StepChain-v0", "DeepSea-v0", "RandomMDP-v0", "FourRooms-v0")
_PLAYERS = "telos.baselines.policies.bandit_players"


@dataclass(frozen=True)
class PolicyEntry:
    """One row of the table.

    Attributes:
        summary: What it does, in one line.
        makers: Environments to ``"module:function"``, which makes the policy from an environment, a seed and
            arguments; no environments are all others.
    """

    summary: str
    makers: Mapping[tuple[str, ...], str]

    @property
    def environments(self) -> tuple[str, ...]:
        """Where it plays; empty if everywhere."""
        return () if () in self.makers else tuple(env_id for env_ids in self.makers for env_id in env_ids)

    def maker(self, env_id: str) -> str | None:
        """What makes it for an environment; None if it does not play there."""
        return next((maker for env_ids, maker in self.makers.items() if not env_ids or env_id in env_ids), None)


def _bandit(name: str) -> dict[tuple[str, ...], str]:
    return {_BANDITS: f"{_PLAYERS}:{name}"}


def _budget(name: str) -> dict[tuple[str, ...], str]:
    return {_BUDGET: f"{_PLAYERS}:{name}"}


def _table(name: str) -> dict[tuple[str, ...], str]:
    return {_TABLES: f"telos.baselines.policies.tabular:{name}"}


POLICIES: dict[str, PolicyEntry] = {
    "random": PolicyEntry(
        "Random actions of those that are allowed: feasible ones in bandits, by the mask where there is one.",
        {**_bandit("random_feasible"), (): "telos.baselines.policies.simple:random_policy"},
    ),
    "constant": PolicyEntry("Always the same action.", {(): "telos.baselines.policies.simple:constant_policy"}),
    "optimal": PolicyEntry(
        "The exact optimum: of a table, or of a bandit with few arms.", {**_table("optimal"), **_bandit("optimal")}
    ),
    "myopic": PolicyEntry(
        "The action with the largest expected reward of the next step.", {**_table("myopic"), **_bandit("myopic")}
    ),
    "greedy": PolicyEntry(
        "The same, but a bandit's joint action is built entry by entry.", {**_table("myopic"), **_bandit("greedy")}
    ),
    "null": PolicyEntry("Acts on no arm.", _bandit("null")),
    "sampling": PolicyEntry("The best for the next step of some random feasible actions.", _bandit("sampling")),
    "prices": PolicyEntry("The best action under the values that a bound's prices give to states.", _bandit("prices")),
    "price-rollout": PolicyEntry("Improves on prices by simulation; slow.", _bandit("price_rollout")),
    "whittle": PolicyEntry("The arms with the highest Whittle index.", _budget("whittle")),
    "lp-index": PolicyEntry("Follows one fluid optimum for the whole horizon.", _budget("lp_index")),
    "lp-update": PolicyEntry("Solves the fluid problem anew from the present states; slow.", _budget("lp_update")),
    "lp-priority": PolicyEntry("The arms that gain most at the long-run optimum's price.", _budget("lp_priority")),
    "id": PolicyEntry("Arms draw what they would do alone; the first in a fixed order do it.", _budget("id_policy")),
    "ftva": PolicyEntry("Arms follow simulated arms that know no budget.", _budget("follow_virtual_advice")),
}


def make_policy(
    name: str, env_id: str, kwargs: dict[str, Any], *, seed: int = 0, arguments: Mapping[str, Any] | None = None
) -> Policy:
    """Makes a policy for an environment.

    Args:
        name: In ``POLICIES``.
        env_id: Gymnasium's id.
        kwargs: The environment's arguments.
        seed: Of the policy's own draws.
        arguments: The policy's.

    Raises:
        ValueError: If there is no such policy, it is for other environments, or its arguments are wrong.
        gymnasium.error.Error: If there is no such environment.
    """
    if name not in POLICIES:
        raise ValueError(f"there is no policy {name!r}.{suggestion(name, POLICIES)} There are: {', '.join(POLICIES)}.")
    gym.spec(env_id)
    entry = POLICIES[name]
    maker = entry.maker(env_id)
    if maker is None:
        raise ValueError(f"the policy {name!r} is not for {env_id}, but for {', '.join(entry.environments)}.")
    env = gym.make(env_id, **kwargs)
    try:
        made: Policy = call_with(resolve_name(maker), arguments or {}, f"the policy {name!r}", env, seed)
    finally:
        env.close()
    return made


def call_with(maker: Callable[..., Any], arguments: Mapping[str, Any], name: str, *given: Any, **also: Any) -> Any:
    """Calls what makes a policy with arguments that a user gave.

    Args:
        maker: What is called.
        arguments: The user's.
        name: What it makes, for messages.
        *given: What comes before the user's arguments.
        **also: What is given by name, where the maker takes it and the user did not give it.

    Raises:
        ValueError: If it has no such argument; the message names the nearest.
    """
    parameters = inspect.signature(maker).parameters
    known = list(parameters)[len(given) :]
    for argument in arguments:
        if argument not in known:
            has = f"It has: {', '.join(known)}." if known else "It has none."
            raise ValueError(f"{name} has no argument {argument!r}.{suggestion(argument, known)} {has}")
    return maker(*given, **{key: value for key, value in also.items() if key in known} | dict(arguments))
