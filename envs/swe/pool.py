"""A warm pool: sandboxes are made ahead in the background, used once, and thrown away."""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import time
from collections import deque
from dataclasses import dataclass

from telos.envs.swe.errors import InfrastructureError, SandboxUnavailableError
from telos.envs.swe.sandbox.base import KINDS, Sandbox, SandboxLimits, open_sandbox
from telos.envs.swe.scratch import remove_dead_folders, scratch_folder

__all__ = ["SandboxPool", "SandboxSpec", "acquire_pool", "release_pool"]

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_TAKE_TIMEOUT = 120.0
_REAP_PERIOD = 30.0
_MOST_WARM = 16
#: Seconds until the first sandbox taken from a full pool is replaced: its making would slow down its taker.
_BREATHER = 0.25


@dataclass(frozen=True)
class SandboxSpec:
    """What makes two sandboxes interchangeable."""

    kind: str
    image: str
    limits: SandboxLimits
    output_limit: int

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(
                f"unknown sandbox {self.kind!r}: choose 'docker' or 'bubblewrap'; the bare host is never used"
            )


class SandboxPool:
    """Keeps ``warm`` sandboxes a user ready, made one at a time so that a start-up does not flood the engine.

    Failures slow the maker down (0.5 s, doubling to 30 s) and are raised to whoever waits. Thread-safe.
    """

    def __init__(self, spec: SandboxSpec) -> None:
        self.spec = spec
        self._idle: deque[tuple[float, Sandbox]] = deque()
        self._wanted: dict[object, int] = {}
        self._waiting = 0
        self._not_before = 0.0
        self._error: Exception | None = None
        self._closed = threading.Event()
        self._condition = threading.Condition()
        self._maker = threading.Thread(target=self._make, name="telos-swe-pool", daemon=True)
        self._maker.start()

    def want(self, user: object, warm: int) -> None:
        """Sets how many sandboxes are kept ready for a user; 0 forgets the user."""
        with self._condition:
            if warm:
                self._wanted[user] = warm
            else:
                self._wanted.pop(user, None)
            self._condition.notify_all()

    @property
    def users(self) -> int:
        """Number of users."""
        return len(self._wanted)

    @property
    def idle(self) -> int:
        """Number of sandboxes that are ready now."""
        return len(self._idle)

    @property
    def full(self) -> bool:
        """Whether as many sandboxes are ready as the users want."""
        return len(self._idle) >= self._target()

    def _target(self) -> int:
        return max(self._waiting, min(sum(self._wanted.values()), _MOST_WARM))

    def _rest(self) -> float | None:
        """Seconds until a sandbox is to be made: 0 is now, None is not before something changes."""
        if self.full:
            return None
        if self._waiting > len(self._idle):
            return 0.0
        return max(0.0, self._not_before - time.monotonic())

    def take(self) -> Sandbox:
        """Hands over a fresh sandbox; the caller closes it.

        Raises:
            SandboxUnavailableError: If this machine cannot make one.
            InfrastructureError: If making one failed or took longer than two minutes.
        """
        deadline = time.monotonic() + _TAKE_TIMEOUT
        with self._condition:
            self._waiting += 1
            self._error = None
            self._condition.notify_all()
            try:
                while not self._drop_stale():
                    self._raise_error()
                    if self._closed.is_set() or not self._condition.wait(deadline - time.monotonic()):
                        raise InfrastructureError("pool", "no sandbox became ready in time")
                if self.full:
                    self._not_before = time.monotonic() + _BREATHER
                _, sandbox = self._idle.popleft()
            finally:
                self._waiting -= 1
            self._condition.notify_all()
        return sandbox

    def _drop_stale(self) -> bool:
        """Closes sandboxes that have waited for half of their lifetime; returns whether any is left."""
        oldest = time.monotonic() - self.spec.limits.lifetime / 2
        while self._idle and self._idle[0][0] < oldest:
            self._idle.popleft()[1].close()
        return bool(self._idle)

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _make(self) -> None:
        pause, next_reap = 0.0, 0.0
        while True:
            with self._condition:
                while not self._closed.is_set() and (rest := self._rest()) != 0.0:
                    self._condition.wait(rest)
                if self._closed.is_set():
                    return
            if time.monotonic() >= next_reap:
                self._reap()
                next_reap = time.monotonic() + _REAP_PERIOD
            try:
                sandbox = open_sandbox(self.spec.kind, self.spec.image, self.spec.limits, self.spec.output_limit)
            except Exception as error:
                pause = min(max(_FIRST_PAUSE, 2 * pause), _LONGEST_PAUSE)
                with self._condition:
                    self._error = error
                    self._condition.notify_all()
                    # A new request is worth a new try at once; background filling is not.
                    self._condition.wait_for(lambda: self._closed.is_set() or self._error is None, pause)
                continue
            pause = 0.0
            with self._condition:
                if self._closed.is_set():
                    sandbox.close()
                    return
                self._idle.append((time.monotonic(), sandbox))
                self._condition.notify_all()

    def _reap(self) -> None:
        """Removes what killed trainers left; a failure here shows again, and louder, when a sandbox is made."""
        remove_dead_folders()
        if self.spec.kind == "docker":
            from telos.envs.swe.sandbox.docker import reap

            with contextlib.suppress(SandboxUnavailableError, OSError):
                reap()

    def close(self) -> None:
        """Closes the idle sandboxes and stops the maker."""
        with self._condition:
            self._closed.set()
            self._condition.notify_all()
        if self._maker is not threading.current_thread():
            self._maker.join(timeout=10.0)
        while self._idle:
            self._idle.popleft()[1].close()


_pools: dict[SandboxSpec, SandboxPool] = {}
_lock = threading.Lock()


def acquire_pool(spec: SandboxSpec, user: object, warm: int) -> SandboxPool:
    """The pool of this process for ``spec``, with ``warm`` sandboxes kept ready for ``user``."""
    with _lock:
        pool = _pools.get(spec)
        if pool is None:
            # What was registered last is done first at exit: the folder that half-made sandboxes use goes after them.
            scratch_folder()
            atexit.unregister(_close_all)
            atexit.register(_close_all)
            pool = _pools[spec] = SandboxPool(spec)
        pool.want(user, warm)
        return pool


def release_pool(pool: SandboxPool, user: object) -> None:
    """Gives a pool back; the last user's release closes it."""
    with _lock:
        pool.want(user, 0)
        if pool.users:
            return
        if _pools.get(pool.spec) is pool:
            del _pools[pool.spec]
    pool.close()


def _close_all() -> None:
    with _lock:
        pools = list(_pools.values())
        _pools.clear()
    for pool in pools:
        pool.close()


def _forget_in_child() -> None:
    """Threads do not survive a fork: a child starts with pools of its own."""
    global _lock
    _lock = threading.Lock()
    _pools.clear()


os.register_at_fork(after_in_child=_forget_in_child)
