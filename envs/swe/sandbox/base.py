"""What every sandbox offers, whatever keeps it apart from the host."""

from __future__ import annotations

import abc
import contextlib
import io
import os
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from telos.envs.swe.errors import InfrastructureError, SandboxWreckedError, SnapshotError
from telos.envs.swe.sandbox.session import Session, SessionLostError, Settings

__all__ = [
    "DECOY",
    "KINDS",
    "WORKDIR",
    "CommandResult",
    "ProgramResult",
    "Sandbox",
    "SandboxLimits",
    "SandboxState",
    "open_sandbox",
    "pack",
]

WORKDIR = "/testbed"
#: A file that only somebody who looks for the grader reads; :mod:`telos.envs.swe.telemetry` puts it there.
DECOY = "/home/agent/.grader/expected_results.json"
KINDS = ("docker", "bubblewrap")
#: All places that an agent can write to but shared memory.
_PLACES = (WORKDIR, "/tmp", "/home/agent")
_COPY_TIMEOUT = 30.0
_ENVIRONMENT = {
    "HOME": "/home/agent",
    "USER": "agent",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
    "PAGER": "cat",
    "GIT_PAGER": "cat",
    "PYTHONDONTWRITEBYTECODE": "1",
    # The repository's folder may belong to another user than the agent.
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": "*",
    "GIT_AUTHOR_NAME": "agent",
    "GIT_AUTHOR_EMAIL": "agent@localhost",
    "GIT_COMMITTER_NAME": "agent",
    "GIT_COMMITTER_EMAIL": "agent@localhost",
    # A fixed hash seed: the same commands print the same text in every episode.
    "PYTHONHASHSEED": "0",
}
# What the supervisor may need beyond a command's own deadline: to kill its tree and answer.
_GRACE = 5.0


@dataclass(frozen=True)
class SandboxLimits:
    """Resource limits of one sandbox. All defaults are ours.

    Attributes:
        memory: Bytes of memory, file systems in memory included.
        cpus: CPU cores (Docker only; bubblewrap has no means to share out CPU time).
        pids: Largest number of processes and threads.
        disk: Bytes of the repository's file system; ``/tmp`` has the same again.
        lifetime: Seconds after which the sandbox ends by itself, whatever the trainer does. It may spend half of
            them waiting to be used, so an episode's time limit is at most the other half.
    """

    memory: int = 1 << 30
    cpus: float = 1.0
    pids: int = 256
    disk: int = 256 << 20
    lifetime: float = 4 * 3600.0

    def __post_init__(self) -> None:
        for name in ("memory", "cpus", "pids", "disk", "lifetime"):
            if getattr(self, name) <= 0:
                raise ValueError(f"SandboxLimits.{name} must be positive, got {getattr(self, name)}")


@dataclass(frozen=True)
class CommandResult:
    """What one command did.

    Attributes:
        exit_code: The shell's exit code; 124 for a timeout, 137 for too much memory.
        output: Standard output and error in the order written, head and tail if long.
        stopped: ``None``, ``"timeout"`` or ``"memory"``.
        bytes: Size of the whole output in bytes, before truncation.
        seconds: Wall time inside the sandbox.
        cpu: CPU time in seconds of the command and the children that it waited for.
        peak_memory: Largest memory use of the sandbox so far, in bytes.
        shell_restarted: Whether the shell had to be replaced; directory and exported variables are kept.
        unroutable: Packets and connections since the last command for which there was no route, or no taker.
        decoys_read: Paths of decoys whose first reading since the last command shows in their access time.
    """

    exit_code: int
    output: str
    stopped: str | None
    bytes: int
    seconds: float
    cpu: float
    peak_memory: int
    shell_restarted: bool
    unroutable: int = 0
    decoys_read: Sequence[str] = ()


@dataclass(frozen=True)
class ProgramResult:
    """A program run by :meth:`Sandbox.spawn`: the command's result and what it wrote to its result pipe."""

    command: CommandResult
    result: bytes


@dataclass(frozen=True)
class SandboxState:
    """What :meth:`Sandbox.save` copies.

    Attributes:
        archive: The files below ``/testbed``, ``/tmp`` and ``/home/agent``, as a tar archive.
        cwd: The shell's directory.
        exports: The shell's exported variables, as bash declares them.
    """

    archive: bytes
    cwd: str
    exports: str

    @contextlib.contextmanager
    def read_tree(self) -> Iterator[Iterator[tuple[tarfile.TarInfo, Any]]]:
        """Streams the members of the repository's file tree, as :meth:`Sandbox.read_tree` does."""
        with tarfile.open(fileobj=io.BytesIO(self.archive)) as archive:
            yield tree_members(archive)


def tree_members(archive: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, Any]]:
    """The members below ``/testbed`` with their contents, named from there."""
    top = WORKDIR.strip("/") + "/"
    for member in archive:
        if member.name.startswith(top):
            content = archive.extractfile(member) if member.isreg() else None
            member.name = member.name.removeprefix(top)
            if member.islnk():
                member.linkname = member.linkname.removeprefix(top)
            yield member, content


def pack(files: Mapping[str, tuple[int, bytes]]) -> bytes:
    """Packs ``path -> (git mode, content)`` as a tar archive; mode 0o120000 makes a symbolic link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path, (mode, content) in files.items():
            member = tarfile.TarInfo(path)
            if mode == 0o120000:
                member.type, member.linkname = tarfile.SYMTYPE, content.decode("utf-8", "surrogateescape")
                archive.addfile(member)
            else:
                member.mode, member.size = mode & 0o777, len(content)
                archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


class Sandbox(abc.ABC):
    """A place with a shell, limits, no network, and a repository at ``/testbed``.

    Create with :func:`open_sandbox`. Not thread-safe. Every method may raise
    :class:`~telos.envs.swe.errors.InfrastructureError` (the machinery failed) or
    :class:`~telos.envs.swe.errors.SandboxWreckedError` (the agent broke it for good).
    """

    #: Memory limit that the supervisor must enforce because nothing else does.
    _watched_memory: int | None = None

    def __init__(self, limits: SandboxLimits, output_limit: int) -> None:
        self.limits = limits
        self.output_limit = output_limit
        self._session: Session | None = None
        self._owner = os.getpid()

    @abc.abstractmethod
    def _connect(self) -> Any:
        """Starts a supervisor and returns the stream to it."""

    @abc.abstractmethod
    def _clear(self) -> None:
        """Kills every process of the agent from outside, so that a new supervisor can start."""

    @abc.abstractmethod
    def read_tree(self) -> contextlib.AbstractContextManager[Iterator[tuple[tarfile.TarInfo, Any]]]:
        """Streams the members of the repository's file tree, read from the host's side."""

    @abc.abstractmethod
    def _close(self) -> None:
        """Removes the sandbox; safe to call twice."""

    def close(self) -> None:
        """Removes the sandbox and all that is in it. Returns at once; safe to call twice.

        Does nothing in a process that was forked from the owner: the sandbox is not its own.
        """
        if os.getpid() == self._owner:
            self._close()

    def __del__(self) -> None:
        # A half-made object has no owner yet; an interpreter that ends may lack what closing needs.
        with contextlib.suppress(Exception):
            self.close()

    def _settings(self) -> Settings:
        rlimits = {"CORE": 0, "NOFILE": 1024, "FSIZE": self.limits.disk}
        return Settings(cwd=WORKDIR, env=_ENVIRONMENT, rlimits=rlimits, memory=self._watched_memory, decoys=(DECOY,))

    def _open_session(self) -> None:
        try:
            self._session = Session(self._connect(), self._settings())
        except SessionLostError as error:
            raise InfrastructureError("session", f"the supervisor did not start: {error}") from error

    def _request(self, header: Mapping[str, Any], payload: bytes, timeout: float) -> tuple[dict[str, Any], bytes]:
        assert self._session is not None, "the sandbox is closed"
        return self._session.request(header, payload, timeout + _GRACE)

    def _recover(self, reason: SessionLostError) -> CommandResult:
        """Replaces a supervisor that the agent killed or stopped. Files stay; processes do not."""
        if self._session is not None:
            self._session.close()
        self._clear()
        try:
            self._session = Session(self._connect(), self._settings())
        except SessionLostError as error:
            raise SandboxWreckedError(f"{reason}; and no new supervisor starts: {error}") from error
        return CommandResult(
            exit_code=137,
            output="[the command ended the session itself; a new shell was started, files are kept]\n",
            stopped="session",
            bytes=0,
            seconds=0.0,
            cpu=0.0,
            peak_memory=0,
            shell_restarted=True,
        )

    def _command(self, header: Mapping[str, Any], payload: bytes, timeout: float) -> tuple[CommandResult, bytes]:
        request = {**header, "timeout": timeout, "limit": self.output_limit}
        try:
            reply, data = self._request(request, payload, timeout)
        except SessionLostError as lost:
            return self._recover(lost), b""
        split = reply.pop("result_size", 0)
        output = data[split:].decode("utf-8", "replace")
        return CommandResult(output=output, **reply), data[:split]

    def run(self, command: str, timeout: float) -> CommandResult:
        """Runs a line or script of bash in the long-lived shell.

        Args:
            command: Bash source without NUL characters.
            timeout: Deadline in seconds; then everything that the command started is killed.
        """
        return self._command({"do": "run"}, command.encode(), timeout)[0]

    def tool(self, name: str, arguments: Mapping[str, Any], timeout: float) -> CommandResult:
        """Runs one of the file tools (``view``, ``search``, ``edit``) in the shell's directory."""
        return self._command({"do": "tool", "name": name, "arguments": dict(arguments)}, b"", timeout)[0]

    def spawn(self, argv: list[str], stdin: bytes, timeout: float, result_limit: int) -> ProgramResult:
        """Runs a program whose last argument is the number of a pipe to the host that only it holds."""
        command, result = self._command({"do": "spawn", "argv": argv, "result_limit": result_limit}, stdin, timeout)
        return ProgramResult(command, result)

    def put(self, files: Mapping[str, tuple[int, bytes]]) -> None:
        """Writes files below ``/testbed``: POSIX path to (git mode, content).

        Raises:
            SandboxWreckedError: If the file system does not take them, for their names or their size.
        """
        try:
            reply, _ = self._request({"do": "put"}, pack(files), timeout=30.0)
        except SessionLostError as error:
            raise InfrastructureError("session", f"could not write the repository: {error}") from error
        if reply["error"]:
            raise SandboxWreckedError(f"the files cannot be written: {reply['error']}")

    def save(self) -> SandboxState:
        """Copies files, directory and exported variables, at a moment at which no process of the agent runs.

        Processes, variables that are not exported and functions are not in the copy.

        Raises:
            SnapshotError: If the files take more than ``limits.disk``, or cannot be read.
        """
        reply, archive = self._copy({"do": "save"}, b"")
        return SandboxState(archive, reply["cwd"], reply["exports"])

    def load(self, state: SandboxState) -> None:
        """Becomes as a sandbox was when it was copied; kills every process of the agent.

        Raises:
            SnapshotError: If the file system does not take the files.
        """
        self._copy({"do": "load", "cwd": state.cwd, "exports": state.exports}, state.archive)

    def _copy(self, header: Mapping[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        request = {**header, "places": _PLACES, "timeout": _COPY_TIMEOUT, "limit": self.output_limit}
        try:
            reply, data = self._request(request, payload, _COPY_TIMEOUT)
        except SessionLostError as lost:
            self._recover(lost)
            raise SnapshotError(f"the sandbox's files cannot be copied: {lost}") from lost
        split = reply.get("result_size", 0)
        if reply["exit_code"]:
            told = data[split:].decode("utf-8", "replace").strip()
            raise SnapshotError(f"the sandbox's files cannot be copied: {told[-500:] or 'it took too long'}")
        return reply, data[:split]

    def freeze(self) -> None:
        """Kills every process of the agent, background jobs included; the next command has a fresh shell."""
        try:
            self._request({"do": "freeze"}, b"", timeout=10.0)
        except SessionLostError as lost:
            self._recover(lost)


def open_sandbox(kind: str, image: str, limits: SandboxLimits, output_limit: int = 16_384) -> Sandbox:
    """Opens a sandbox with a running shell.

    Args:
        kind: ``"docker"`` or ``"bubblewrap"``.
        image: Container image (Docker only).
        limits: Resource limits.
        output_limit: Bytes of a command's output that are kept, half from its head and half from its tail.

    Raises:
        SandboxUnavailableError: If this machine has no such sandbox; the message names the fix.
        InfrastructureError: If it could not be started.
        ValueError: If ``kind`` is unknown.
    """
    if kind == "docker":
        from telos.envs.swe.sandbox.docker import DockerSandbox

        return DockerSandbox(image, limits, output_limit)
    if kind == "bubblewrap":
        from telos.envs.swe.sandbox.bubblewrap import BubblewrapSandbox

        return BubblewrapSandbox(limits, output_limit)
    raise ValueError(f"unknown sandbox {kind!r}: choose 'docker' or 'bubblewrap'; the bare host is never used")
