"""The one table of training scripts, for `telos train`, `telos sweep` and `telos list`.

Entry points are strings, so that a list of them loads no PyTorch.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ALGORITHMS", "Algorithm"]


class Algorithm(NamedTuple):
    """One row of the table.

    Attributes:
        entry_point: ``"module:function"`` of what takes the command line's arguments.
        summary: What it is, in one line.
    """

    entry_point: str
    summary: str


ALGORITHMS = {
    "ppo": Algorithm("telos.baselines.ppo:main", "Proximal policy optimisation."),
    "dqn": Algorithm("telos.baselines.dqn:main", "Double deep Q-learning with n-step targets."),
    "ippo": Algorithm("telos.baselines.ippo:main", "PPO of several agents, whose critics see what their agents see."),
    "mappo": Algorithm("telos.baselines.mappo:main", "PPO of several agents with a central critic."),
    "sim2rec": Algorithm("telos.baselines.sim2rec:main", "PPO in a set of simulators, for users that none has."),
    "grpo": Algorithm("telos.baselines.grpo:main", "Group-relative policy optimisation, without a critic."),
    "swe-llm": Algorithm("telos.baselines.llm.grpo_lm:main", "GRPO of a local language model in SWEDocker-v0."),
    "bc": Algorithm("telos.baselines.bc:main", "Behaviour cloning of recorded episodes."),
    "decision-transformer": Algorithm(
        "telos.baselines.decision_transformer:main", "Recorded episodes, imitated by the return that is asked for."
    ),
    "dt4ier": Algorithm("telos.baselines.dt4ier:main", "A decision transformer for clicks and for retention."),
    "sb3-ppo": Algorithm("telos.baselines.sb3_runs:ppo", "Stable-Baselines3's PPO."),
    "sb3-dqn": Algorithm("telos.baselines.sb3_runs:dqn", "Stable-Baselines3's DQN."),
    "sb3-a2c": Algorithm("telos.baselines.sb3_runs:a2c", "Stable-Baselines3's A2C."),
}
