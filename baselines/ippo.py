"""Independent PPO (de Witt et al., 2020): as ``telos.baselines.mappo``, but the critic sees what the policy sees.

    python -m telos.baselines.ippo --env pettingzoo.sisl.pursuit_v5 --seed 1

``docs/mappo.md`` is about both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from telos.baselines import mappo
from telos.baselines.run import command

__all__ = ["Args", "load_policy", "main"]


@dataclass
class Args(mappo.Args):
    """Multi-agent proximal policy optimisation with a critic that sees what the agent sees."""

    algorithm: ClassVar[str] = "ippo"
    central: ClassVar[bool] = False


load_policy = partial(mappo.load_policy, arguments=Args)
"""Loads the policy of a run, as ``mappo.load_policy``."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the script with the command line's arguments, by default those of this process."""
    command("telos train ippo", Args, mappo.train, arguments)


if __name__ == "__main__":
    main()
