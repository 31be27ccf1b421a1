import pytest
from jobsched import Job, Outcome, RetryPolicy, Scheduler, SchedulerError, SimClock


def fails_until(success):
    def action(attempt):
        if attempt < success:
            raise RuntimeError(f"attempt {attempt}")
        return f"ok {attempt}"

    return action


def loaded(*jobs, clock=None):
    scheduler = Scheduler(clock)
    for job in jobs:
        scheduler.add(job)
    return scheduler


def job(name, needs="", success=1, **options):
    return Job(name, fails_until(success), tuple(needs), **options)


def test_clock_advances_only_forward():
    assert SimClock().now == 0
    clock = SimClock(5)
    assert clock.advance(0) == 5
    assert clock.advance(2.5) == 7.5
    assert clock.advance_to(10) == 10
    with pytest.raises(ValueError, match="backward"):
        clock.advance_to(9)
    assert clock.now == 10


def test_retry_delay_grows_up_to_the_cap():
    policy = RetryPolicy(retries=5, base=3, factor=2, cap=10)
    assert [policy.delay(n) for n in (1, 2, 3, 4)] == [3, 6, 10, 10]


def test_retry_policy_defaults():
    assert RetryPolicy() == RetryPolicy(0, 1, 2, None)
    assert [RetryPolicy().delay(n) for n in (1, 2, 10)] == [1, 2, 512]


def test_retry_policy_bounds():
    with pytest.raises(ValueError, match="failures"):
        RetryPolicy().delay(0)
    assert RetryPolicy(retries=0, base=0, factor=1, cap=0).delay(1) == 0
    for wrong in ({"retries": -1}, {"base": -0.5}, {"factor": 0.5}, {"cap": -0.5}):
        with pytest.raises(ValueError, match="must"):
            RetryPolicy(**wrong)


def test_taken_name_and_negative_duration_raise():
    with pytest.raises(SchedulerError, match="already"):
        loaded(job("a"), job("a"))
    loaded(job("a", duration=0))
    with pytest.raises(SchedulerError, match="duration"):
        loaded(job("a", duration=-0.5))


def test_order_prefers_priority_then_age():
    scheduler = loaded(job("a"), job("b", priority=2), job("c", priority=2), job("d", priority=1))
    assert scheduler.order() == ["b", "c", "d", "a"]


def test_order_puts_needs_first():
    scheduler = loaded(job("a", needs="bc", priority=9), job("b"), job("c", needs="b"))
    assert scheduler.order() == ["b", "c", "a"]


def test_unknown_need_raises():
    with pytest.raises(SchedulerError, match="unknown"):
        loaded(job("a", needs="z")).order()


def test_cycle_raises_before_anything_runs():
    scheduler = loaded(job("x"), job("a", needs="b"), job("b", needs="a"))
    with pytest.raises(SchedulerError, match="2 jobs wait"):
        scheduler.run()
    assert scheduler.log == []


def test_job_defaults():
    plain = Job("a", fails_until(1))
    assert (plain.needs, plain.priority, plain.duration, plain.start) == ((), 0, 1, 0)
    assert plain.policy.retries == 0


def test_run_logs_start_times_in_priority_order():
    scheduler = loaded(job("a", duration=2), job("b", priority=1, duration=5), job("c"))
    scheduler.run()
    assert scheduler.log == [(0, "b", 1), (5, "a", 1), (7, "c", 1)]


def test_outcomes_are_in_the_order_settled():
    outcomes = loaded(job("a", needs="b"), job("b", duration=3)).run()
    assert outcomes == {
        "b": Outcome("done", 1, 3, "ok 1", None),
        "a": Outcome("done", 1, 4, "ok 1"),
    }
    assert list(outcomes) == ["b", "a"]


def test_run_uses_the_given_clock():
    clock = SimClock(100)
    loaded(job("a"), clock=clock).run()
    assert clock.now == 101


def test_failed_job_is_retried_after_its_delay():
    scheduler = loaded(job("a", success=3, policy=RetryPolicy(retries=2, base=4)))
    outcomes = scheduler.run()
    assert scheduler.log == [(0, "a", 1), (5, "a", 2), (14, "a", 3)]
    assert outcomes["a"] == Outcome("done", 3, 15, "ok 3")


def test_job_fails_when_retries_are_used_up():
    outcome = loaded(job("a", success=3, policy=RetryPolicy(retries=1))).run()["a"]
    assert (outcome.state, outcome.attempts, outcome.time) == ("failed", 2, 3)
    assert str(outcome.error) == "attempt 2"
    assert outcome.result is None


def test_other_jobs_run_while_a_retry_waits():
    policy = RetryPolicy(retries=1, base=2)
    scheduler = loaded(job("a", success=2, priority=5, policy=policy), job("b"), job("c"), job("d"))
    scheduler.run()
    assert [name for _, name, _ in scheduler.log] == ["a", "b", "c", "a", "d"]


def test_start_holds_a_job_back():
    scheduler = loaded(job("a", start=10, priority=9), job("b", start=4), job("c", start=12))
    scheduler.run()
    assert scheduler.log == [(4, "b", 1), (10, "a", 1), (12, "c", 1)]


def test_job_whose_start_has_just_come_competes_by_priority():
    scheduler = loaded(job("a"), job("b"), job("c", start=1, priority=3))
    scheduler.run()
    assert [name for _, name, _ in scheduler.log] == ["a", "c", "b"]


def test_dependents_of_a_failed_job_are_skipped():
    outcomes = loaded(
        job("a", success=9),
        job("b", needs="a"),
        job("c", needs="ab"),
        job("d", needs="c"),
        job("e"),
    ).run()
    assert [outcomes[name].state for name in "abcde"] == ["failed", *["skipped"] * 3, "done"]
    assert outcomes["d"] == Outcome("skipped", 0, 1)


def test_run_forgets_its_jobs_but_keeps_the_log():
    scheduler = loaded(job("a"))
    scheduler.run()
    assert scheduler.run() == {}
    scheduler.add(job("a"))
    assert list(scheduler.run()) == ["a"]
    assert scheduler.log == [(0, "a", 1), (1, "a", 1)]
