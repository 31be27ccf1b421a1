"""Makes datasets of tasks out of any Python package that has tests."""
