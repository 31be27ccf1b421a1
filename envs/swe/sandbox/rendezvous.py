"""Where a container's supervisor meets the trainer without the engine's daemons in between.

Bytes of an exec socket pass through the engine and the container's shim, each way, which is half of a short
command's latency. Where the engine runs on this machine, a folder with a listening Unix socket is mounted into
the container. The supervisor connects before the agent's first command; then the socket is removed. Where that
does not work (a remote engine, an engine in a virtual machine), the session stays on the exec socket.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path

from telos.envs.swe.sandbox.session import PipeStream, SessionLostError
from telos.envs.swe.scratch import scratch_folder

__all__ = ["GUEST_FOLDER", "GUEST_SOCKET", "Rendezvous"]

GUEST_FOLDER = "/run/session"
GUEST_SOCKET = f"{GUEST_FOLDER}/socket"


class Rendezvous:
    """A listening socket in a folder of its own.

    The folder stays, empty, as long as the container: the engine's archive calls want all mounts to exist.

    Raises:
        OSError: If there is no place for it.
    """

    def __init__(self) -> None:
        # Other users of this machine cannot get at it through its parent; the container's user can.
        self.folder = Path(tempfile.mkdtemp(dir=scratch_folder(), prefix="session-"))
        self._listener = socket.socket(socket.AF_UNIX)
        try:
            self.folder.chmod(0o755)
            self._path = self.folder / Path(GUEST_SOCKET).name
            self._listener.bind(str(self._path))
            self._path.chmod(0o666)
            self._listener.listen(1)
            self._listener.setblocking(False)
        except BaseException:
            self.close()
            raise
        self.open = True

    def accept(self) -> PipeStream:
        """The stream to a supervisor that says that it has connected.

        Raises:
            SessionLostError: If nobody has.
        """
        try:
            connection, _ = self._listener.accept()
        except OSError as error:
            raise SessionLostError(f"the supervisor did not connect: {error}") from error
        fd = connection.detach()
        return PipeStream(fd, os.dup(fd))

    def end(self) -> None:
        """Lets no one else in."""
        self.open = False
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Removes the folder too. Safe to call twice."""
        self._listener.close()
        shutil.rmtree(self.folder, ignore_errors=True)
