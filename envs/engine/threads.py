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


def run_split(task: Callable[[int, int], None], size: int, threads: int, parts: int) -> None:
    """Calls ``task(start, stop)`` on ``parts`` contiguous parts of ``range(size)``, on ``threads`` threads.

    A thread that is done with a part takes the next one. The caller's thread takes part. Safe from several threads at
    once: a part never waits for another.
    """
    global _pool
    parts = min(parts, size)
    threads = min(threads, parts)
    if threads <= 1:
        task(0, size)
        return
    if _pool is None:
        _pool = ThreadPoolExecutor(max_workers=max(default_threads() - 1, 1), thread_name_prefix="telos-kernel")
    bounds = [size * part // parts for part in range(parts + 1)]
    left = iter(list(itertools.pairwise(bounds)))

    def work() -> None:
        for start, stop in left:
            task(start, stop)

    helpers: list[Future[None]] = [_pool.submit(work) for _ in range(threads - 1)]
    work()
    for helper in helpers:
        if not helper.cancel():  # it may wait for another caller's parts
            helper.result()
