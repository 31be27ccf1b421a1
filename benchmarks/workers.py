"""Worker processes of benchmarks that train: one thread each, and none outlives the benchmark."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process

__all__ = ["worker_processes"]


def worker_processes(workers: int) -> ProcessPoolExecutor:
    """So many processes, started anew; what they write has to be whole on disk at any time."""
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_end_with_parent)


def _end_with_parent() -> None:
    """Ends this process when the one that started it is gone, however it went."""
    parent = parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
