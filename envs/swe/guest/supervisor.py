"""Runs inside the sandbox and executes what the host asks for.

Only the standard library, no file of its own: the host sends this source down the session's standard
input. Frames in both directions are ``!II`` (length of a JSON header, length of a payload), the header,
the payload. Every command gets a hard deadline, bounded output and an account of what it used; at the
deadline all processes that it started die and the next command works.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import io
import json
import os
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from typing import Any, BinaryIO

Request = dict[str, Any]
Reply = dict[str, Any]
Readers = dict[int, Callable[[], bool]]


def install_filter() -> None:
    """Replaced by the filter of system calls, whose source the host appends to this one, as it does the tools'."""
    raise NotImplementedError


TOOLS: dict[str, Callable[..., int]] = {}


def save_places(places: list[str], archive: int) -> int:
    """Replaced likewise, by the source that copies files."""
    raise NotImplementedError


def load_places(places: list[str], archive: int) -> int:
    """Replaced likewise."""
    raise NotImplementedError


PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 4, 36
CONTROL_FD, COMMAND_FD = 197, 198
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
# A background process that floods the pipe must not keep a finished command from returning.
DRAIN_LIMIT = 1 << 20
KILL_ROUNDS = 50
MEMORY_PERIOD = 0.1
# Bash reads its commands byte by byte, so what is the same each time is defined once. The first function fetches the
# command and sets $? and tracing (set -x, set -v) to what the last one left; the second turns tracing off, or the
# frame would show in the output, and writes it. The command itself runs in neither, where `declare` would be local.
SHELL_PROLOGUE = f"""__telos_tracing=
__telos_before() {{
    builtin mapfile -d '' -t __telos_command </dev/fd/{COMMAND_FD}
    [ -z "$__telos_tracing" ] || builtin set -"$__telos_tracing"
    return "$1"
}}
__telos_after() {{
    __telos_status=$? __telos_tracing=${{-//[!vx]/}}
    builtin set +vx
    builtin printf '%s\\0%d\\0%s\\0' "$1" "$__telos_status" "$PWD"
    builtin export -p
    builtin printf '\\0'
}}
readonly -f __telos_before __telos_after
""".encode()


class HeadTail:
    """Keeps the first and the last bytes of a stream and counts the rest."""

    def __init__(self, limit: int) -> None:
        """Shares ``limit`` bytes between head and tail."""
        self.head_room = limit // 2
        self.tail_room = limit - self.head_room
        self.head, self.tail, self.total = bytearray(), bytearray(), 0

    def write(self, chunk: bytes) -> None:
        """Takes the next piece of the stream."""
        self.total += len(chunk)
        room = self.head_room - len(self.head)
        if room > 0:
            self.head += chunk[:room]
            chunk = chunk[room:]
        self.tail += chunk
        if len(self.tail) > 2 * self.tail_room + 65536:
            del self.tail[: -self.tail_room]

    def value(self) -> bytes:
        """The kept bytes, with a line that says how much is missing."""
        omitted = self.total - len(self.head) - self.tail_room
        if omitted <= 0:
            return bytes(self.head + self.tail)
        mark = f"\n[... {omitted} bytes omitted ...]\n".encode()
        return bytes(self.head) + mark + bytes(self.tail[-self.tail_room :])


def processes() -> set[int]:
    """The process ids that exist now."""
    return {int(name) for name in os.listdir("/proc") if name.isdigit()}


def stat_fields(pid: int) -> list[bytes] | None:
    """The fields of ``/proc/PID/stat`` after the command name, or None for a dead process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2].split()
    except OSError:
        return None


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and of the children that it has waited for."""
    fields = stat_fields(pid)
    return sum(map(int, fields[11:15])) / TICKS if fields else 0.0


def now_in_ticks() -> int:
    """The time in the unit and from the origin of a process's start time."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * TICKS)


def resident_bytes() -> int:
    """Resident memory of every process of the sandbox."""
    total = 0
    for pid in processes():
        try:
            with open(f"/proc/{pid}/statm", "rb") as file:
                total += int(file.read().split()[1]) * PAGE
        except (OSError, IndexError):
            continue
    return total


def kill_everything() -> None:
    """Kills all other processes of this user in one system call."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)


def open_cgroup_peak() -> int | None:
    """A descriptor of the kernel's own record of peak memory, where the sandbox has a cgroup of its own."""
    for name in ("memory.peak", "memory/memory.max_usage_in_bytes"):
        with contextlib.suppress(OSError):
            return os.open(f"/sys/fs/cgroup/{name}", os.O_RDONLY | os.O_CLOEXEC)
    return None


def open_network_counters() -> int | None:
    """A descriptor of the kernel's counts of this sandbox's packets."""
    with contextlib.suppress(OSError):
        return os.open("/proc/net/snmp", os.O_RDONLY | os.O_CLOEXEC)
    return None


def unroutable_packets(counters: int | None) -> int:
    """How often something had no route out, or no taker here, such as a query for a name without a name server."""
    if counters is None:
        return 0
    rows: dict[bytes, list[bytes]] = {}
    total = 0
    for line in os.pread(counters, 1 << 14, 0).splitlines():
        kind, *values = line.split()
        for name, value in zip(rows.get(kind, ()), values, strict=False):
            if (kind, name) in ((b"Ip:", b"OutNoRoutes"), (b"Udp:", b"NoPorts")):
                total += int(value)
        rows[kind] = values
    return total


def reply(stdout: BinaryIO, header: Reply, payload: bytes) -> None:
    """Writes one frame."""
    encoded = json.dumps(header).encode()
    stdout.write(struct.pack("!II", len(encoded), len(payload)) + encoded + payload)
    stdout.flush()


def connect(path: str | None) -> socket.socket | None:
    """Connects to the host's socket, where there is one that can be reached from in here."""
    if path is None:
        return None
    link = socket.socket(socket.AF_UNIX)
    try:
        link.connect(path)
    except OSError:
        link.close()
        return None
    return link


class Supervisor:
    """One shell, and whatever runs beside it."""

    def __init__(self, settings: dict[str, Any]) -> None:
        """Starts the shell with the host's settings."""
        self.settings = settings
        self.cwd = settings["cwd"]
        self.exports = b""
        self.statuses: dict[int, int] = {}
        # Processes from before the request; tells those apart that started in the clock tick of its beginning.
        self.bystanders: set[int] = set()
        self.peak = 0
        self.cgroup_peak = open_cgroup_peak()
        self.network = open_network_counters()
        self.unroutable = unroutable_packets(self.network)
        # Path of each decoy that has not been read to its access time.
        self.decoys: dict[str, int] = {}
        self.wake_r, wake_w = os.pipe()
        for fd in (self.wake_r, wake_w):
            os.set_blocking(fd, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_w, warn_on_full_buffer=False)
        self.out_r, self.out_w = os.pipe()
        os.set_blocking(self.out_r, False)
        self.start_shell()

    # -- processes ----------------------------------------------------------------------------------

    def confine(self) -> None:
        """Applies the resource limits; runs in the child before it becomes a program."""
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        for name, value in self.settings["rlimits"].items():
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))
        install_filter()

    def start_shell(self) -> None:
        """Starts bash where the last one stood: same directory, same exported variables."""
        control_r, control_w = os.pipe()
        command = os.memfd_create("command")
        os.dup2(control_w, CONTROL_FD)
        os.dup2(command, COMMAND_FD)
        os.close(control_w)
        os.close(command)
        self.shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            stdin=subprocess.PIPE,
            stdout=self.out_w,
            stderr=self.out_w,
            # The agent may have removed or closed its own folders.
            cwd=next(path for path in (self.cwd, self.settings["cwd"], "/") if os.access(path, os.X_OK)),
            env=self.settings["env"],
            bufsize=0,
            start_new_session=True,
            pass_fds=(CONTROL_FD, COMMAND_FD),
            preexec_fn=self.confine,
        )
        os.close(CONTROL_FD)
        self.command = os.dup(COMMAND_FD)
        os.close(COMMAND_FD)
        self.control = control_r
        os.set_blocking(control_r, False)
        self.shell_status, self.shell_cpu, self.shell_due = 0, 0.0, False
        self.restore_exports = bool(self.exports)
        assert self.shell.stdin is not None
        self.shell_input = self.shell.stdin
        self.shell_input.write(SHELL_PROLOGUE)

    def drop_shell(self) -> None:
        """Kills the shell if it lives and frees what belongs to it."""
        if self.shell.pid not in self.statuses:
            self.shell.kill()
            self.statuses[self.shell.pid] = os.waitstatus_to_exitcode(os.waitpid(self.shell.pid, 0)[1])
        for fd in (self.control, self.command):
            os.close(fd)
        self.shell_input.close()
        # Popen must not wait for a process that reap() has collected.
        self.shell.returncode = self.statuses.pop(self.shell.pid, 0)

    def restart_shell(self) -> None:
        """Replaces the shell."""
        self.drop_shell()
        self.start_shell()

    def shell_died(self) -> bool:
        """Looks whether the shell has ended, and keeps its exit code if so."""
        pid, status = os.waitpid(self.shell.pid, os.WNOHANG)
        if pid:
            self.statuses[pid] = os.waitstatus_to_exitcode(status)
        return bool(pid)

    def reap(self) -> None:
        """Collects every dead child, orphans of dead commands included."""
        try:
            while os.read(self.wake_r, 4096):
                pass
        except BlockingIOError:
            pass
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self.statuses[pid] = os.waitstatus_to_exitcode(status)

    def kill_since(self, tick: int, shell_too: bool) -> None:
        """Kills what started at ``tick`` or later, and perhaps the shell; a fork bomb costs all others their lives."""
        # The first process of the sandbox belongs to the host's side and ignores signals anyway.
        spared = {1, os.getpid(), self.shell.pid}
        for attempt in range(KILL_ROUNDS):
            found = False
            # Parents first: a shell that lives to see its child killed would report it among the command's output.
            for pid in [self.shell.pid] * shell_too + sorted(processes() - spared):
                fields = stat_fields(pid)
                if fields is None or fields[0] in (b"Z", b"X"):
                    continue
                started = int(fields[19])
                if started > tick or (started == tick and pid not in self.bystanders) or pid == self.shell.pid:
                    try:
                        os.kill(pid, signal.SIGKILL)
                        found = True
                    except (ProcessLookupError, PermissionError):
                        continue
            self.reap()
            if not found:
                break
            if attempt > 5:
                # New processes appear faster than they are found: only one system call for all is atomic.
                kill_everything()
            time.sleep(0.001)

    # -- waiting ------------------------------------------------------------------------------------

    def wait(
        self,
        finished: Callable[[], int | None],
        request: Request,
        tick: int,
        shell_too: bool = False,
        extra: Readers | None = None,
    ) -> tuple[Reply, bytes]:
        """Collects output until ``finished()`` tells an exit code; at the deadline kills what started since ``tick``.

        ``extra`` maps further descriptors to functions that read them. Returns a reply header and the output.
        """
        started = time.monotonic()
        output = HeadTail(request["limit"])
        poller = select.poll()
        for fd in (self.out_r, self.wake_r, *(extra or {})):
            poller.register(fd, select.POLLIN)
        memory_limit = self.settings.get("memory")
        next_look = started
        stopped: str | None = None
        while (code := finished()) is None:
            left = started + request["timeout"] - time.monotonic()
            if left <= 0:
                stopped = "timeout"
            elif memory_limit and time.monotonic() >= next_look:
                next_look = time.monotonic() + MEMORY_PERIOD
                resident = resident_bytes()
                self.peak = max(self.peak, resident)
                if resident > memory_limit:
                    stopped = "memory"
            if stopped:
                self.kill_since(tick, shell_too)
                code = 124 if stopped == "timeout" else 137
                break
            for fd, _ in poller.poll(1000 * (min(left, MEMORY_PERIOD) if memory_limit else max(left, 0)) + 1):
                if fd == self.out_r:
                    self.read_output(output)
                elif fd == self.wake_r:
                    self.reap()
                elif extra and fd in extra and not extra[fd]():
                    poller.unregister(fd)
        drained = 0
        while drained < DRAIN_LIMIT and (count := self.read_output(output)):
            drained += count
        header = {
            "exit_code": code if code >= 0 else 128 - code,
            "stopped": stopped,
            "bytes": output.total,
            "seconds": time.monotonic() - started,
            "peak_memory": self.peak_memory(),
        }
        return header, output.value()

    def peak_memory(self) -> int:
        """Largest memory use so far: the kernel's record, or what was seen."""
        if self.cgroup_peak is not None:
            return int(os.pread(self.cgroup_peak, 32, 0))
        return max(self.peak, resident_bytes())

    def read_output(self, output: HeadTail) -> int:
        """Takes what the command has written; returns how many bytes."""
        try:
            chunk = os.read(self.out_r, 1 << 16)
        except BlockingIOError:
            return 0
        output.write(chunk)
        return len(chunk)

    def arm_decoys(self) -> None:
        """Takes note of when the decoys were last read."""
        self.decoys = {path: os.stat(path).st_atime_ns for path in self.settings["decoys"] if os.path.exists(path)}

    def signs(self) -> Reply:
        """What tells of networks and decoys that were tried since the last request."""
        before, self.unroutable = self.unroutable, unroutable_packets(self.network)
        read = []
        for path, time_before in self.decoys.items():
            with contextlib.suppress(OSError):
                if os.stat(path).st_atime_ns != time_before:
                    read.append(path)
        for path in read:
            del self.decoys[path]
        return {"unroutable": self.unroutable - before, "decoys_read": read}

    # -- requests -----------------------------------------------------------------------------------

    def run(self, request: Request, payload: bytes) -> tuple[Reply, bytes]:
        """Runs a command in the long-lived shell."""
        tick = now_in_ticks()
        nonce = os.urandom(8).hex().encode()
        os.ftruncate(self.command, 0)
        os.pwrite(self.command, payload + b"\0" + (self.exports if self.restore_exports else b""), 0)
        shell, control = self.shell, bytearray()
        restore = 'builtin eval "${__telos_command[1]}"; ' if self.restore_exports else ""
        self.restore_exports = False
        # The control descriptors are closed for the command itself; the nonce never enters its text.
        line = (
            f":; {{ __telos_before {self.shell_status}; {restore}}} 2>/dev/null; "
            f'builtin eval "$__telos_command" </dev/null {CONTROL_FD}>&- {COMMAND_FD}<&-; '
            f"{{ __telos_after {nonce.decode()}; }} 2>/dev/null >&{CONTROL_FD}\n"
        )
        with contextlib.suppress(BrokenPipeError):
            self.shell_input.write(line.encode())

        def read_control() -> bool:
            try:
                while chunk := os.read(self.control, 1 << 16):
                    control.extend(chunk)
            except BlockingIOError:
                return True
            return False

        def finished() -> int | None:
            read_control()
            if control.count(0) >= 4 and control.startswith(nonce):
                return int(control.split(b"\0")[1])
            return self.statuses.get(shell.pid)

        header, output = self.wait(finished, request, tick, shell_too=True, extra={self.control: read_control})
        header["cpu"] = max(0.0, cpu_seconds(shell.pid) - self.shell_cpu)
        if control.startswith(nonce) and control.count(0) >= 4:
            _, _, cwd, exports, *_ = bytes(control).split(b"\0")
            self.cwd, self.exports = os.fsdecode(cwd), exports
        header["shell_restarted"] = bool(header["stopped"]) or shell.pid in self.statuses
        if header["shell_restarted"]:
            self.restart_shell()
        self.shell_status = header["exit_code"] & 255
        return header | self.signs(), output

    def tool(self, request: Request, payload: bytes) -> tuple[Reply, bytes]:
        """Runs one of the functions of the tools source in a child, under the same deadline."""
        header, output = self.in_child(lambda: TOOLS[request["name"]](**request["arguments"]), self.cwd, request)
        return header | self.signs(), output

    def in_child(self, work: Callable[[], int], folder: str, request: Request) -> tuple[Reply, bytes]:
        """Runs a function that tells an exit code as the agent, in a child of its own."""
        tick = now_in_ticks()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.setsid()
                os.dup2(self.out_w, 1)
                os.dup2(self.out_w, 2)
                self.confine()
                os.chdir(folder)
                sys.stdout = io.TextIOWrapper(sys.stdout.buffer, "utf-8", "surrogateescape")
                code = work()
                sys.stdout.flush()
            except BaseException as error:
                os.write(2, f"{type(error).__name__}: {error}\n".encode(errors="replace"))
            finally:
                os._exit(code)
        return self.follow(child, request, tick)

    def spawn(self, request: Request, payload: bytes) -> tuple[Reply, bytes]:
        """Runs a program with ``payload`` as standard input and a result pipe that only it can write."""
        tick = now_in_ticks()
        stdin = os.memfd_create("stdin")
        os.write(stdin, payload)
        os.lseek(stdin, 0, os.SEEK_SET)
        result_r, result_w = os.pipe()
        os.set_blocking(result_r, False)
        program = subprocess.Popen(
            [*request["argv"], str(result_w)],
            stdin=stdin,
            stdout=self.out_w,
            stderr=self.out_w,
            cwd=self.settings["cwd"],
            env=self.settings["env"],
            start_new_session=True,
            pass_fds=(result_w,),
            preexec_fn=self.confine,
        )
        os.close(stdin)
        os.close(result_w)
        result = bytearray()

        def take() -> bool:
            try:
                chunk = os.read(result_r, 1 << 16)
            except BlockingIOError:
                return True
            if len(result) < request["result_limit"]:
                result.extend(chunk)
            return bool(chunk)

        header, output = self.follow(program.pid, request, tick, {result_r: take})
        self.kill_since(tick, shell_too=False)
        program.returncode = header["exit_code"]
        while len(result) < request["result_limit"]:
            size = len(result)
            if not take() or len(result) == size:
                break
        os.close(result_r)
        header["result_size"] = len(result)
        return header, bytes(result) + output

    def follow(self, pid: int, request: Request, tick: int, extra: Readers | None = None) -> tuple[Reply, bytes]:
        """Waits for a child other than the shell."""
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        header, output = self.wait(lambda: self.statuses.pop(pid, None), request, tick, extra=extra)
        self.statuses.pop(pid, None)
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        header["cpu"] = spent.ru_utime + spent.ru_stime - usage.ru_utime - usage.ru_stime
        header["shell_restarted"] = False
        return header, output

    def put(self, request: Request, payload: bytes) -> tuple[Reply, bytes]:
        """Unpacks a tar archive from the host below the working directory."""
        with tarfile.open(fileobj=io.BytesIO(payload)) as archive:
            # The sandbox is the limit here; links in a repository may point anywhere.
            archive.extraction_filter = staticmethod(lambda member, path: member)
            try:
                archive.extractall(self.settings["cwd"])
            except (OSError, ValueError, RecursionError, tarfile.TarError) as error:
                return {"error": str(error)}, b""
        self.arm_decoys()
        return {"error": ""}, b""

    def freeze(self, request: Request, payload: bytes) -> tuple[Reply, bytes]:
        """Kills every process of the agent, so that nothing changes the tree while the host reads it.

        The new shell starts after the answer.
        """
        self.kill_since(0, shell_too=True)
        # What the dead left in the pipe, such as the shell's notices of its jobs' ends, is not the next command's.
        while self.read_output(HeadTail(0)):
            pass
        self.exports = b""
        self.cwd = self.settings["cwd"]
        self.shell_due = True
        return {}, b""

    def stand_still(self) -> set[int]:
        """Stops every process of the agent that runs; returns which."""
        stopped: set[int] = set()
        spared = {1, os.getpid()}
        while running := {
            pid for pid in processes() - spared - stopped if (stat_fields(pid) or [b"X"])[0] not in (b"T", b"Z", b"X")
        }:
            for pid in running:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGSTOP)
            stopped |= running
        return stopped

    def save(self, request: Request, payload: bytes) -> tuple[Reply, bytes]:
        """Copies the agent's files, and where the shell stands, while no process of the agent runs."""
        stopped = self.stand_still()
        archive = os.memfd_create("archive")
        try:
            header, output = self.in_child(lambda: save_places(request["places"], archive), "/", request)
        finally:
            for pid in stopped:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGCONT)
        os.lseek(archive, 0, os.SEEK_SET)
        with open(archive, "rb") as file:
            content = file.read()
        header |= {"result_size": len(content), "cwd": self.cwd, "exports": self.exports.decode("latin-1")}
        return header, content + output

    def load(self, request: Request, payload: bytes) -> tuple[Reply, bytes]:
        """Puts back what ``save`` copied; processes do not come back."""
        self.freeze(request, b"")
        archive = os.memfd_create("archive")
        with open(archive, "wb", closefd=False) as file:
            file.write(payload)
        os.lseek(archive, 0, os.SEEK_SET)
        header, output = self.in_child(lambda: load_places(request["places"], archive), "/", request)
        os.close(archive)
        self.cwd, self.exports = request["cwd"], request["exports"].encode("latin-1")
        self.arm_decoys()
        return header, output

    def serve(self, stdin: BinaryIO, stdout: BinaryIO) -> None:
        """Answers requests until the host goes away."""
        while prefix := stdin.read(8):
            header_size, payload_size = struct.unpack("!II", prefix)
            request = json.loads(stdin.read(header_size))
            payload = stdin.read(payload_size)
            # Cheap, where reap() is not: the shell may have died since the last request.
            if self.shell.pid in self.statuses or self.shell_died():
                self.restart_shell()
            header, output = getattr(self, request["do"])(request, payload)
            reply(stdout, header, output)
            # What needs no hurry waits until the host has its answer. Statuses of orphans interest no one.
            if self.shell_due:
                self.restart_shell()
            self.reap()
            self.statuses = {pid: code for pid, code in self.statuses.items() if pid == self.shell.pid}
            self.shell_cpu = cpu_seconds(self.shell.pid)
            self.bystanders = processes()


def main(settings: dict[str, Any]) -> None:
    """Hides from the agent's processes, adopts orphans, and serves."""
    libc = ctypes.CDLL(None, use_errno=True)
    # Undumpable: processes of the same user can neither trace this one nor open its descriptors.
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    stdin = os.fdopen(os.dup(0), "rb")
    stdout = os.fdopen(os.dup(1), "wb")
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    # What is alive now lives as long as the supervisor: no reason to look at it again and again.
    gc.freeze()
    supervisor, link = Supervisor(settings), connect(settings["socket"])
    reply(stdout, {"ready": True, "moved": link is not None}, b"")
    if link is not None:
        stdin, stdout = link.makefile("rb"), link.makefile("wb")
    supervisor.serve(stdin, stdout)
    # The host is gone: nothing may outlive it.
    kill_everything()
