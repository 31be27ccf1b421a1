"""Parts of a batch on several threads: each is done once, and none waits for a slow one."""

import threading

import numpy as np
import pytest

from telos.envs.engine.threads import run_split


@pytest.mark.parametrize(("size", "threads", "parts"), [(1, 4, 4), (7, 2, 0), (7, 2, 3), (7, 3, 50), (100, 2, 8)])
def test_each_row_is_done_once(size, threads, parts):
    done = np.zeros(size, int)

    def task(start, stop):
        done[start:stop] += 1

    run_split(task, size, threads, parts)
    assert (done == 1).all()


def test_a_slow_part_does_not_hold_up_the_others():
    others, done = threading.Event(), []

    def task(start, stop):
        if start == 0:
            assert others.wait(20)
        done.append(start)
        if len(done) == 7:
            others.set()

    run_split(task, 80, 2, 8)
    assert sorted(done) == list(range(0, 80, 10))
    assert done[-1] == 0


def test_errors_are_raised_whoever_meets_them():
    def task(start, stop):
        if start >= 3:
            raise ArithmeticError("no")

    with pytest.raises(ArithmeticError):
        run_split(task, 4, 2, 4)
