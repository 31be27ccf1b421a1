"""Cron schedules and a job scheduler that runs on a simulated clock."""

from jobsched.clock import SimClock
from jobsched.cron import CronError, CronSchedule, parse_field
from jobsched.scheduler import Job, Outcome, RetryPolicy, Scheduler, SchedulerError

__all__ = [
    "CronError",
    "CronSchedule",
    "Job",
    "Outcome",
    "RetryPolicy",
    "Scheduler",
    "SchedulerError",
    "SimClock",
    "parse_field",
]
