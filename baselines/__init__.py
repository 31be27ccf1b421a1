"""Reference policies, evaluation and the ``telos`` command."""
