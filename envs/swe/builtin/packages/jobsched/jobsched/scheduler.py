"""One worker that runs jobs by priority, after what they need, with retries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from jobsched.clock import SimClock


class SchedulerError(ValueError):
    """Jobs that cannot be scheduled."""


@dataclass(frozen=True)
class RetryPolicy:
    """How often a failed job is tried again, and how long it waits before each retry.

    The first wait is `base` seconds and each later one `factor` times the one before, but never
    more than `cap` if that is given. A negative number, or a factor below 1, raises ValueError.
    """

    retries: int = 0
    base: float = 1
    factor: float = 2
    cap: float | None = None

    def __post_init__(self) -> None:
        if self.retries < 0 or self.base < 0 or self.factor < 1:
            raise ValueError("retries and base must be at least 0, factor at least 1")
        if self.cap is not None and self.cap < 0:
            raise ValueError("cap must not be negative")

    def delay(self, failures: int) -> float:
        """Seconds to wait after that many failures; ValueError if `failures` is below 1."""
        if failures < 1:
            raise ValueError("failures must be at least 1")
        wait = self.base * self.factor ** (failures - 1)
        return wait if self.cap is None else min(wait, self.cap)


@dataclass(frozen=True)
class Job:
    """A unit of work.

    `action` is called with the number of the attempt, from 1, and fails by raising an
    Exception. `needs` names the jobs that must be done first. A higher `priority` goes first.
    Each attempt takes `duration` seconds. The job does not start before time `start`.
    """

    name: str
    action: Callable[[int], object]
    needs: tuple[str, ...] = ()
    priority: int = 0
    duration: float = 1
    start: float = 0
    policy: RetryPolicy = field(default_factory=RetryPolicy)


@dataclass(frozen=True)
class Outcome:
    """How a job ended: its state, the number of attempts, and when it was settled.

    `result` is what the action returned (None unless done), `error` the last exception (None
    unless failed).
    """

    state: Literal["done", "failed", "skipped"]
    attempts: int
    time: float
    result: object = None
    error: Exception | None = None


class Scheduler:
    """Runs jobs one at a time on a simulated clock (a new one at 0 unless one is given).

    `log` lists every attempt as (start time, job name, attempt number).
    """

    def __init__(self, clock: SimClock | None = None) -> None:
        self.clock = SimClock() if clock is None else clock
        self.log: list[tuple[float, str, int]] = []
        self._jobs: dict[str, Job] = {}

    def add(self, job: Job) -> None:
        """Register `job`.

        A name that is taken, or a negative duration, raises SchedulerError. What the job needs
        may be added later.
        """
        if job.name in self._jobs:
            raise SchedulerError(f"job {job.name!r} is there already")
        if job.duration < 0:
            raise SchedulerError(f"job {job.name!r} has a negative duration")
        self._jobs[job.name] = job

    def order(self) -> list[str]:
        """The names of all jobs, each after what it needs.

        Of the jobs that could come next, the one of highest priority does; of equal ones, the
        one added first. Raises SchedulerError for an unknown need or for jobs that wait for each
        other.
        """
        names: list[str] = []
        waiting = list(self._jobs.values())
        for job in waiting:
            for need in job.needs:
                if need not in self._jobs:
                    raise SchedulerError(f"job {job.name!r} needs the unknown job {need!r}")
        while waiting:
            free = [job for job in waiting if all(need in names for need in job.needs)]
            if not free:
                raise SchedulerError(f"{len(waiting)} jobs wait for each other")
            chosen = max(free, key=lambda job: job.priority)
            names.append(chosen.name)
            waiting.remove(chosen)
        return names

    def run(self) -> dict[str, Outcome]:
        """Run every job that is registered, forget them all, and return their outcomes.

        Outcomes are in the order in which the jobs were settled. Of the jobs whose needs are
        done and whose time has come, the one of highest priority runs next; of equal ones, the
        one added first. When none may start yet, the clock moves to the earliest that may. A
        failed attempt is repeated after the policy's delay, counted from its end, until the
        retries are used up. A job with a need that failed or was skipped is skipped at once.
        Raises SchedulerError as `order` does, before anything runs.
        """
        self.order()
        waiting = list(self._jobs.values())
        self._jobs = {}
        due = {job.name: job.start for job in waiting}
        tried = {job.name: 0 for job in waiting}
        outcomes: dict[str, Outcome] = {}
        while waiting:
            job = self._next(waiting, due, outcomes)
            self.clock.advance_to(max(due[job.name], self.clock.now))
            tried[job.name] += 1
            outcome = self._attempt(job, tried[job.name])
            if outcome.state == "failed" and tried[job.name] <= job.policy.retries:
                due[job.name] = self.clock.now + job.policy.delay(tried[job.name])
                continue
            waiting.remove(job)
            outcomes[job.name] = outcome
            if outcome.state == "failed":
                self._skip_dependents(job.name, waiting, outcomes)
        return outcomes

    def _next(self, waiting: list[Job], due: dict[str, float], outcomes: dict[str, Outcome]) -> Job:
        free = [job for job in waiting if all(need in outcomes for need in job.needs)]
        now = max(self.clock.now, min(due[job.name] for job in free))
        return max((job for job in free if due[job.name] <= now), key=lambda job: job.priority)

    def _attempt(self, job: Job, number: int) -> Outcome:
        self.log.append((self.clock.now, job.name, number))
        try:
            result = job.action(number)
        except Exception as error:
            return Outcome("failed", number, self.clock.advance(job.duration), error=error)
        return Outcome("done", number, self.clock.advance(job.duration), result)

    def _skip_dependents(self, name: str, waiting: list[Job], outcomes: dict[str, Outcome]) -> None:
        lost = [name]
        while lost:
            name = lost.pop()
            for job in [job for job in waiting if name in job.needs]:
                waiting.remove(job)
                outcomes[job.name] = Outcome("skipped", 0, self.clock.now)
                lost.append(job.name)
