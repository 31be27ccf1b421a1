"""A small template engine with filters, conditions, loops, includes and escaping."""

from templating.engine import Environment
from templating.errors import TemplateError
from templating.filters import FILTERS, Safe, escape

__all__ = ["FILTERS", "Environment", "Safe", "TemplateError", "escape"]
