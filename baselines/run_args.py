"""Arguments that training scripts share.

* ``ScriptArgs`` - those of every script
* ``RunArgs`` - those of scripts that learn in environments
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
import tyro

from telos.baselines.input_errors import InputError
from telos.wrappers.specs import parse_arguments

__all__ = ["RunArgs", "ScriptArgs"]


@dataclass
class ScriptArgs:
    """Arguments of every training script."""

    env: str
    """Environment id, such as CartPole-v1 or CoRMABCapacity-v0."""
    env_arg: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Argument of the environment, such as horizon=20; repeat it for several."""
    wrap: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Reward wrapper, such as "gated:threshold=0.5"; repeat it for a stack, the innermost first."""
    total_steps: int = 500_000
    """Environment steps of the whole run, over all environments."""
    seed: int = 1
    """Seed of everything."""
    device: str = "auto"
    """Where to learn: auto (a GPU if there is one), cpu or cuda."""
    out: Path = Path("runs")
    """Folder of all runs."""
    resume: str | None = None
    """Continue: "auto" the newest run with these arguments, if there is one, or a run's folder."""
    eval_every: int = 100_000
    """Steps between evaluations; the last step is always evaluated."""
    eval_episodes: int = 100
    """Episodes of an evaluation; 0 for none."""
    checkpoint_every: int = 100_000
    """Steps between checkpoints."""
    label: str = ""
    """Name of this setting in the folder and in comparisons, instead of the wrappers."""
    smoke: bool = False
    """Only try whether everything works: few steps, few environments."""
    tensorboard: bool = True
    """Write TensorBoard's events beside log.jsonl."""

    def check(self) -> None:
        """Raises ``InputError`` if a number is out of range."""
        self.check_least(1, "total_steps", "eval_every", "checkpoint_every")
        self.check_least(0, "eval_episodes", "seed")

    def check_least(self, least: int, *names: str) -> None:
        """Raises ``InputError`` if one of these arguments is below ``least``."""
        for name in names:
            if getattr(self, name) < least:
                raise InputError(f"--{name.replace('_', '-')} must be at least {least}, got {getattr(self, name)}")

    @classmethod
    def of_run(cls, folder: str | Path) -> Self:
        """Reads the arguments of a run.

        Raises:
            FileNotFoundError: If there is no run.
        """
        saved = json.loads((Path(folder) / "args.json").read_text())
        return cls(**{field.name: saved[field.name] for field in dataclasses.fields(cls)})

    @property
    def env_kwargs(self) -> dict[str, Any]:
        """The environment's arguments; raises as ``telos.wrappers.specs.parse_arguments``."""
        return parse_arguments(self.env_arg)

    @property
    def torch_device(self) -> torch.device:
        """The device to learn on."""
        auto = "cuda" if torch.cuda.is_available() else "cpu"
        return torch.device(auto if self.device == "auto" else self.device)


@dataclass
class RunArgs(ScriptArgs):
    """Arguments of scripts that learn in environments."""

    num_envs: int = 16
    """Environments that are stepped together."""

    def check(self) -> None:
        """Raises ``InputError`` if a number is out of range."""
        super().check()
        self.check_least(1, "num_envs")
