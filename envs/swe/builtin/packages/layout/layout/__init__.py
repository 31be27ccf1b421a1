"""Plain-text layout: paragraphs, columns, tables and trees."""

from layout.table import render_table
from layout.text import align, columns, dedent, indent, justify, truncate, wrap
from layout.tree import Tree, parse_outline, render_tree

__all__ = [
    "Tree",
    "align",
    "columns",
    "dedent",
    "indent",
    "justify",
    "parse_outline",
    "render_table",
    "render_tree",
    "truncate",
    "wrap",
]
