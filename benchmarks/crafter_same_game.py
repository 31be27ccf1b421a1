"""Whether Crafter-v0 is the original game where luck is involved: worlds and random play of both, side by side.

The tests compare both games under the same luck, step for step. Here each has its own: means must agree within 3
standard errors. Needs ``pip install crafter==1.8.3``; takes about three minutes.

    python benchmarks/crafter_same_game.py --worlds 200 --episodes 500
"""

from __future__ import annotations

import argparse

import crafter
import numpy as np
from numpy.typing import NDArray

from telos.envs.crafter.env import CrafterVectorEnv
from telos.envs.crafter.names import ACHIEVEMENTS, MATERIALS, OBJECTS, PLAYER


def our_worlds(count: int) -> NDArray[np.float64]:
    """Cells of each material and objects of each kind, ``(count, names)``."""
    env = CrafterVectorEnv(count)
    env.reset(seed=0)
    state = env.clone_state().state
    cells = [(state.material == number).sum(axis=(1, 2)) for number in range(1, len(MATERIALS))]
    objects = [(state.kind == PLAYER + k).sum(axis=1) for k in range(1, len(OBJECTS))]
    return np.array(cells + objects, float).T


def their_worlds(count: int) -> NDArray[np.float64]:
    """The same of the original's."""
    rows = []
    for seed in range(count):
        env = crafter.Env(seed=seed)
        env.reset()
        kinds = [type(one).__name__.lower() for one in env._world.objects]
        cells = [env._world.count(name) for name in MATERIALS[1:]]
        rows.append(cells + [kinds.count(name) for name in OBJECTS[1:]])
    return np.array(rows, float)


def our_episodes(count: int) -> NDArray[np.float64]:
    """Lengths, returns, and which achievements random play reached, ``(count, 2 + achievements)``."""
    env = CrafterVectorEnv(count, autoreset_mode="Disabled")
    env.reset(seed=10_000)
    rng, rows = np.random.default_rng(0), np.zeros((count, 2 + len(ACHIEVEMENTS)))
    running = np.ones(count, bool)
    states = env._batch
    while running.any():
        actions = rng.integers(env.single_action_space.n, size=count)
        step = states.step(actions, 0)
        rows[running, 0] += 1
        rows[running, 1] += step.rewards[running]
        rows[running, 2:] = (states.state.achievements[running, 0] > 0).astype(float)
        running &= ~(step.terminated | step.truncated)
    return rows


def their_episodes(count: int) -> NDArray[np.float64]:
    """The same of the original."""
    rng, rows = np.random.default_rng(1), np.zeros((count, 2 + len(ACHIEVEMENTS)))
    for row in rows:
        env = crafter.Env(seed=int(rng.integers(2**31 - 1)))
        env._obs = lambda: None  # pictures take most of its time
        env.reset()
        done = False
        while not done:
            _, reward, done, info = env.step(int(rng.integers(17)))
            row[:2] += 1, reward
        row[2:] = [info["achievements"][name] > 0 for name in ACHIEVEMENTS]
    return rows


def compare(names: list[str], ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> int:
    """Prints a table; returns how many differences are beyond 3 standard errors."""
    beyond = 0
    for k, name in enumerate(names):
        one, other = ours[:, k], theirs[:, k]
        error = np.sqrt(one.var() / len(one) + other.var() / len(other))
        ratio = (one.mean() - other.mean()) / error if error > 0 else 0.0
        beyond += abs(ratio) > 3
        print(f"{name:20} ours {one.mean():9.3f}   original {other.mean():9.3f}   difference {ratio:+5.2f} errors")
    return beyond


def main() -> None:
    """Runs both comparisons."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--episodes", type=int, default=500)
    arguments = parser.parse_args()
    names = [*MATERIALS[1:], *OBJECTS[1:]]
    beyond = compare(names, our_worlds(arguments.worlds), their_worlds(arguments.worlds))
    names = ["length", "return", *ACHIEVEMENTS]
    ours, theirs = our_episodes(arguments.episodes), their_episodes(arguments.episodes)
    beyond += compare(names, ours, theirs)
    scores = [np.exp(np.log1p(100 * rows[:, 2:].mean(axis=0)).mean()) - 1 for rows in (ours, theirs)]
    print(f"{'Crafter score':20} ours {scores[0]:9.3f}   original {scores[1]:9.3f}")
    print(f"{beyond} of the differences are beyond 3 standard errors")


if __name__ == "__main__":
    main()
