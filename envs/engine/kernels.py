"""Turns a rule for one environment into a kernel over a batch, for CPU threads or for CUDA.

On the CPU a kernel is serial machine code over a range of the batch; :mod:`telos.envs.engine.threads` runs ranges side
by side. (Numba's own threading layers do not survive both a fork and concurrent callers.) Machine code is cached on
disk and is made again when any source of the engine or of the folder of the family's rules has changed.
"""

from __future__ import annotations

import hashlib
import re
import sys
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from numba import cuda, njit

from telos.envs.engine.arrays import cuda_stream
from telos.envs.engine.threads import run_split

__all__ = ["Kernel", "source_version"]

# Handing a part to another thread takes about as long as this many elementary operations.
_WORTH_A_THREAD = 50_000
_PARTS_PER_THREAD = 4
_BLOCK = 128
_SLOW = 1.0


@cache
def source_version(folders: tuple[Path, ...]) -> str:
    """Changes with any source in the folders, not in those below them: Numba looks at one file only."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.glob("*.py")):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


class Kernel:
    """``body(i, *arguments)`` for every ``i`` of a batch.

    Args:
        body: A rule. Its first argument is the environment's number; the others are arrays or named tuples of
            arrays whose first axis is the environment, and shared parameters.
        folder: Where the sources of the rules that the body calls are.
        name: What a user reads when the first compilation takes long; no two kernels may have the same.
        device: ``"cpu"`` or ``"cuda"``.
        allocates: Whether the body makes arrays, which needs reference counts: these take most of a small rule's time.
    """

    def __init__(
        self, body: Callable[..., Any], folder: Path, name: str, device: str = "cpu", allocates: bool = False
    ) -> None:
        self._name = name
        self._announced = False
        label = re.sub(r"\W", "_", name) + "_" + source_version((Path(__file__).parent, folder))
        self._run = _compile_for_cuda(body) if device == "cuda" else _compile_for_cpu(body, label, allocates)
        self._on_cuda = device == "cuda"

    def __call__(self, size: int, arguments: tuple[Any, ...], threads: int = 1, work: int = 1) -> None:
        """Runs the body for ``0 <= i < size``.

        Args:
            size: Number of environments.
            arguments: The body's arguments after ``i``.
            threads: At most so many threads (CPU).
            work: Elementary operations of one environment, about; few in all are not worth a second thread.
        """
        if self._on_cuda:
            block = min(size, _BLOCK)
            self._run[-(-size // block), block, cuda_stream()](size, arguments)
            return
        timer = None
        if not self._announced:
            self._announced = True
            timer = threading.Timer(_SLOW, _announce, [self._name])
            timer.daemon = True
            timer.start()
        try:
            # More parts than threads, because environments differ: an episode's beginning may take long.
            parts = min(_PARTS_PER_THREAD * threads, size * work // _WORTH_A_THREAD)
            run_split(lambda start, stop: self._run(start, stop, *arguments), size, threads, parts)
        finally:
            if timer is not None:
                timer.cancel()


def _announce(name: str) -> None:
    sys.stderr.write(f"telos: compiling {name} (once on this machine)\n")


def _compile_for_cpu(body: Callable[..., Any], label: str, allocates: bool) -> Any:
    def run(start, stop, *arguments):
        for i in range(start, stop):
            body(i, *arguments)

    # The name of the function is the name of its files in the cache: one family's must not need another's classes.
    run.__qualname__ = label
    # Numba's own switch for reference counts has no public name.
    options: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": allocates}
    return njit(**options)(run)


def _compile_for_cuda(body: Callable[..., Any]) -> Any:
    device_body = cuda.jit(device=True)(body)

    # A kernel for CUDA cannot have *arguments.
    @cuda.jit
    def run(size, arguments):
        i = cuda.grid(1)  # type: ignore[attr-defined]
        if i < size:
            device_body(i, *arguments)

    return run
