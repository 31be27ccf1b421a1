"""One small thread pool for every kernel, made anew after a fork."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

__all__ = ["default_threads", "run_split"]

_pool: ThreadPoolExecutor | None = None


def _forget_pool() -> None:
    """A forked child has the pool's object but none of its threads."""
    global _pool
    _pool = None


os.register_at_fork(after_in_child=_forget_pool)


def default_threads() -> int:
    """The CPU cores that this process may use."""
    return len(os.sched_getaffinity(0))


def run_split(task: Callable[[int, int], None], size: int, threads: int) -> None:
    """Calls ``task(start, stop)`` on ``threads`` contiguous parts of ``range(size)``, side by side.

    The caller's thread takes the first part. Safe from several threads at once: a part never waits for another.
    """
    global _pool
    threads = min(threads, size)
    if threads <= 1:
        task(0, size)
        return
    if _pool is None:
        _pool = ThreadPoolExecutor(max_workers=max(default_threads() - 1, 1), thread_name_prefix="telos-kernel")
    bounds = [size * part // threads for part in range(threads + 1)]
    parts: list[Future[None]] = [_pool.submit(task, *pair) for pair in itertools.pairwise(bounds[1:])]
    task(bounds[0], bounds[1])
    for part in parts:
        part.result()
