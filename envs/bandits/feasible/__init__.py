"""Sets of joint actions: what may be done in a step, and the best of it under a linear worth."""

from telos.envs.bandits.feasible.base import FeasibleSet, LinearDescription
from telos.envs.bandits.feasible.budget import BudgetSet
from telos.envs.bandits.feasible.capacity import CapacitySet
from telos.envs.bandits.feasible.intervention import InterventionSet
from telos.envs.bandits.feasible.matching import MatchingSet
from telos.envs.bandits.feasible.path import PathSet

__all__ = ["BudgetSet", "CapacitySet", "FeasibleSet", "InterventionSet", "LinearDescription", "MatchingSet", "PathSet"]
