"""A sandbox in a Docker container, hardened by default.

The container's main process is ``cat`` on a standard input that this process keeps open. When the owner
dies, by SIGKILL too, the engine sees the end of that input, ``cat`` ends, and the engine removes the
container with its volumes. Labels and :func:`reap` are the second line of defence.
"""

from __future__ import annotations

import contextlib
import os
import socket
import tarfile
import threading
import weakref
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import IO, Any, cast

import docker
import requests
from docker.types import DriverConfig, Mount, Ulimit
from docker.utils import kwargs_from_env

from telos.envs.swe.errors import InfrastructureError, SandboxUnavailableError, SandboxWreckedError
from telos.envs.swe.sandbox.base import WORKDIR, Sandbox, SandboxLimits, tree_members
from telos.envs.swe.sandbox.owner import LABEL, expired, owner_labels
from telos.envs.swe.sandbox.rendezvous import GUEST_FOLDER, GUEST_SOCKET, Rendezvous
from telos.envs.swe.sandbox.session import BOOT_COMMAND, Settings, SocketStream

__all__ = ["DockerSandbox", "client", "reap"]

# The agent's user, and another one for the process that keeps the container alive, which the agent cannot signal.
_AGENT, _KEEPER = "1000:1000", "65534:65534"
_KILL_ALL = ["python3", "-I", "-c", "import os; os.kill(-1, 9)"]
_ERRORS = (docker.errors.DockerException, requests.RequestException, OSError)


@lru_cache(maxsize=1)
def _client_of(pid: int) -> docker.APIClient:
    try:
        api = docker.APIClient(**kwargs_from_env(), version="auto", timeout=60, num_pools=4, max_pool_size=64)
        api.ping()
    except _ERRORS as error:
        raise SandboxUnavailableError(
            f"no Docker engine answers ({error}). Start one (`sudo systemctl start docker`, or `sudo dockerd &`; the "
            "Debian package is docker.io), check your right to use it (`sudo usermod -aG docker $USER`), or pass "
            "sandbox='bubblewrap', which needs no engine. `telos doctor` shows what works here."
        ) from error
    return api


def client() -> docker.APIClient:
    """The engine's API client of this process, made anew after a fork.

    Raises:
        SandboxUnavailableError: If no engine answers.
    """
    return _client_of(os.getpid())


def _volume(target: str, size: int) -> Mount:
    """An anonymous in-memory volume: bounded, visible to the engine's archive calls, gone with the container."""
    options = {"type": "tmpfs", "device": "tmpfs", "o": f"size={size},uid=1000,gid=1000,mode=0755"}
    return Mount(target, None, type="volume", driver_config=DriverConfig("local", options))


class DockerSandbox(Sandbox):
    """See :class:`~telos.envs.swe.sandbox.base.Sandbox`.

    No network, read-only system, no capability, no new privileges, the engine's seccomp profile, an init
    process, a non-root user, and limits on memory, CPU, processes and disk.
    """

    def __init__(self, image: str, limits: SandboxLimits, output_limit: int) -> None:
        super().__init__(limits, output_limit)
        self._api = client()
        self._streams: list[Any] = []
        self._unstarted = False
        self._rendezvous = self._open_rendezvous()
        try:
            self.id = self._create(image)
        except BaseException:
            self._end_rendezvous()
            raise
        self._unstarted = True
        _live.add(self)
        try:
            # StdinOnce: the engine closes the keeper's input when this attachment ends.
            self._hijack(self._api.attach_socket(self.id, {"stdin": 1, "stream": 1}))
            self._api.start(self.id)
            self._unstarted = False
            self._open_session()
        except BaseException as error:
            self.close()
            if isinstance(error, _ERRORS):
                raise InfrastructureError("start", str(error)) from error
            raise

    def _open_rendezvous(self) -> Rendezvous | None:
        """A faster way to the supervisor, if the engine is on this machine and there is a place for it."""
        with contextlib.suppress(OSError):
            return Rendezvous() if self._api.base_url.startswith("http+docker") else None
        return None

    def _end_rendezvous(self) -> None:
        if self._rendezvous is not None:
            self._rendezvous.close()
            self._rendezvous = None

    def _settings(self) -> Settings:
        waiting = self._rendezvous is not None and self._rendezvous.open
        return replace(super()._settings(), socket=GUEST_SOCKET if waiting else None)

    def _open_session(self) -> None:
        super()._open_session()
        if self._rendezvous is not None:
            if self._session is not None and self._session.moved:
                self._session.move(self._rendezvous.accept())
            self._rendezvous.end()

    def _create(self, image: str) -> str:
        limits = self.limits
        mounts = [_volume(WORKDIR, limits.disk)]
        if self._rendezvous is not None:
            mounts.append(Mount(GUEST_FOLDER, str(self._rendezvous.folder), type="bind", read_only=True))
        host = self._api.create_host_config(
            auto_remove=True,
            init=True,
            network_mode="none",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            read_only=True,
            mem_limit=limits.memory,
            memswap_limit=limits.memory,
            nano_cpus=int(limits.cpus * 1e9),
            pids_limit=limits.pids,
            ulimits=[Ulimit(name="core", soft=0, hard=0)],
            shm_size=16 << 20,
            mounts=mounts,
            tmpfs={
                "/tmp": f"size={limits.disk},mode=1777,exec",
                "/home/agent": "size=16777216,uid=1000,gid=1000,mode=0755",
            },
        )
        try:
            container = self._api.create_container(
                image,
                # `timeout` ends the container at its deadline even if the engine never sees its owner die.
                ["timeout", "--signal=KILL", str(limits.lifetime), "cat"],
                user=_KEEPER,
                stdin_open=True,
                labels=owner_labels(limits.lifetime),
                host_config=host,
            )
        except docker.errors.ImageNotFound as error:
            raise SandboxUnavailableError(
                f"the image {image!r} is not on this engine. Build it with `telos swe build-image`."
            ) from error
        except _ERRORS as error:
            if self._rendezvous is not None and "bind source path does not exist" in str(error):
                # The engine sees other files than we do.
                self._end_rendezvous()
                return self._create(image)
            raise InfrastructureError("create", str(error)) from error
        return cast(str, container["Id"])

    def _hijack(self, stream: Any) -> socket.socket:
        # docker-py wraps the connection; the wrapper must live as long as the socket.
        self._streams.append(stream)
        return cast(socket.socket, getattr(stream, "_sock", stream))

    def _connect(self) -> SocketStream:
        try:
            execution = self._api.exec_create(self.id, list(BOOT_COMMAND), stdin=True, user=_AGENT, workdir="/")
            return SocketStream(self._hijack(self._api.exec_start(execution["Id"], socket=True)))
        except docker.errors.APIError as error:
            raise self._blame(error) from error
        except _ERRORS as error:
            raise InfrastructureError("engine", str(error)) from error

    def _blame(self, error: docker.errors.APIError) -> Exception:
        """A container that runs but takes no process was filled up by the agent; all else is the machinery."""
        try:
            running = self._api.inspect_container(self.id)["State"]["Running"]
        except _ERRORS:
            running = False
        kind = SandboxWreckedError(str(error)) if running else InfrastructureError("gone", str(error))
        return cast(Exception, kind)

    def _clear(self) -> None:
        try:
            execution = self._api.exec_create(self.id, _KILL_ALL, user=_AGENT)
            self._api.exec_start(execution["Id"])
        except docker.errors.APIError as error:
            raise self._blame(error) from error
        except _ERRORS as error:
            raise InfrastructureError("engine", str(error)) from error

    @contextlib.contextmanager
    def read_tree(self) -> Iterator[Iterator[tuple[tarfile.TarInfo, Any]]]:
        """Streams the tree through the engine's archive call: nothing in the container takes part."""
        try:
            stream, _ = self._api.get_archive(self.id, WORKDIR)
        except _ERRORS as error:
            raise InfrastructureError("archive", str(error)) from error
        with tarfile.open(fileobj=cast(IO[bytes], _Reader(stream)), mode="r|") as archive:
            try:
                yield tree_members(archive)
            finally:
                stream.close()

    def _close(self) -> None:
        """Ends the session and the container; the engine removes both in the background."""
        _live.discard(self)
        self._end_rendezvous()
        if self._session is not None:
            self._session.close()
            self._session = None
        self._drop_sockets()
        if self._unstarted:
            # There is no keeper whose end would remove it.
            self._unstarted = False
            with contextlib.suppress(*_ERRORS):
                self._api.remove_container(self.id, force=True, v=True)

    def _drop_sockets(self) -> None:
        for stream in self._streams:
            with contextlib.suppress(OSError):
                getattr(stream, "_sock", stream).close()
                stream.close()
        self._streams.clear()


class _Reader:
    """A file object over the chunks of an HTTP response."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._buffer, self._position = b"", 0

    def read(self, size: int) -> bytes:
        parts, missing = [], size
        while missing:
            if self._position == len(self._buffer):
                self._buffer, self._position = next(self._chunks, b""), 0
                if not self._buffer:
                    break
            part = self._buffer[self._position : self._position + missing]
            self._position += len(part)
            missing -= len(part)
            parts.append(part)
        return b"".join(parts)


_live: weakref.WeakSet[DockerSandbox] = weakref.WeakSet()


def _forget_in_child() -> None:
    """A forked child must not keep its parent's containers alive."""
    for sandbox in list(_live):
        if sandbox._session is not None:
            sandbox._session.close()
        sandbox._drop_sockets()
    _live.clear()


os.register_at_fork(after_in_child=_forget_in_child)
_reap_lock = threading.Lock()


def reap() -> int:
    """Removes the containers whose owner is dead or whose deadline is past; returns how many."""
    api, removed = client(), 0
    with _reap_lock:
        for container in api.containers(all=True, filters={"label": LABEL}):
            if expired(container["Labels"]):
                with contextlib.suppress(docker.errors.NotFound, docker.errors.APIError):
                    api.remove_container(container["Id"], force=True, v=True)
                    removed += 1
    return removed
