"""The one table of environments: id, entry points, defaults.

Entry points are strings, so that ``import telos`` loads no environment and a family with a broken
dependency cannot break the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym

__all__ = ["ENVIRONMENTS", "EnvironmentEntry", "register_environments"]


@dataclass(frozen=True)
class EnvironmentEntry:
    """One row of the table.

    Attributes:
        summary: What the environment is, in one line, as ``telos list`` prints it.
        entry_point: ``"module:Class"`` of the :class:`gymnasium.Env`.
        vector_entry_point: ``"module:Class"`` of the native :class:`gymnasium.vector.VectorEnv`.
        kwargs: Default constructor arguments, all JSON-serialisable.
        nondeterministic: Whether equal seeds and actions can give different results; the environment's
            docstring says which.
    """

    summary: str
    entry_point: str
    vector_entry_point: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    nondeterministic: bool = False


ENVIRONMENTS: dict[str, EnvironmentEntry] = {
    "SWEDocker-v0": EnvironmentEntry(
        summary="Repair a real repository inside a real container; hidden tests decide.",
        entry_point="telos.envs.swe.env:SWEDockerEnv",
        vector_entry_point="telos.envs.swe.vector:SWEDockerVectorEnv",
        # Times and memory in `info`, and whatever commands print of clocks and process ids.
        nondeterministic=True,
    ),
    "SWETools-v0": EnvironmentEntry(
        summary="SWEDocker-v0 with numbered tools and features, for policies without language.",
        entry_point="telos.envs.swe.tool_actions:SWEToolsEnv",
        vector_entry_point="telos.envs.swe.tool_actions:SWEToolsVectorEnv",
        nondeterministic=True,
    ),
    "RestlessBandit-v0": EnvironmentEntry(
        summary="Many Markov chains that all move, and a budget to act on a few of them.",
        entry_point="telos.envs.bandits.env:RestlessBanditEnv",
        vector_entry_point="telos.envs.bandits.env:RestlessBanditVectorEnv",
    ),
    "CoRMABIntervention-v0": EnvironmentEntry(
        summary="Restless arms, reached by interventions that each act on several of them.",
        entry_point="telos.envs.bandits.coupled_env:CoRMABInterventionEnv",
        vector_entry_point="telos.envs.bandits.coupled_env:CoRMABInterventionVectorEnv",
    ),
    "CoRMABPath-v0": EnvironmentEntry(
        summary="Restless arms on a graph, acted on along a round trip.",
        entry_point="telos.envs.bandits.coupled_env:CoRMABPathEnv",
        vector_entry_point="telos.envs.bandits.coupled_env:CoRMABPathVectorEnv",
    ),
    "CoRMABMatching-v0": EnvironmentEntry(
        summary="Restless arms, scheduled to workers in time slots.",
        entry_point="telos.envs.bandits.coupled_env:CoRMABMatchingEnv",
        vector_entry_point="telos.envs.bandits.coupled_env:CoRMABMatchingVectorEnv",
    ),
    "CoRMABCapacity-v0": EnvironmentEntry(
        summary="Restless arms, served by workers of limited capacity.",
        entry_point="telos.envs.bandits.coupled_env:CoRMABCapacityEnv",
        vector_entry_point="telos.envs.bandits.coupled_env:CoRMABCapacityVectorEnv",
    ),
    "LTSRec-v0": EnvironmentEntry(
        summary="Clickbait pays now, satisfaction pays later: users with a hidden memory.",
        entry_point="telos.envs.recsys.lts.env:LTSRecEnv",
        vector_entry_point="telos.envs.recsys.lts.env:LTSRecVectorEnv",
    ),
    "RetentionRec-v0": EnvironmentEntry(
        summary="Clicks today, and whether the user comes back: sessions over days, users who leave.",
        entry_point="telos.envs.recsys.retention.env:RetentionRecEnv",
        vector_entry_point="telos.envs.recsys.retention.env:RetentionRecVectorEnv",
    ),
    "SlateRec-v0": EnvironmentEntry(
        summary="Slates of items for users who get bored, drift with what they click, and leave.",
        entry_point="telos.envs.recsys.slate.env:SlateRecEnv",
        vector_entry_point="telos.envs.recsys.slate.env:SlateRecVectorEnv",
    ),
    "DriverProgram-v0": EnvironmentEntry(
        summary="Coupons for drivers, who tire of them and have a budget.",
        entry_point="telos.envs.recsys.driver.env:DriverProgramEnv",
        vector_entry_point="telos.envs.recsys.driver.env:DriverProgramVectorEnv",
    ),
    "LoggedRec-v0": EnvironmentEntry(
        summary="Users fitted to logs that you supply, behind a gate on how faithful the fit is.",
        entry_point="telos.envs.recsys.logged.env:LoggedRecEnv",
        vector_entry_point="telos.envs.recsys.logged.env:LoggedRecVectorEnv",
    ),
    "Crafter-v0": EnvironmentEntry(
        summary="Survive, gather, build and mine in an open world: Crafter, for one agent or sixty-four.",
        entry_point="telos.envs.crafter.env:CrafterEnv",
        vector_entry_point="telos.envs.crafter.env:CrafterVectorEnv",
    ),
    "LoiterChain-v0": EnvironmentEntry(
        summary="Walk to the goal, or loiter and be paid for it.",
        entry_point="telos.envs.tabular.chain_env:LoiterChainEnv",
        vector_entry_point="telos.envs.tabular.chain_env:LoiterChainVectorEnv",
    ),
    "StepChain-v0": EnvironmentEntry(
        summary="Solve a chain of steps, or repeat what the step judge likes.",
        entry_point="telos.envs.tabular.chain_env:StepChainEnv",
        vector_entry_point="telos.envs.tabular.chain_env:StepChainVectorEnv",
    ),
    "DeepSea-v0": EnvironmentEntry(
        summary="A treasure that only one action sequence finds.",
        entry_point="telos.envs.tabular.env:DeepSeaEnv",
        vector_entry_point="telos.envs.tabular.env:DeepSeaVectorEnv",
    ),
    "RandomMDP-v0": EnvironmentEntry(
        summary="A random Markov decision process (Garnet).",
        entry_point="telos.envs.tabular.env:RandomMDPEnv",
        vector_entry_point="telos.envs.tabular.env:RandomMDPVectorEnv",
    ),
    "FourRooms-v0": EnvironmentEntry(
        summary="Four rooms joined by hallways, and moves that slip.",
        entry_point="telos.envs.tabular.env:FourRoomsEnv",
        vector_entry_point="telos.envs.tabular.env:FourRoomsVectorEnv",
    ),
}


def register_environments() -> None:
    """Registers every environment with Gymnasium. Safe to call any number of times."""
    for env_id, entry in ENVIRONMENTS.items():
        if env_id not in gym.registry:
            gym.register(
                id=env_id,
                entry_point=entry.entry_point,
                vector_entry_point=entry.vector_entry_point,
                kwargs=dict(entry.kwargs),
                nondeterministic=entry.nondeterministic,
                # Every environment keeps its own budget, because vector entry points must.
                max_episode_steps=None,
            )
