"""Logs in the layouts of the known data sets, of users whose parameters are known. Ours: no number is of a real log.

There are two kinds of items. Bait is clicked, is not watched for long, and is sometimes hated; the others are the
reverse. Users who watched for long tend to stay and to come back, and like variety. So clicks now are at odds with
clicks later, and logs show it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telos.envs.engine.batch import Batch
from telos.envs.engine.episodes import WhenDone
from telos.envs.recsys.logged.family import LoggedRec
from telos.envs.recsys.logged.fitting import Fit
from telos.envs.recsys.logged.layouts import KUAIRAND_SIGNALS, LAYOUTS, Layout
from telos.envs.recsys.logged.params import LENGTH_BUCKETS, RETURN_DAYS, UserModel

__all__ = ["WINDOW", "true_users", "write_synthetic_logs"]

WINDOW = 10
_FACTORS = 4
_DAYS = 31
#: Seconds between items, and at least between sessions of a day; a session ends with a pause of 1,800.
_ITEM_SECONDS, _SESSION_SECONDS = 12, 2_400
_FIRST_DAY = 19_090  # 8 April 2022, in days since 1970
_RANDOM_SHARE = 0.3

#: By signal: mean log-odds, what bait adds, boredom with a whole window of one category, the factors' weight, and what
#: the signal adds to the log-odds of leaving and, given to all items of a session, of coming back on a day.
_SIGNALS = {
    "click": (-0.6, 1.9, -1.5, 1.0, 0.4, 0.0),
    "long_view": (-1.0, -2.5, -2.0, 1.0, -2.0, 2.0),
    "like": (-3.0, -0.5, -0.5, 0.7, -0.3, 0.2),
    "comment": (-3.4, 0.3, 0.0, 0.4, -0.2, 0.0),
    "forward": (-3.6, -0.3, 0.0, 0.4, -0.2, 0.0),
    "follow": (-3.7, -0.6, 0.0, 0.5, -0.3, 0.2),
    "hate": (-3.8, 1.2, 1.0, -0.5, 2.0, -1.0),
    "watched": (-0.8, 0.5, -2.0, 1.0, -1.5, 1.5),
    "liked": (0.0, 0.5, -2.0, 1.0, -1.5, 1.5),
}


@dataclass
class _Log:
    """Rows of a log: columns with one entry a row."""

    user: list[NDArray[np.int64]]
    item: list[NDArray[np.int64]]
    seconds: list[NDArray[np.int64]]
    random: list[NDArray[np.bool_]]
    feedback: list[NDArray[np.int8]]


def true_users(
    signals: tuple[str, ...], users: int, items: int, categories: int, seed: int, bait_share: float = 0.3
) -> tuple[UserModel, NDArray[np.bool_]]:
    """A user model with known parameters, and which of its items are bait, bool ``(items,)``."""
    rng = np.random.default_rng(seed)
    table = np.array([_SIGNALS[name] for name in signals])
    category = np.arange(items) % categories
    bait = rng.random(items) < bait_share
    tastes = rng.normal(size=(users, _FACTORS))
    centres = rng.normal(scale=0.9, size=(categories, _FACTORS))
    factors = centres[category] + rng.normal(scale=0.4, size=(items, _FACTORS))
    user_bias = rng.normal(scale=0.4, size=(users, len(signals)))
    item_bias = rng.normal(scale=0.4, size=(items, len(signals))) + np.outer(bait - bait_share, table[:, 1])
    single = np.float32
    model = UserModel(
        base=table[:, 0],
        boredom=table[:, 2],
        factor_weights=np.tile(0.7 * table[:, 3], (_FACTORS, 1)),
        users=np.hstack([tastes, user_bias]).astype(single),
        items=np.hstack([factors, item_bias]).astype(single),
        categories=category.astype(np.int16),
        leave_base=-0.8 - 0.1 * np.arange(LENGTH_BUCKETS, dtype=float),
        leave_users=rng.normal(scale=0.3, size=users).astype(single),
        leave_coefs=np.append(table[:, 4], 0.6),
        return_base=np.append(-1.6, np.full(RETURN_DAYS - 1, -1.0)),
        return_users=rng.normal(scale=0.3, size=users).astype(single),
        return_coefs=table[:, 5],
        profiles=np.zeros((users, categories), single),
        shown=np.zeros(items, np.int64),
        given=np.zeros((items, len(signals)), np.int64),
    )
    return model, bait


def write_synthetic_logs(
    layout: str, out: str | Path, users: int = 300, items: int = 200, categories: int = 8, seed: int = 0
) -> Fit:
    """Writes logs of 31 days in a layout; returns the users that they are of.

    The recommender of these logs shows random items three times in ten, and else items near the user's taste.

    Args:
        layout: Name of the layout.
        out: Folder for the files.
        users: Users.
        items: Items.
        categories: Categories of items.
        seed: Decides all.

    Raises:
        ValueError: If the layout is unknown, or a number is below 2.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"layout {layout!r} is unknown: choose from {', '.join(LAYOUTS)}")
    if min(users, items, categories) < 2:
        raise ValueError(f"users, items and categories must be at least 2, got {users}, {items} and {categories}")
    about = LAYOUTS[layout]
    signals = tuple(about.signals)
    model, _ = true_users(signals, users, items, categories, seed)
    names = tuple(str(k + 1) for k in range(categories))
    fit = Fit(layout, signals, names, items, WINDOW, seed, model)
    log = _simulate(fit, users, seed)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    columns: list[NDArray[Any]] = [np.concatenate(part) for part in (log.user, log.item, log.seconds, log.random)]
    columns.append(np.concatenate(log.feedback))
    order = np.lexsort((columns[0], columns[2]))
    _write(about, folder, model, [column[order] for column in columns], seed)
    return fit


def _simulate(fit: Fit, users: int, seed: int) -> _Log:
    """A month of all users."""
    rng = np.random.default_rng(seed + 1)
    model, items = fit.model, fit.num_items
    batch = Batch(LoggedRec.of(fit, days=_DAYS), users)
    batch.reset(np.ones(users, np.bool_), np.arange(seed * users, (seed + 1) * users, dtype=np.uint64))
    state = batch.state
    state.user[:] = np.arange(users)
    day = rng.integers(7, size=users)
    state.day[:] = day
    opening = rng.integers(6 * 3600, 9 * 3600, size=users)
    seconds = opening.copy()
    log = _Log([], [], [], [], [])
    favourite = np.argsort(-(model.users[:, :_FACTORS] @ model.items[:, :_FACTORS].T), axis=1)[:, : max(items // 4, 1)]
    active = np.ones(users, np.bool_)
    while active.any():
        random = rng.random(users) < _RANDOM_SHARE
        liked = favourite[np.arange(users), rng.integers(favourite.shape[1], size=users)]
        item = np.where(random, rng.integers(items, size=users), liked)
        for _ in range(8):
            again = (state.recent == item[:, None]).any(axis=1)
            item = np.where(again, rng.integers(items, size=users), item)
        now = (_FIRST_DAY + day) * 86_400 + seconds
        step = batch.step(item, WhenDone.NOTHING)
        log.user.append(np.flatnonzero(active))
        log.item.append(item[active])
        log.seconds.append(now[active])
        log.random.append(random[active])
        log.feedback.append(state.feedback[active, 0].copy())
        left, away = step.metrics[:, 1] == 1.0, step.metrics[:, 2].astype(np.int64)
        day = day + away
        seconds = np.where(left, np.where(away > 0, opening, seconds + _SESSION_SECONDS), seconds + _ITEM_SECONDS)
        # Whoever is up past the end of the day comes back the next day.
        late = seconds > 86_000
        day, seconds = day + late, np.where(late, opening, seconds)
        active &= day < _DAYS
    return log


def _write(layout: Layout, folder: Path, model: UserModel, columns: list[NDArray[Any]], seed: int) -> None:
    user, item, seconds, _, feedback = columns
    seconds = seconds - 3600 * layout.hours_from_utc
    rng = np.random.default_rng(seed + 2)
    if layout.name.startswith("kuairand"):
        _write_kuairand(layout, folder, columns, seconds)
    elif layout.name == "kuairec":
        ratio = np.where(feedback[:, 0] == 1, 2.001 + rng.exponential(size=len(user)), 2.0 * rng.random(len(user)))
        header = ["user_id", "video_id", "play_duration", "video_duration", "time", "date", "timestamp", "watch_ratio"]
        rows = ([u, i, round(1e4 * r), 10_000, "", "", f"{t}.0", f"{r:.6f}"]
                for u, i, t, r in zip(user, item, seconds, ratio, strict=True))  # fmt: skip
        _write_csv(folder / layout.logs[0], header, rows)
    else:
        rating = np.where(feedback[:, 0] == 1, rng.integers(4, 6, len(user)), rng.integers(1, 4, len(user)))
        rows = ([u + 1, i + 1, r, t] for u, i, r, t in zip(user, item, rating, seconds, strict=True))
        if layout.separator == "::":
            text = "".join("::".join(map(str, row)) + "\n" for row in rows)
            (folder / layout.logs[0]).write_text(text, encoding="latin-1")
        else:
            _write_csv(folder / layout.logs[0], ["userId", "movieId", "rating", "timestamp"], rows)
    _write_items(layout, folder, model)


def _write_items(layout: Layout, folder: Path, model: UserModel) -> None:
    path, category = folder / layout.items, model.categories + 1
    if layout.name.startswith("kuairand"):
        header = "video_id,author_id,video_type,upload_dt,upload_type,visible_status,video_duration,server_width"
        header += ",server_height,music_id,music_type,tag"
        middle = ["NORMAL", "2022-04-01", "ShortImport", 0, 10_000, 720, 1280, 0, 9]
        _write_csv(path, header.split(","), ([k, k, *middle, c] for k, c in enumerate(category)))
    elif layout.name == "kuairec":
        _write_csv(path, ["video_id", "feat"], ([k, f"[{c}]"] for k, c in enumerate(category)))
    elif layout.separator == "::":
        text = "".join(f"{k + 1}::Film {k + 1} (2000)::{c}|rest\n" for k, c in enumerate(category))
        path.write_text(text, encoding="latin-1")
    else:
        _write_csv(path, ["movieId", "title", "genres"], ([k + 1, f"Film {k + 1}, The (2000)", f"{c}|rest"]
                                                         for k, c in enumerate(category)))  # fmt: skip


def _write_kuairand(layout: Layout, folder: Path, columns: list[NDArray[Any]], seconds: NDArray[Any]) -> None:
    """Three logs: two weeks, the rest, and what was shown at random in the rest."""
    user, item, _, random, feedback = columns
    late = seconds + 3600 * layout.hours_from_utc >= (_FIRST_DAY + 14) * 86_400
    signals = [feedback[:, KUAIRAND_SIGNALS.index(name)] for name in
               ("click", "like", "follow", "comment", "forward", "hate", "long_view")]  # fmt: skip
    header = "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,is_hate,long_view"
    header += ",play_time_ms,duration_ms,profile_stay_time,comment_stay_time,is_profile_enter,is_rand,tab"
    for name, rows in zip(layout.logs, (~late, late & ~random.astype(bool), late & random.astype(bool)), strict=True):
        arm = int(name.startswith("log_random"))
        data = np.column_stack([user, item, 0 * user, 0 * user, seconds * 1000, *signals])[rows]
        _write_csv(folder / name, header.split(","), ([*row, 0, 10_000, 0, 0, 0, arm, 1] for row in data.tolist()))


def _write_csv(path: Path, header: list[str], rows: Iterable[list[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
