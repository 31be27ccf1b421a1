"""From converted logs to a user model: fitted on most sessions, calibrated on others, saved with its report."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from telos.envs.recsys.logged.convert import Interactions, Progress, write_atomically
from telos.envs.recsys.logged.layouts import DataMissingError
from telos.envs.recsys.logged.likelihood import Feedback, feedback_log_odds, fit_feedback, fit_hazard
from telos.envs.recsys.logged.params import LENGTH_BUCKETS, RETURN_DAYS, UserModel, length_bucket

__all__ = [
    "FIT_FILE",
    "Fit",
    "Sessions",
    "fit_users",
    "held_out",
    "load_fit",
    "log_odds",
    "save_fit",
    "sessions_of",
    "window_share",
]

FIT_FILE = "fit.npz"
_FORMAT = 1
#: Signals that fewer held-out rows have, or do not have, keep their slope.
_LEAST_FOR_A_SLOPE = 25
#: Rows that a profile counts as seen before the first (ours).
_PROFILE_PRIOR = 5.0


@dataclass(frozen=True)
class Fit:
    """A fitted user model.

    Attributes:
        layout: Name of the logs' layout.
        signals: Names, the first one the outcome.
        categories: Names.
        num_items: Items to recommend; further rows of the model are the pools of categories.
        window: Items that boredom looks back on.
        seed: Of the split and of the start.
        model: The arrays.
        report: What :func:`telos.envs.recsys.logged.fidelity.examine` found, or nothing. It holds for one model, which
            it names by ``digest``.
    """

    layout: str
    signals: tuple[str, ...]
    categories: tuple[str, ...]
    num_items: int
    window: int
    seed: int
    model: UserModel
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Changes with any number of the model."""
        found = hashlib.sha256()
        for array in self.model:
            found.update(np.ascontiguousarray(array).tobytes())
        return found.hexdigest()[:16]


@dataclass(frozen=True)
class Sessions:
    """The sessions of a log, each array ``(sessions,)``.

    Attributes:
        start: Int64, first row.
        stop: Int64, behind the last row.
        user: Int64.
        away: Int64, days until the user's next session, or whole days of the log that are left if there is none.
        returned: Bool, whether there is one.
    """

    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    user: NDArray[np.int64]
    away: NDArray[np.int64]
    returned: NDArray[np.bool_]


def sessions_of(log: Interactions) -> Sessions:
    """The sessions of a log."""
    edges = log.starts
    start, stop = edges[:-1], edges[1:]
    user = np.asarray(log.user[start], np.int64)
    begins, ends = (np.asarray(log.day[rows], np.int64) for rows in (start, stop - 1))
    returned = np.append(user[1:] == user[:-1], False)
    following = np.append(begins[1:], 0)
    return Sessions(start, stop, user, np.where(returned, following, log.about.days - 1) - ends, returned)


def held_out(sessions: int, seed: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which sessions are for calibration, a tenth, and which for the report, a fifth; the others are fitted to."""
    u = np.random.default_rng(seed).random(sessions)
    return (u >= 0.7) & (u < 0.8), u >= 0.8


def window_share(log: Interactions, window: int) -> NDArray[np.float32]:
    """Share of the window before each row that is of its item's category, float32 ``(N,)``."""
    share: NDArray[np.float32] = _window_share(log.categories[log.item], np.asarray(log.session), window)
    return share


def log_odds(model: UserModel, log: Interactions, rows: NDArray[np.integer], window: int) -> NDArray[np.float32]:
    """What the model says of each signal at some rows of the log, float32 ``(rows, S)``."""
    share = window_share(log, window)[rows]
    found: NDArray[np.float32] = feedback_log_odds(log.user[rows], log.item[rows], share, *model[:5])
    return found


def fit_users(
    log: Interactions,
    factors: int = 8,
    window: int = 10,
    seed: int = 0,
    iterations: int = 100,
    progress: Progress = lambda text, fraction: None,
) -> Fit:
    """Fits the user model; minutes for millions of rows.

    Args:
        log: What :func:`telos.envs.recsys.logged.convert.convert` made.
        factors: Dimensions of users and items.
        window: Items that boredom looks back on, 10 by default (ours).
        seed: Of the split of sessions and of the search's start.
        iterations: Of the search for the feedback's parameters, at most.
        progress: Called with a text and the fraction done.

    Raises:
        ValueError: If a number is below 1, or the log has fewer than ten sessions.
    """
    for name, value in {"factors": factors, "window": window, "iterations": iterations}.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    sessions = sessions_of(log)
    if len(sessions.start) < 10:
        raise ValueError(f"the log has {len(sessions.start)} sessions: at least ten are needed to hold some out")
    calibrating, reporting = held_out(len(sessions.start), seed)
    of_rows = np.asarray(log.session)
    train = np.flatnonzero(~(calibrating | reporting)[of_rows])
    user, item, given = np.asarray(log.user), np.asarray(log.item), np.asarray(log.feedback)
    share = window_share(log, window)
    shape = (len(log.user_ids), len(log.categories))
    feedback = fit_feedback(
        user[train],
        item[train],
        share[train],
        given[train],
        shape,
        factors,
        seed,
        iterations,
        lambda done: progress("fitting feedback", 0.8 * done),
    )
    progress("calibrating", 0.8)
    feedback = _calibrated(feedback, user, item, share, given, calibrating[of_rows], ~reporting[of_rows])
    progress("fitting leaving", 0.85)
    x = np.column_stack([given, share]).astype(np.float32)
    last = np.zeros(len(user), np.bool_)
    last[sessions.stop - 1] = True
    bucket = length_bucket(np.arange(len(user)) - sessions.start[of_rows])
    leave = fit_hazard(bucket[train], user[train], x[train], last[train], (LENGTH_BUCKETS, shape[0]))
    progress("fitting returns", 0.95)
    day, of_session, came = _days_away(sessions, ~(calibrating | reporting))
    means = np.add.reduceat(given, sessions.start, axis=0, dtype=np.float32)
    means /= (sessions.stop - sessions.start)[:, None]
    back = fit_hazard(day, sessions.user[of_session], means[of_session], came, (RETURN_DAYS, shape[0]))
    progress("fitted", 1.0)
    single = np.float32
    model = UserModel(
        base=feedback.base,
        boredom=feedback.boredom,
        factor_weights=feedback.factor_weights,
        users=feedback.users.astype(single),
        items=feedback.items.astype(single),
        # A copy: kernels would be compiled anew for the memory map, which is read-only.
        categories=np.array(log.categories),
        leave_base=leave.base,
        leave_users=leave.users.astype(single),
        leave_coefs=leave.coefs,
        return_base=back.base,
        return_users=back.users.astype(single),
        return_coefs=back.coefs,
        profiles=_profiles(log),
        shown=np.bincount(item, minlength=shape[1]),
        given=np.stack([np.bincount(item[column], minlength=shape[1]) for column in given.T], axis=1),
    )
    about = log.about
    return Fit(about.layout, about.signals, about.categories, about.num_items, window, seed, model)


def save_fit(fit: Fit, cache: Path) -> Path:
    """Writes a fit to ``cache/fit.npz``, atomically; returns the file."""
    about = {name: getattr(fit, name) for name in ("layout", "signals", "categories", "num_items", "window", "seed")}
    document = json.dumps(about | {"format": _FORMAT, "report": fit.report})
    with write_atomically(cache / FIT_FILE) as draft, draft.open("wb") as file:
        np.savez(file, about=np.array(document), **fit.model._asdict())
    return cache / FIT_FILE


def load_fit(cache: Path) -> Fit:
    """Reads ``cache/fit.npz``.

    Raises:
        DataMissingError: If it is not there, or of another version.
    """
    path = cache / FIT_FILE
    if not path.is_file():
        raise DataMissingError(f"{path} is missing: `telos recsys fit --data-root FOLDER` makes it")
    with np.load(path, allow_pickle=False) as file:
        about = json.loads(str(file["about"]))
        if about.pop("format") != _FORMAT:
            raise DataMissingError(f"{path} is of another version: `telos recsys fit --data-root FOLDER` makes it anew")
        model = UserModel(*(file[name] for name in UserModel._fields))
    return Fit(**(about | {name: tuple(about[name]) for name in ("signals", "categories")}), model=model)


def with_report(fit: Fit, report: dict[str, Any]) -> Fit:
    """The fit with a report."""
    return replace(fit, report=report)


def _calibrated(
    feedback: Feedback,
    user: NDArray[np.int32],
    item: NDArray[np.int32],
    share: NDArray[np.float32],
    given: NDArray[np.bool_],
    calibrating: NDArray[np.bool_],
    known: NDArray[np.bool_],
) -> Feedback:
    """Platt scaling: slopes from the sessions for calibration; intercepts so that all known rates are met."""
    from scipy.optimize import brentq, minimize
    from scipy.special import expit

    odds = feedback_log_odds(user, item, share, *feedback).astype(np.float64)
    signals = given.shape[1]
    slopes, intercepts = np.ones(signals), np.zeros(signals)
    for s in range(signals):
        z, y = odds[calibrating, s], given[calibrating, s]
        if min(y.sum(), (~y).sum()) >= _LEAST_FOR_A_SLOPE:

            def loss(ab: NDArray[np.float64], z: NDArray[np.float64] = z, y: NDArray[np.bool_] = y) -> float:
                scaled = ab[0] * z + ab[1]
                return float(np.logaddexp(0.0, scaled).mean() - scaled[y].sum() / len(y))

            slopes[s] = max(minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead").x[0], 0.0)
        z, rate = slopes[s] * odds[known, s], given[known, s].mean()
        if 0.0 < rate < 1.0:
            intercepts[s] = brentq(lambda b, z=z, rate=rate: expit(z + b).mean() - rate, -30.0, 30.0)
    factors = len(feedback.factor_weights)
    biases = [part.copy() for part in (feedback.users, feedback.items)]
    for part in biases:
        part[:, factors:] *= slopes
    scaled = (feedback.boredom * slopes, feedback.factor_weights * slopes)
    return Feedback(feedback.base * slopes + intercepts, *scaled, *biases)


def _days_away(
    sessions: Sessions, chosen: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """A row for each day of an absence that is known: the day, the session before, and whether it ended then."""
    known = np.minimum(np.where(sessions.returned, sessions.away + 1, sessions.away), RETURN_DAYS)
    known = np.where(chosen, known, 0)
    of_session = np.repeat(np.arange(len(known)), known)
    day = np.arange(len(of_session)) - np.repeat(np.cumsum(known) - known, known)
    return day, of_session, sessions.returned[of_session] & (day == sessions.away[of_session])


def _profiles(log: Interactions) -> NDArray[np.float32]:
    """See :class:`~telos.envs.recsys.logged.params.UserModel`."""
    users, categories = len(log.user_ids), len(log.about.categories)
    cell = np.asarray(log.user, np.int64) * categories + log.categories[log.item]
    liked = np.asarray(log.feedback[:, 0])
    seen = np.bincount(cell, minlength=users * categories).reshape(users, categories)
    given = np.bincount(cell[liked], minlength=users * categories).reshape(users, categories)
    prior = _PROFILE_PRIOR
    own = (given.sum(1) + prior * liked.mean()) / (seen.sum(1) + prior)
    profiles: NDArray[np.float32] = ((given + prior * own[:, None]) / (seen + prior)).astype(np.float32)
    return profiles


@njit(cache=True)
def _window_share(category, session, window):  # type: ignore[no-untyped-def]
    share = np.zeros(category.shape[0], np.float32)
    for n in range(category.shape[0]):
        for before in range(max(n - window, 0), n):
            if session[before] == session[n] and category[before] == category[n]:
                share[n] += 1
        share[n] /= window
    return share
