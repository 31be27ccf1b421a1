"""Sandboxes: where an agent's commands run. Docker by default, bubblewrap without an engine, never the host."""

from telos.envs.swe.sandbox.base import CommandResult, Sandbox, SandboxLimits, open_sandbox

__all__ = ["CommandResult", "Sandbox", "SandboxLimits", "open_sandbox"]
