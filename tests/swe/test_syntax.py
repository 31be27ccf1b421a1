"""Parsing from many threads, with the garbage collector at work, as in a vector environment that grades."""

import gc
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from telos.envs.swe import mutation_sites
from telos.envs.swe.syntax import parse


class Knot:
    """Garbage that only the collector frees, and whose end lets another thread run."""

    def __init__(self):
        self.me = self

    def __del__(self):
        time.sleep(0)


@pytest.fixture
def restless_collector():
    threshold, interval = gc.get_threshold(), sys.getswitchinterval()
    gc.set_threshold(50)
    sys.setswitchinterval(1e-5)
    yield
    gc.set_threshold(*threshold)
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("restless_collector")
def test_threads_do_not_get_into_each_others_way():
    """With ``ast.parse`` this is a ``SystemError`` on Python 3.11.7."""
    source = Path(mutation_sites.__file__).read_text()

    def work(_):
        for _ in range(20):
            for _ in range(3):
                Knot()
            parse(source)
        return len(parse(source).body)

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(work, range(4)))) == 1
