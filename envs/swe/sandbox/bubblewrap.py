"""A sandbox from Linux namespaces, for machines without a Docker engine.

No network, the system's programs read-only, every writable place in bounded memory, resource limits. It
lives no longer than the process that made it, and leaves no file behind.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import stat
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from telos.envs.swe.errors import InfrastructureError, SandboxUnavailableError, SandboxWreckedError
from telos.envs.swe.sandbox.base import WORKDIR, Sandbox, SandboxLimits
from telos.envs.swe.sandbox.session import BOOT_COMMAND, PipeStream, Settings

__all__ = ["BubblewrapSandbox", "find_bubblewrap"]

# What pytest, which grades inside the sandbox, is made of.
_TEST_PACKAGES = ("pytest", "_pytest", "py", "pluggy", "iniconfig", "packaging", "pygments")
_SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64")
_FIRST_USER = 1_000_000
_users = itertools.count()


def find_bubblewrap() -> str:
    """The path of ``bwrap``.

    Raises:
        SandboxUnavailableError: If it is not installed or may not create namespaces here.
    """
    program = shutil.which("bwrap")
    if program is None:
        raise SandboxUnavailableError("bubblewrap is not installed: `sudo apt-get install bubblewrap`")
    trial = subprocess.run(
        [program, "--unshare-all", "--ro-bind", "/", "/", "true"], capture_output=True, text=True, check=False
    )
    if trial.returncode:
        raise SandboxUnavailableError(
            f"bubblewrap may not create namespaces here ({trial.stderr.strip()}). As root: "
            "`sysctl kernel.unprivileged_userns_clone=1` (Debian) or "
            "`sysctl kernel.apparmor_restrict_unprivileged_userns=0` (Ubuntu)"
        )
    return program


@lru_cache(maxsize=1)
def _spawner(pid: int) -> ThreadPoolExecutor:
    # The kernel ties "die with parent" to the thread that forked, so that thread must live as long as we do.
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="bubblewrap")


def _interpreter_bin() -> str:
    """The folder that holds this installation's ``python3``."""
    return str(Path(sys.base_prefix).resolve() / "bin")


def _interpreter() -> list[str]:
    """Mounts of this interpreter's installation with nothing beside the standard library but pytest."""
    base = Path(sys.base_prefix).resolve()
    packages = sysconfig.get_path("purelib", vars={"base": str(base), "platbase": str(base)})
    mounts = []
    if not base.is_relative_to("/usr"):
        # Parents that bubblewrap makes by itself take over modes such as 0700 of /root.
        for parent in reversed(base.parents[:-1]):
            mounts += ["--perms", "0755", "--dir", str(parent)]
        mounts += ["--ro-bind", str(base), str(base)]
    if not Path(packages).is_dir():
        raise SandboxUnavailableError(f"{packages} does not exist; this Python cannot serve a bubblewrap sandbox")
    mounts += ["--tmpfs", packages]
    for name in _TEST_PACKAGES:
        spec = find_spec(name)
        if spec is not None and spec.origin is not None:
            origin = Path(spec.origin)
            source = origin.parent if spec.submodule_search_locations else origin
            mounts += ["--ro-bind", str(source), f"{packages}/{source.name}"]
    # Telos holds the hidden tests of its own tasks.
    telos = Path(__file__).resolve().parents[3]
    if telos.is_relative_to("/usr") or telos.is_relative_to(base):
        mounts += ["--tmpfs", str(telos)]
    return mounts


def _system() -> list[str]:
    """Read-only mounts of the system's programs and libraries, and of no one's data."""
    # Folders that bubblewrap makes by itself are for root alone.
    mounts = ["--perms", "0755", "--dir", "/etc", "--ro-bind", "/usr", "/usr"]
    for name in _SYSTEM:
        path = Path("/", name)
        if path.is_symlink():
            mounts += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            mounts += ["--ro-bind", str(path), str(path)]
    for name in ("alternatives", "ld.so.cache", "ssl/certs"):
        mounts += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    return mounts


class BubblewrapSandbox(Sandbox):
    """See :class:`~telos.envs.swe.sandbox.base.Sandbox`. Started by root, it runs as a user of its own."""

    def __init__(self, limits: SandboxLimits, output_limit: int) -> None:
        super().__init__(limits, output_limit)
        self._watched_memory = limits.memory
        self._program = find_bubblewrap()
        self._process: subprocess.Popen[bytes] | None = None
        self._first_pid = 0
        self._open_session()

    def _settings(self) -> Settings:
        settings = super()._settings()
        rlimits = {**settings.rlimits, "NPROC": self.limits.pids, "AS": 4 * self.limits.memory}
        env = {**settings.env, "PATH": f"{_interpreter_bin()}:{settings.env['PATH']}"}
        return replace(settings, env=env, rlimits=rlimits)

    def _arguments(self, info: int, passwd: int, user: int) -> list[str]:
        size = str(self.limits.disk)
        arguments = [self._program, "--unshare-all", "--die-with-parent", "--new-session", "--clearenv"]
        arguments += ["--info-fd", str(info), *_system(), *_interpreter()]
        arguments += [
            "--perms",
            "0644",
            "--ro-bind-data",
            str(passwd),
            "/etc/passwd",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
        ]
        # bubblewrap's own /dev/shm is unbounded.
        places = {"/tmp": size, WORKDIR: size, "/home/agent": str(16 << 20), "/dev/shm": str(16 << 20)}
        for place, room in places.items():
            arguments += ["--perms", "0777", "--size", room, "--tmpfs", place]
        arguments += [
            "--remount-ro",
            "/",
            "--chdir",
            WORKDIR,
            "--setenv",
            "PATH",
            f"{_interpreter_bin()}:/usr/bin:/bin",
        ]
        if user:
            # A real, unprivileged user: the kernel exempts root from the limit on processes.
            arguments += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"]
            arguments += ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--no-new-privs"]
            arguments += ["--inh-caps=-all", "--bounding-set=-all"]
        else:
            arguments += ["--uid", "1000", "--gid", "1000", "--cap-drop", "ALL"]
        return [*arguments, *BOOT_COMMAND]

    def _connect(self) -> PipeStream:
        user = _FIRST_USER + (os.getpid() * 1024 + next(_users) % 1024) % (1 << 28) if os.geteuid() == 0 else 0
        info_r, info_w = os.pipe()
        errors = os.memfd_create("errors")
        passwd = os.memfd_create("passwd")
        os.write(passwd, f"agent:x:{user or 1000}:{user or 1000}::/home/agent:/bin/bash\n".encode())
        os.lseek(passwd, 0, os.SEEK_SET)
        arguments = self._arguments(info_w, passwd, user)
        if user:
            # Without --unshare-user, which bubblewrap would make of --unshare-all.
            namespaces = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
            arguments[1:2] = namespaces
        try:
            self._process = (
                _spawner(os.getpid())
                .submit(
                    subprocess.Popen,
                    arguments,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    pass_fds=(info_w, passwd),
                    start_new_session=True,
                )
                .result()
            )
        finally:
            os.close(info_w)
            os.close(passwd)
        with os.fdopen(info_r) as info, os.fdopen(errors) as messages:
            text = info.read()
            if not text:
                self._process.wait()
                messages.seek(0)
                raise InfrastructureError("start", f"bubblewrap ended at once: {messages.read(2000).strip()}")
        self._first_pid = json.loads(text)["child-pid"]
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        stream = PipeStream(os.dup(self._process.stdin.fileno()), os.dup(self._process.stdout.fileno()))
        self._process.stdin.close()
        self._process.stdout.close()
        return stream

    def _clear(self) -> None:
        # The files live in the sandbox's own memory and go with its last process.
        raise SandboxWreckedError(
            "the agent's command ended the sandbox's supervisor; without a container the files are lost"
        )

    @contextlib.contextmanager
    def read_tree(self) -> Iterator[Iterator[tuple[tarfile.TarInfo, Any]]]:
        """Walks the tree from outside, by directory descriptors that no symbolic link can divert."""
        try:
            top = os.open(f"/proc/{self._first_pid}/root{WORKDIR}", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError as error:
            raise InfrastructureError("gone", str(error)) from error
        try:
            yield self._members(top)
        finally:
            os.close(top)

    def _members(self, top: int) -> Iterator[tuple[tarfile.TarInfo, Any]]:
        # Not os.fwalk, which recurses. No process of the sandbox is left that could move a folder meanwhile.
        folders = ["."]
        while folders:
            folder = folders.pop()
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
            try:
                for name in sorted(os.listdir(fd)):
                    member = tarfile.TarInfo(os.path.normpath(os.path.join(folder, name)))
                    status = os.stat(name, dir_fd=fd, follow_symlinks=False)
                    member.mode, member.size = stat.S_IMODE(status.st_mode), status.st_size
                    if stat.S_ISDIR(status.st_mode):
                        member.type, member.size = tarfile.DIRTYPE, 0
                        yield member, None
                        folders.append(member.name)
                    elif stat.S_ISLNK(status.st_mode):
                        member.type, member.linkname = tarfile.SYMTYPE, os.readlink(name, dir_fd=fd)
                        yield member, None
                    elif stat.S_ISREG(status.st_mode):
                        with open(os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=fd), "rb") as file:
                            yield member, file
            finally:
                os.close(fd)

    def _close(self) -> None:
        """Kills the sandbox's first process and with it all others."""
        if self._session is not None:
            self._session.close()
            self._session = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
