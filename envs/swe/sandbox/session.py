"""The host's end of a session: frames over a byte stream to the supervisor in the sandbox."""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from typing import Any, Protocol

__all__ = ["BOOT_COMMAND", "PipeStream", "Session", "SessionLostError", "SocketStream", "Stream"]

# Reads the supervisor's source from standard input, so that the sandbox needs no file of ours.
BOOT_COMMAND = (
    "python3",
    "-I",
    "-B",
    "-c",
    "import sys; exec(compile(sys.stdin.buffer.read(int(sys.stdin.buffer.readline())), 'supervisor', 'exec'))",
)
_CHUNK = 1 << 16
_START_TIMEOUT = 30.0


class SessionLostError(Exception):
    """The supervisor does not answer: it was killed or stopped, or the sandbox is gone."""


class Stream(Protocol):
    """A byte stream to and from the supervisor."""

    def send(self, data: bytes, deadline: float) -> None:
        """Sends all of ``data`` before ``deadline`` (monotonic seconds)."""

    def receive(self, deadline: float) -> bytes:
        """Returns the next bytes, empty at the end of the stream."""

    def close(self) -> None:
        """Closes the stream. Safe to call twice."""


def _wait(fd: int, event: int, deadline: float) -> None:
    # poll, not select: a trainer with many environments has descriptors above 1024.
    poller = select.poll()
    poller.register(fd, event)
    if not poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise SessionLostError("no answer before the deadline")


class SocketStream:
    """A Docker exec socket: raw bytes in, multiplexed frames (stream number, length, bytes) out."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._socket.setblocking(False)
        self._buffer = bytearray()

    def send(self, data: bytes, deadline: float) -> None:
        """Sends all of ``data``."""
        view = memoryview(data)
        while view:
            try:
                view = view[self._socket.send(view) :]
            except BlockingIOError:
                _wait(self._socket.fileno(), select.POLLOUT, deadline)
            except OSError as error:
                raise SessionLostError(str(error)) from error

    def _fill(self, size: int, deadline: float) -> bool:
        while len(self._buffer) < size:
            try:
                chunk = self._socket.recv(_CHUNK)
            except BlockingIOError:
                _wait(self._socket.fileno(), select.POLLIN, deadline)
                continue
            except OSError as error:
                raise SessionLostError(str(error)) from error
            if not chunk:
                return False
            self._buffer += chunk
        return True

    def receive(self, deadline: float) -> bytes:
        """Returns the bytes of the next frame of standard output; standard error is the supervisor's own."""
        while self._fill(8, deadline):
            number, size = struct.unpack("!BxxxI", self._buffer[:8])
            if not self._fill(8 + size, deadline):
                break
            content = bytes(self._buffer[8 : 8 + size])
            del self._buffer[: 8 + size]
            if number == 1:
                return content
        return b""

    def close(self) -> None:
        """Closes the socket."""
        self._socket.close()


class PipeStream:
    """The standard input and output of a local process."""

    def __init__(self, stdin: int, stdout: int) -> None:
        self._stdin, self._stdout = stdin, stdout
        os.set_blocking(stdin, False)
        os.set_blocking(stdout, False)
        self._closed = False

    def send(self, data: bytes, deadline: float) -> None:
        """Sends all of ``data``."""
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._stdin, view) :]
            except BlockingIOError:
                _wait(self._stdin, select.POLLOUT, deadline)
            except OSError as error:
                raise SessionLostError(str(error)) from error

    def receive(self, deadline: float) -> bytes:
        """Returns the next bytes."""
        while True:
            try:
                return os.read(self._stdout, _CHUNK)
            except BlockingIOError:
                _wait(self._stdout, select.POLLIN, deadline)
            except OSError as error:
                raise SessionLostError(str(error)) from error

    def close(self) -> None:
        """Closes both pipes."""
        if not self._closed:
            self._closed = True
            os.close(self._stdin)
            os.close(self._stdout)


@dataclass(frozen=True)
class Settings:
    """What the supervisor is told at its start.

    ``memory`` in bytes is for sandboxes without a cgroup; ``socket`` is where a faster stream may wait; the readings of
    ``decoys`` are told.
    """

    cwd: str
    env: Mapping[str, str]
    rlimits: Mapping[str, int]
    memory: int | None = None
    socket: str | None = None
    decoys: tuple[str, ...] = ()


@cache
def _guest_source() -> str:
    guest = resources.files("telos.envs.swe") / "guest"
    return "\n".join((guest / name).read_text() for name in ("supervisor.py", "seccomp.py", "tools.py", "files.py"))


class Session:
    """One supervisor. Requests are answered in order; use from one thread at a time."""

    def __init__(self, stream: Stream, settings: Settings) -> None:
        self._stream = stream
        self._received = bytearray()
        source = f"{_guest_source()}\nmain({asdict(settings)!r})\n".encode()
        deadline = time.monotonic() + _START_TIMEOUT
        stream.send(f"{len(source)}\n".encode() + source, deadline)
        header, _ = self._reply(deadline)
        if not header.get("ready"):
            raise SessionLostError(f"unexpected greeting {header}")
        #: Whether the supervisor has connected to the socket of its settings and listens there from now on.
        self.moved = header["moved"]

    def move(self, stream: Stream) -> None:
        """Goes on over another stream to the same supervisor."""
        self._stream.close()
        self._stream = stream

    def request(self, header: Mapping[str, Any], payload: bytes, timeout: float) -> tuple[dict[str, Any], bytes]:
        """Sends one request and waits for its reply.

        Raises:
            SessionLostError: If no complete reply comes within ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        encoded = json.dumps(header).encode()
        self._stream.send(struct.pack("!II", len(encoded), len(payload)) + encoded + payload, deadline)
        return self._reply(deadline)

    def _read(self, size: int, deadline: float) -> bytes:
        while len(self._received) < size:
            chunk = self._stream.receive(deadline)
            if not chunk:
                raise SessionLostError("the supervisor is gone")
            self._received += chunk
        data = bytes(self._received[:size])
        del self._received[:size]
        return data

    def _reply(self, deadline: float) -> tuple[dict[str, Any], bytes]:
        header_size, payload_size = struct.unpack("!II", self._read(8, deadline))
        header = json.loads(self._read(header_size, deadline))
        return header, self._read(payload_size, deadline)

    def close(self) -> None:
        """Ends the session; the supervisor then kills all that is left of it."""
        self._stream.close()
