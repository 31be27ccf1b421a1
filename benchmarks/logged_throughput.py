"""User-steps a second of LoggedRec-v0, against a plain loop as peers for logs have it.

A matrix-type environment (one signal, KuaiRec's size: 7,176 users, 10,000 items) and seven signals (KuaiRand-Pure's
size: 27,285 users, 7,583 items), eight factors, slates of one, random items. Speed depends on sizes only, so that users
are synthetic and no data are needed. The plain loop is one user in Python with NumPy, whose chances are a row of a
matrix that was computed before, as in EasyRL4Rec's KuaiEnv; that peer's own code is not run here.

    python benchmarks/logged_throughput.py
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import gymnasium as gym
import numpy as np
import tyro
from throughput import Contender, compare

import telos  # noqa: F401 - registers the environments
from telos.envs.recsys.logged.fitting import Fit, save_fit
from telos.envs.recsys.logged.layouts import LAYOUTS
from telos.envs.recsys.logged.params import RETURN_DAYS, UserModel
from telos.envs.recsys.logged.synthetic import WINDOW, true_users

SIZES = {"kuairec": (7_176, 10_000), "kuairand-pure": (27_285, 7_583)}
CATEGORIES = 16
PLAIN = "plain loop, one user, one signal"


def synthetic_fit(layout: str) -> Fit:
    """Users of a layout's size with eight factors."""
    signals = tuple(LAYOUTS[layout].signals)
    model, _ = true_users(signals, *SIZES[layout], CATEGORIES, seed=0)
    half = len(model.factor_weights)
    model = model._replace(
        factor_weights=np.vstack([model.factor_weights] * 2) / 2,
        users=np.hstack([model.users[:, :half], model.users]),
        items=np.hstack([model.items[:, :half], model.items]),
    )
    return Fit(layout, signals, tuple(map(str, range(CATEGORIES))), SIZES[layout][1], WINDOW, 0, model)


def telos_step(cache: str, num_envs: int, threads: int | None) -> Callable[[], object]:
    """One step of many users, who are reset by the environment."""
    arguments = {"cache": cache, "allow_unfaithful": True, "num_threads": threads}
    envs = gym.make_vec("LoggedRec-v0", num_envs=num_envs, **arguments)
    rng = np.random.default_rng(0)
    items = [rng.integers(envs.single_action_space.n, size=num_envs) for _ in range(8)]
    count = 0
    envs.reset(seed=0)

    def step() -> None:
        nonlocal count
        envs.step(items[count % 8])
        count += 1

    return step


def plain_step(model: UserModel) -> Callable[[], object]:
    """One step of one user in Python: a cell of a matrix, sameness of the last items, leaving, and returning."""
    d = len(model.factor_weights)
    some = model.users[:500]
    base = model.base[0] + some[:, d, None] + model.items[None, :, d]
    odds = base + (some[:, :d] * model.factor_weights[:, 0]) @ model.items[:, :d].T
    rng = np.random.default_rng(0)
    items = rng.integers(len(model.items), size=10_000)
    count, day, user = 0, 0, 0
    recent: list[int] = []

    def step() -> None:
        nonlocal count, day, user, recent
        item = int(items[count % len(items)])
        count += 1
        last = recent[-WINDOW:]
        share = sum(model.categories[other] == model.categories[item] for other in last) / WINDOW
        given = item not in last and rng.random() < 1 / (1 + np.exp(-odds[user, item] - model.boredom[0] * share))
        leave = model.leave_base[0] + model.leave_coefs[0] * given + model.leave_coefs[1] * share
        recent.append(item)
        if rng.random() < 1 / (1 + np.exp(-leave)):
            hazards = 1 / (1 + np.exp(-model.return_base))
            came = rng.random(RETURN_DAYS) < hazards
            day += int(came.argmax()) if came.any() else RETURN_DAYS
            recent = []
        if day >= 7:
            day, user = 0, int(rng.integers(500))

    return step


def main(
    sizes: tuple[int, ...] = (1_000, 65_536, 1_000_000),
    rounds: int = 5,
    seconds: float = 1.0,
    out: Path = Path("benchmarks/results/logged_throughput.json"),
) -> None:
    """Measures and writes the table and the JSON.

    Args:
        sizes: Users of the batches.
        rounds: How often each contender has its turn.
        seconds: Seconds of each turn.
        out: The JSON file.
    """
    fits = {layout: synthetic_fit(layout) for layout in SIZES}
    contenders = {PLAIN: Contender(plain_step(fits["kuairec"].model), 1)}
    with tempfile.TemporaryDirectory() as folder:
        for layout, fit in fits.items():
            cache = Path(folder) / layout
            save_fit(fit, cache)
            for size in sizes:
                for threads, name in ((1, "one thread"), (None, "all cores")):
                    label = f"{len(fit.signals)} signals, {size:,} users, {name}"
                    contenders[label] = Contender(telos_step(str(cache), size, threads), size)
    compare(contenders, "user-steps", rounds, seconds, out, {})


if __name__ == "__main__":
    tyro.cli(main)
