"""User-steps a second of SlateRec-v0 against SARDINE, in turns within one process.

SARDINE is `naver/sardine`, on PyPI `sardine-rec` (`sardine` is something else there). Both sides show slates of 10 of
1,000 items with 10 topics to users who get bored and are influenced, and reset them when an episode ends; slates are
random. In SlateRec-v0 users leave early then, so that it resets users about seven times as often.

    pip install --no-deps --target /tmp/peer sardine-rec==1.0.8
    python benchmarks/slate_throughput.py --peer /tmp/peer
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import tyro
from throughput import Contender, compare, peak_bytes

import telos  # noqa: F401 - registers the environments

PEER = "SARDINE 1.0.8, one user"
PEER_ID = "sardine/SlateTopK-BoredInf-v0"
ITEMS, PLACES = 1_000, 10


def single_step(env: gym.Env[Any, Any]) -> Callable[[], object]:
    """One step of one environment, with a reset where an episode ends."""
    slates = np.random.default_rng(0).integers(ITEMS, size=(1_000, PLACES))
    count = 0
    env.reset(seed=0)

    def step() -> None:
        nonlocal count
        _, _, over, _, _ = env.step(slates[count % 1_000])
        count += 1
        if over:
            env.reset()

    return step


def sardine_step(folder: Path) -> Callable[[], object]:
    """One step of SARDINE's environment.

    Raises:
        SystemExit: If the folder does not have SARDINE.
    """
    sys.path.insert(0, str(folder))
    try:
        importlib.import_module("sardine")
        env = gym.make(PEER_ID)
    except (ImportError, gym.error.Error) as error:
        raise SystemExit(f"--peer {folder} does not have SARDINE ({error}): {__doc__}") from error
    finally:
        sys.path.remove(str(folder))
    # As for Telos below: neither side pays for Gymnasium's checks.
    return single_step(env.unwrapped)


def telos_batch_step(num_envs: int, threads: int | None) -> Callable[[], object]:
    """One step of many users, who are reset by the environment."""
    envs = gym.make_vec("SlateRec-v0", num_envs=num_envs, num_threads=threads)
    slates = np.random.default_rng(0).integers(ITEMS, size=(num_envs, PLACES))
    envs.reset(seed=0)
    return lambda: envs.step(slates)


def main(
    peer: Path,
    sizes: tuple[int, ...] = (1_000, 65_536, 1_000_000),
    rounds: int = 7,
    seconds: float = 1.0,
    out: Path = Path("benchmarks/results/slate_throughput.json"),
) -> None:
    """Measures and writes the table and the JSON.

    Args:
        peer: The folder with SARDINE, see above.
        sizes: Users of the batches.
        rounds: How often each contender has its turn.
        seconds: Seconds of each turn.
        out: The JSON file.
    """
    alone = single_step(gym.make("SlateRec-v0").unwrapped)
    contenders = {PEER: Contender(sardine_step(peer), 1), "Telos, one user": Contender(alone, 1)}
    for size in sizes:
        for threads, name in ((1, "one thread"), (None, "all cores")):
            contenders[f"Telos, {size:,} users, {name}"] = Contender(telos_batch_step(size, threads), size)
    memory = {str(max(sizes)): peak_bytes(telos_batch_step, max(sizes))}
    print("  ".join(f"{int(size):,} users: {count / 1e9:.2f} GB" for size, count in memory.items()))
    compare(contenders, "user-steps", rounds, seconds, out, {"peak_bytes": memory})


if __name__ == "__main__":
    tyro.cli(main)
