"""Are simulated users like the logged ones? A report, and the gate that asks for it.

The rules themselves are run: every logged session is played once more, with the user's own items in the log's order,
until the simulated user leaves. What is compared and the limits are the project's targets for user data; that session
lengths have a limit, and which, is ours.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from telos.envs.engine.batch import Batch
from telos.envs.engine.episodes import WhenDone
from telos.envs.recsys.logged.convert import Interactions
from telos.envs.recsys.logged.fitting import Fit, Sessions, held_out, log_odds, sessions_of
from telos.envs.recsys.logged.params import RETURN_DAYS

__all__ = ["LIMITS", "UnfaithfulFitError", "calibration_error", "check_fidelity", "examine", "failures", "replay"]

#: Limits of the report: relative difference of rates, expected calibration error, Wasserstein-1 distance of session
#: lengths in units of the mean length, and of days until the return.
LIMITS = {"rate": 0.1, "calibration": 0.02, "session length": 0.1, "return day": 0.25}

_BINS = 15
_LONGEST = 1_000
_SESSIONS = 20_000
_BATCH = 4_096
#: Passes over the sessions go on until the rarest signal was given so often, or so many items were shown.
_ENOUGH_SIGNALS, _ENOUGH_ITEMS = 2_000, 4_000_000


class UnfaithfulFitError(ValueError):
    """Simulated users are not like the logged ones, or nobody has looked."""


class Replay(NamedTuple):
    """What simulated users did in place of the logged ones.

    Attributes:
        shown: Items shown in all.
        given: Int64 ``(S,)``, signals that were given.
        lengths: Int64 ``(sessions,)``, items of each session, at most 1,000.
        away: Int64, days until the return, of the sessions that were not cut.
    """

    shown: int
    given: NDArray[np.int64]
    lengths: NDArray[np.int64]
    away: NDArray[np.int64]


def calibration_error(chance: NDArray[np.floating], given: NDArray[np.bool_]) -> float:
    """Expected calibration error with 15 bins of equal mass: ``sum_b |mean chance - mean given| n_b / n``."""
    order = np.argsort(chance, kind="stable")
    gaps = np.array_split(np.asarray(chance, np.float64)[order] - given[order], min(_BINS, len(order)))
    return float(sum(abs(gap.sum()) for gap in gaps) / len(order))


def examine(fit: Fit, log: Interactions, seed: int = 0) -> dict[str, Any]:
    """Compares simulated users with a log.

    Returns:
        ``{"digest": of the model, "seed": seed, "checks": [...]}``, each check with ``name``, ``logged`` and
        ``simulated`` values, ``error``, ``limit`` and ``passes``. The calibration is that of held-out sessions; its
        ``simulated`` value is the mean error of labels that are drawn from the model itself, so what so few rows show
        of a perfect model, and only what is beyond it counts.
    """
    sessions = sessions_of(log)
    rng = np.random.default_rng(seed)
    chosen = np.arange(len(sessions.start))
    if len(chosen) > _SESSIONS:
        chosen = np.sort(rng.choice(chosen, _SESSIONS, replace=False))
    replays = [replay(fit, log, sessions, chosen, seed)]
    given, shown = replays[0].given.copy(), replays[0].shown
    while given.min() < _ENOUGH_SIGNALS and shown < _ENOUGH_ITEMS:
        replays.append(replay(fit, log, sessions, chosen, seed + len(replays)))
        given += replays[-1].given
        shown += replays[-1].shown
    checks = []

    def check(name: str, kind: str, logged: float, simulated: float, error: float) -> None:
        limit = LIMITS[kind]
        values = {"logged": logged, "simulated": simulated, "error": error, "limit": limit}
        checks.append({"name": name, **values, "passes": bool(error <= limit)})

    rows = np.concatenate([np.arange(sessions.start[k], sessions.stop[k]) for k in chosen])
    logged_rates = log.feedback[rows].mean(axis=0)
    for name, logged, rate in zip(fit.signals, logged_rates, given / shown, strict=True):
        gap = abs(rate - logged) / logged if logged else float(rate > 0.0)
        check(f"rate of {name}", "rate", float(logged), float(rate), float(gap))
    _, reporting = held_out(len(sessions.start), fit.seed)
    rows = np.flatnonzero(reporting[np.asarray(log.session)])
    chances = 1.0 / (1.0 + np.exp(-log_odds(fit.model, log, rows, fit.window).astype(np.float64)))
    for s, name in enumerate(fit.signals):
        chance, found = chances[:, s], calibration_error(chances[:, s], np.asarray(log.feedback[rows, s]))
        ideal = float(np.mean([calibration_error(chance, rng.random(len(rows)) < chance) for _ in range(10)]))
        check(f"calibration of {name}", "calibration", found, ideal, max(found - ideal, 0.0))
    lengths = np.minimum(sessions.stop - sessions.start, _LONGEST)[chosen]
    simulated_lengths = np.concatenate([one.lengths for one in replays])
    mean = float(lengths.mean())
    distance = _wasserstein(_shares(lengths, _LONGEST), _shares(simulated_lengths, _LONGEST)) / mean
    check("session length", "session length", mean, float(simulated_lengths.mean()), distance)
    logged_away = _known_absences(sessions, chosen)
    simulated_away = _shares(np.concatenate([one.away for one in replays]), RETURN_DAYS)
    days = np.arange(RETURN_DAYS + 1)
    away = (float(days @ logged_away), float(days @ simulated_away))
    check("return day", "return day", *away, _wasserstein(logged_away, simulated_away))
    return {"digest": fit.digest, "seed": seed, "checks": checks}


def failures(fit: Fit) -> list[str]:
    """What speaks against a fit, one line each; nothing if its report is its own and passes."""
    if not fit.report:
        return ["it has no fidelity report"]
    if fit.report["digest"] != fit.digest:
        return ["its fidelity report is that of another model"]
    return [
        f"{row['name']}: {row['simulated']:.3g} simulated, {row['logged']:.3g} logged, an error of {row['error']:.3g} "
        f"where {row['limit']:g} is allowed"
        for row in fit.report["checks"]
        if not row["passes"]
    ]


def check_fidelity(fit: Fit, where: object) -> None:
    """The gate.

    Raises:
        UnfaithfulFitError: If anything speaks against the fit.
    """
    if found := failures(fit):
        raise UnfaithfulFitError(
            f"the users fitted in {where} are not like the logged ones:\n  " + "\n  ".join(found) + "\n"
            "`telos recsys fidelity` prints the report. Fit again (`telos recsys fit`, with more factors or "
            "iterations), or accept it with allow_unfaithful=True, and say so where you report results"
        )


def replay(fit: Fit, log: Interactions, sessions: Sessions, chosen: NDArray[np.integer], seed: int) -> Replay:
    """Plays logged sessions once more with simulated users, each with the log's items of its user from there on.

    After the last item of a user's log comes the first one.
    """
    from telos.envs.recsys.logged.family import LoggedRec  # which needs the gate of this module

    size = min(_BATCH, len(chosen))
    batch = Batch(LoggedRec.of(fit, days=2**30, pools=True), size)
    batch.reset(np.ones(size, np.bool_), np.arange(seed * _BATCH, seed * _BATCH + size, dtype=np.uint64))
    state, item = batch.state, np.asarray(log.item)
    edges = np.searchsorted(log.user, np.arange(len(log.user_ids) + 1))
    waiting, playing = size, np.arange(size)
    cursor, active = sessions.start[chosen[:size]], np.ones(size, np.bool_)
    user = sessions.user[chosen[:size]]
    state.user[:] = user
    lengths = np.zeros(len(chosen), np.int64)
    away = []

    def following(rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.where(rows >= edges[user + 1], edges[user], rows)

    given, shown = np.zeros(len(fit.signals), np.int64), 0
    while active.any():
        # A session of the log has no item twice, so that a longer one in its place has none, either.
        for _ in range(fit.window):
            again = (state.recent == item[cursor][:, None]).any(axis=1)
            if not again.any():
                break
            cursor = following(cursor + again)
        step = batch.step(item[cursor].astype(np.int64), WhenDone.NOTHING)
        shown += int(active.sum())
        given += state.feedback[active, 0].sum(axis=0, dtype=np.int64)
        lengths[playing[active]] += 1
        cursor = following(cursor + 1)
        left = active & (step.metrics[:, 1] == 1.0)
        away.append(step.metrics[left, 2].astype(np.int64))
        cut = active & ~left & (lengths[playing] >= _LONGEST)
        state.position[cut], state.sums[cut], state.recent[cut] = 0, 0, -1
        for row in np.flatnonzero(left | cut):
            if waiting == len(chosen):
                active[row] = False
                continue
            playing[row] = waiting
            cursor[row], user[row] = sessions.start[chosen[waiting]], sessions.user[chosen[waiting]]
            state.user[row] = user[row]
            waiting += 1
    return Replay(shown, given, lengths, np.concatenate(away))


def _shares(values: NDArray[np.integer], most: int) -> NDArray[np.float64]:
    """Distribution over 0 to ``most``."""
    return np.bincount(values, minlength=most + 1) / max(len(values), 1)


def _wasserstein(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Wasserstein-1 distance of two distributions over 0, 1, ...: of their cumulative sums."""
    return float(np.abs(np.cumsum(one - other)).sum())


def _known_absences(sessions: Sessions, chosen: NDArray[np.integer]) -> NDArray[np.float64]:
    """Kaplan and Meier's estimate of the days until the return; the last entry is for all later ones."""
    away, returned = sessions.away[chosen], sessions.returned[chosen]
    left, shares = 1.0, np.zeros(RETURN_DAYS + 1)
    for day in range(RETURN_DAYS):
        came = int((returned & (away == day)).sum())
        at_risk = int((np.where(returned, away, away - 1) >= day).sum())
        shares[day] = left * came / max(at_risk, 1)
        left -= shares[day]
    shares[RETURN_DAYS] = left
    return shares
