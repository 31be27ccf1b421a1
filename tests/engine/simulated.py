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
