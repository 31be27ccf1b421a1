"""Arguments of ``telos swe llm``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from telos.baselines.input_errors import InputError

__all__ = ["EndpointArgs"]


@dataclass(frozen=True)
class EndpointArgs:
    """Plays episodes of SWEDocker-v0 with a model behind any OpenAI-compatible endpoint, such as vLLM or llama.cpp."""

    endpoint: str
    """Root of the interface, such as http://localhost:8000/v1."""
    model: str
    """Name of the model there."""
    tasks: str = "builtin"
    """Source of the tasks, the environment's argument."""
    task: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Id of a task to play; repeat it for several."""
    count: int | None = None
    """Number of tasks, drawn by the seed from those of the source; all without it."""
    repeats: int = 1
    """Episodes of each task."""
    env_arg: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Argument of the environment, such as sandbox=bubblewrap or max_turns=50; repeat it for several."""
    jobs: int = 4
    """Episodes at a time."""
    temperature: float = 0.7
    """Of the model."""
    max_tokens: int = 2048
    """Tokens of a reply at most."""
    context_tokens: int = 32_768
    """Tokens that the model may see and write; the oldest turns of longer episodes are left out."""
    timeout: float = 600.0
    """Seconds to wait for a reply."""
    retries: int = 6
    """Further requests after one that failed."""
    key_variable: str = "OPENAI_API_KEY"
    """Environment variable that holds the endpoint's key, if it has one."""
    seed: int = 0
    """Draws the tasks, and is sent along, different for each repeat."""
    out: Path | None = None
    """Folder of results; by default one below runs/swe-llm. What is in it already is not played again."""

    def check(self) -> None:
        """Raises ``InputError`` if a number is out of range."""
        for name in ("count", "repeats", "jobs", "max_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"--{name.replace('_', '-')} must be at least 1, got {value}")
        if self.context_tokens < 2 * self.max_tokens:
            raise InputError(
                f"--context-tokens {self.context_tokens} must be at least twice --max-tokens {self.max_tokens}"
            )
        if self.task and self.count is not None:
            raise InputError("give either --task or --count")
        if self.temperature < 0.0 or self.seed < 0:
            raise InputError(f"--temperature and --seed must be at least 0, got {self.temperature} and {self.seed}")
