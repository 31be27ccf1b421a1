"""The simulated environments of the registry, and how the contract tests make them."""

import importlib

from telos.envs.engine.env import SimulatedEnv
from telos.envs.recsys.logged.example import example_root
from telos.envs.registry import ENVIRONMENTS


def class_of(entry_point):
    """The class at ``"module:Class"``."""
    module, _, name = entry_point.partition(":")
    return getattr(importlib.import_module(module), name)


SIMULATED = [env_id for env_id, entry in ENVIRONMENTS.items() if issubclass(class_of(entry.entry_point), SimulatedEnv)]
#: Actions are sampled, so invalid ones must be mended.
KWARGS = {
    env_id: {"invalid": "project"} if ENVIRONMENTS[env_id].entry_point.startswith("telos.envs.bandits") else {}
    for env_id in SIMULATED
}
# Episodes that end within the few steps of a test.
KWARGS |= {
    "RandomMDP-v0": {"horizon": 20},
    "FourRooms-v0": {"goal": [1, 2], "start": [1, 1]},
    "LTSRec-v0": {"horizon": 20},
    "Crafter-v0": {"size": [16, 16], "length": 20},
    "RetentionRec-v0": {"horizon": 8},
    "LoggedRec-v0": {"data_root": example_root(), "days": 1},
    "DriverProgram-v0": {"horizon": 14, "action": "grid"},
    "SlateRec-v0": {"num_items": 40, "num_topics": 6, "slate_size": 4, "horizon": 20, "patience": [3.0, 20.0]},
}
#: Environments in which nothing is drawn at random.
WITHOUT_LUCK = ("LoiterChain-v0", "DeepSea-v0")
#: Arguments that change rules, observations or state, to be tested like environments of their own.
VARIANTS = {
    "DriverProgram-v0 by position": {
        "action": "continuous",
        "observe_driver": True,
        "observe_history": False,
        "budget": 20.0,
    },
    "CoRMABCapacity-v0 with contagion": {"contagion": 0.5, "certify": True},
    "CoRMABMatching-v0 with a cap and features": {"reward_cap": 3.0, "features": True},
    "CoRMABPath-v0 that roams": {"persistent": True},
    "RestlessBandit-v0 half seen": {"observe": "acted_on", "horizon": 6, "certify": True},
    "StepChain-v0 one-hot": {"observation": "one_hot"},
    "DeepSea-v0 that is stochastic": {"stochastic": True, "observation": "one_hot"},
    "SlateRec-v0 that is bored of all": {
        "boredom": "all",
        "boredom_threshold": 2,
        "remembered_clicks": 3,
        "slope": 10.0,
        "new_items": 0.5,
    },
    "LoggedRec-v0 with slates": {"slate": 3, "weights": {"long_view": 1.0, "hate": -1.0, "return_day": -0.25}},
    "RetentionRec-v0 of two topics": {
        **{"slate_size": 2, "taste": [2.0, 1.0], "clickbait_levels": 2, "requests": 2, "horizon": 5},
        **{"recent_discount": 0.5, "satisfaction_levels": 7, "churn_probability": [0.5, 0.2]},
    },
    "Crafter-v0 of the paper": {"costs": "damcs", "hostile": False, "goal": "collect_wood", "strict": False},
    "LTSRec-v0 by position": {
        "action": "continuous",
        "observe_user": True,
        "observe_time": True,
        "innovation_std": 0.05,
    },
}


def arguments_of(case):
    """The id and the arguments of an environment or a variant."""
    env_id = case.split()[0]
    return env_id, KWARGS[env_id] | VARIANTS.get(case, {})
