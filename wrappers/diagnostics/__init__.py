"""How far apart two reward functions are, and whether training farms the one at the other's expense.

* ``starc_distance`` - bounds the regret of optimising one reward instead of the other
* ``epic_distance``, ``dard_distance`` - its forerunners, by Pearson correlation
* ``normalised_regret`` - what they predict: how much optimising one reward loses in the other
* ``hacking_gap`` - rank correlation of total and outcome rewards over training; negative means hacking
* ``reward_report`` - what a wrapper, or each of a stack, did to the rewards of logged episodes

The three distances are exact and take arrays over states and actions. Where there are only transitions, the
``sampled_`` forms take batches of them.
"""

from telos.wrappers.diagnostics.distances import dard_distance, epic_distance, normalised_regret, starc_distance
from telos.wrappers.diagnostics.hacking import hacking_gap
from telos.wrappers.diagnostics.report import RewardChange, RewardReport, TermChange, reward_report
from telos.wrappers.diagnostics.sampled import (
    sampled_dard_distance,
    sampled_epic_distance,
    sampled_starc_distance,
)

__all__ = [
    "RewardChange",
    "RewardReport",
    "TermChange",
    "dard_distance",
    "epic_distance",
    "hacking_gap",
    "normalised_regret",
    "reward_report",
    "sampled_dard_distance",
    "sampled_epic_distance",
    "sampled_starc_distance",
    "starc_distance",
]
