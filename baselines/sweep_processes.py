"""Processes of a sweep, here or as Ray tasks, that never outlive it.

* ``LocalProcess`` - a process of this machine
* ``RayProcess`` - a Ray task that runs one, on any machine of a cluster
* ``local_processes``, ``ray_processes`` - start them
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from telos.baselines.input_errors import InputError

__all__ = ["LocalProcess", "Process", "RayProcess", "StartProcess", "local_processes", "ray_processes"]

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Process(Protocol):
    """A process that has begun."""

    def poll(self) -> int | None:
        """Its exit status, negative for a signal's number; None while it runs."""

    def stop(self) -> None:
        """Asks it to save and leave."""

    def kill(self) -> None:
        """Ends it at once."""


StartProcess = Callable[[Sequence[str], Path], Process]
"""Starts a command whose output goes to ``stdout.txt`` and ``stderr.txt`` in a folder."""


class LocalProcess:
    """A process of its own process group, which is asked to stop when the thread that started it ends, however it ends.

    A group of its own: what is typed at the terminal reaches the sweep alone, which then tells its processes once.
    The thread: it must be one that lives as long as the processes are wanted, such as the main one. Off Linux, a
    process outlives a sweep that is killed.

    Args:
        command: Program and arguments.
        folder: Where its output goes.
        threads: Threads of its numerical libraries, unless the environment says how many.
        directory: Its working directory.
    """

    def __init__(self, command: Sequence[str], folder: Path, threads: int, directory: Path) -> None:
        parent = os.getpid()

        def follow_parent() -> None:
            if _LIBC is not None:
                _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
                if os.getppid() != parent:  # It ended before the line above.
                    os.kill(os.getpid(), signal.SIGTERM)

        where = directory / folder
        with (where / "stdout.txt").open("wb") as out, (where / "stderr.txt").open("wb") as err:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=directory,
                env=dict.fromkeys(_THREADS, str(threads)) | os.environ,
                process_group=0,
                preexec_fn=follow_parent,
            )

    def poll(self) -> int | None:
        """See ``Process``."""
        return self._process.poll()

    def stop(self) -> None:
        """See ``Process``."""
        self._process.terminate()

    def kill(self) -> None:
        """See ``Process``."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def _run(command: Sequence[str], folder: Path, threads: int, directory: Path) -> int:
    """Runs a process to its end; when the task is cancelled, the process is asked to stop."""
    process = LocalProcess(command, folder, threads, directory)
    try:
        while (status := process.poll()) is None:
            time.sleep(0.1)
        return status
    finally:
        if process.poll() is None:
            process.stop()
            while process.poll() is None:
                time.sleep(0.1)


class RayProcess:
    """A Ray task that runs a process.

    Args:
        task: The remote function.
        arguments: Those of ``_run``.
    """

    def __init__(self, task: Any, arguments: Sequence[Any]) -> None:
        self._task = task.remote(*arguments)
        self._stopped = False

    def poll(self) -> int | None:
        """See ``Process``."""
        import ray

        ready, _ = ray.wait([self._task], timeout=0)
        if not ready:
            return None
        try:
            return int(ray.get(self._task))
        except ray.exceptions.RayError:  # It was cancelled, or its machine was lost.
            return -signal.SIGTERM if self._stopped else 1

    def stop(self) -> None:
        """See ``Process``."""
        self._cancel(force=False)

    def kill(self) -> None:
        """See ``Process``."""
        self._cancel(force=True)

    def _cancel(self, force: bool) -> None:
        import ray

        self._stopped = True
        ray.cancel(self._task, force=force)


@contextmanager
def local_processes(threads: int) -> Iterator[StartProcess]:
    """Starts processes here.

    Args:
        threads: See ``LocalProcess``.
    """
    yield lambda command, folder: LocalProcess(command, folder, threads, Path.cwd())


@contextmanager
def ray_processes(threads: int, gpus: float) -> Iterator[StartProcess]:
    """Starts processes as Ray tasks, in the cluster of ``RAY_ADDRESS`` or else in one that is started here.

    The machines of a cluster need the same Python environment, and the same files under the same paths.

    Args:
        threads: See ``LocalProcess``; also the CPU cores that a task asks for.
        gpus: GPUs that a task asks for, such as 0.5.

    Raises:
        InputError: If Ray is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise InputError("--ray needs Ray: pip install 'telos-gym[ray]'") from error
    ray.init(log_to_driver=False, configure_logging=False)
    try:
        task = ray.remote(num_cpus=threads, num_gpus=gpus, max_retries=0)(_run)
        yield lambda command, folder: RayProcess(task, (command, folder, threads, Path.cwd()))
    finally:
        ray.shutdown()
