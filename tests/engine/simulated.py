"""The simulated environments of the registry, and how the contract tests make them."""

import importlib

from telos.envs.engine.env import SimulatedEnv
from telos.envs.registry import ENVIRONMENTS


def class_of(entry_point):
    """The class at ``"module:Class"``."""
    module, _, name = entry_point.partition(":")
    return getattr(importlib.import_module(module), name)


SIMULATED = [env_id for env_id, entry in ENVIRONMENTS.items() if issubclass(class_of(entry.entry_point), SimulatedEnv)]
#: Actions are sampled, so invalid ones must be mended.
KWARGS = {env_id: {"invalid": "project"} for env_id in SIMULATED}
#: Arguments that change rules, observations or state, to be tested like environments of their own.
VARIANTS = {
    "CoRMABCapacity-v0 with contagion": {"contagion": 0.5, "certify": True},
    "CoRMABMatching-v0 with a cap and features": {"reward_cap": 3.0, "features": True},
    "CoRMABPath-v0 that roams": {"persistent": True},
    "RestlessBandit-v0 half seen": {"observe": "acted_on", "horizon": 6, "certify": True},
}


def arguments_of(case):
    """The id and the arguments of an environment or a variant."""
    env_id = case.split()[0]
    return env_id, KWARGS[env_id] | VARIANTS.get(case, {})
