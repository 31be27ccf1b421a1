"""Declarative hierarchical state machines."""

from statemachine.definition import Context, Definition, State, Transition
from statemachine.machine import LogRecord, Machine, MachineError
from statemachine.validation import DefinitionError, problems, validate

__all__ = [
    "Context",
    "Definition",
    "DefinitionError",
    "LogRecord",
    "Machine",
    "MachineError",
    "State",
    "Transition",
    "problems",
    "validate",
]
