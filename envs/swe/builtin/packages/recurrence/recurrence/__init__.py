"""Calendar recurrences: rules, their expansion, and schedules with exceptions."""

from recurrence.expand import occurrences
from recurrence.rule import Freq, MonthEnd, NthWeekday, Rule, RuleError
from recurrence.schedule import Schedule
from recurrence.text import describe

__all__ = [
    "Freq",
    "MonthEnd",
    "NthWeekday",
    "Rule",
    "RuleError",
    "Schedule",
    "describe",
    "occurrences",
]
