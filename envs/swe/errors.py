"""Errors of the sandbox layer, apart by whose fault they are."""

from __future__ import annotations

__all__ = ["InfrastructureError", "PackageError", "SandboxUnavailableError", "SandboxWreckedError", "SnapshotError"]


class SandboxUnavailableError(RuntimeError):
    """No sandbox of the wanted kind can be had on this machine; the message names the command that fixes it."""


class InfrastructureError(RuntimeError):
    """The machinery failed: the engine, the socket, the disk of the host. Never the agent's doing.

    Attributes:
        kind: Short machine-readable cause, such as ``"engine"``, ``"start"`` or ``"timeout"``.
        detail: What happened, in words.
    """

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail

    def __reduce__(self) -> tuple[type[InfrastructureError], tuple[str, str]]:
        """Makes it again from its two parts in another process."""
        return type(self), (self.kind, self.detail)


class SandboxWreckedError(RuntimeError):
    """The agent's own commands left the sandbox beyond repair."""


class PackageError(ValueError):
    """A package that no task can be made from."""


class SnapshotError(RuntimeError):
    """A sandbox's files cannot be copied, for their size or their names."""
