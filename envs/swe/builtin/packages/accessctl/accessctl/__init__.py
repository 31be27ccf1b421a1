"""Role-based access control with allow and deny rules that can be explained."""

from accessctl.conditions import (
    Attributes,
    Condition,
    all_of,
    any_of,
    at_most,
    equals,
    not_,
    one_of,
)
from accessctl.patterns import PatternError, matches, specificity
from accessctl.policy import Decision, Effect, Policy, Rule
from accessctl.roles import RoleError, RoleGraph

__all__ = [
    "Attributes",
    "Condition",
    "Decision",
    "Effect",
    "PatternError",
    "Policy",
    "RoleError",
    "RoleGraph",
    "Rule",
    "all_of",
    "any_of",
    "at_most",
    "equals",
    "matches",
    "not_",
    "one_of",
    "specificity",
]
