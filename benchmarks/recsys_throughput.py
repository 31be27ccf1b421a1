"""User-steps a second of LTSRec-v0 against RecSim's long-term satisfaction, in turns within one process.

RecSim 0.2.4 has the environment that Sim2Rec's derives from. It imports TensorFlow and Dopamine, for agents and logs;
empty modules stand in for both here, and nothing of its environment is changed. Both sides reset their users when an
episode ends, and have 30 items.

    pip install --no-deps --target /tmp/peer recsim==0.2.4 gym==0.26.2 gym-notices gin-config absl-py six cloudpickle
    python benchmarks/recsys_throughput.py --peer /tmp/peer
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable
from pathlib import Path

import gymnasium as gym
import numpy as np
import tyro
from throughput import Contender, compare, peak_bytes

import telos  # noqa: F401 - registers the environments

PEER = "RecSim 0.2.4, one user"
ITEMS = 30
_STAND_INS = ("tensorflow", "tensorflow.compat", "tensorflow.compat.v1")
_STAND_INS += ("dopamine", "dopamine.discrete_domains", "dopamine.discrete_domains.checkpointer", "gin.tf")


def recsim_step(folder: Path) -> Callable[[], object]:
    """One step of RecSim's environment, with a reset where an episode ends.

    Raises:
        SystemExit: If the folder does not have RecSim.
    """
    sys.path.insert(0, str(folder))
    try:
        gin = importlib.import_module("gin")
        for name in _STAND_INS:
            module = types.ModuleType(name)
            module.__path__ = []
            sys.modules[name] = module
            parent, _, child = name.rpartition(".")
            if parent:
                setattr(sys.modules[parent], child, module)
        sys.modules["gin.tf"].configurable = gin.configurable  # type: ignore[attr-defined]
        peer = importlib.import_module("recsim.environments.long_term_satisfaction")
    except ImportError as error:
        raise SystemExit(f"--peer {folder} does not have RecSim ({error}): {__doc__}") from error
    finally:
        sys.path.remove(str(folder))
    env = peer.create_environment({"slate_size": 1, "num_candidates": ITEMS, "resample_documents": False})
    slates = [[int(item)] for item in np.random.default_rng(0).integers(ITEMS, size=1000)]
    count = 0
    env.reset()

    def step() -> None:
        nonlocal count
        _, _, done, _ = env.step(slates[count % 1000])
        count += 1
        if done:
            env.reset()

    return step


def telos_step() -> Callable[[], object]:
    """One step of one environment as ``gym.make`` gives it, with a reset where an episode ends."""
    env = gym.make("LTSRec-v0", split="test")
    items = np.random.default_rng(0).integers(ITEMS, size=1000).tolist()
    count = 0
    env.reset(seed=0)

    def step() -> None:
        nonlocal count
        _, _, over, _, _ = env.step(items[count % 1000])
        count += 1
        if over:
            env.reset()

    return step


def telos_batch_step(num_envs: int, threads: int | None) -> Callable[[], object]:
    """One step of many users, who are reset by the environment."""
    envs = gym.make_vec("LTSRec-v0", num_envs=num_envs, split="test", num_threads=threads)
    items = np.random.default_rng(0).integers(ITEMS, size=num_envs)
    envs.reset(seed=0)
    return lambda: envs.step(items)


def main(
    peer: Path,
    sizes: tuple[int, ...] = (1_000, 10_000, 65_536, 1_000_000),
    rounds: int = 7,
    seconds: float = 1.0,
    out: Path = Path("benchmarks/results/recsys_throughput.json"),
) -> None:
    """Measures and writes the table and the JSON.

    Args:
        peer: The folder with RecSim, see above.
        sizes: Users of the batches.
        rounds: How often each contender has its turn.
        seconds: Seconds of each turn.
        out: The JSON file.
    """
    contenders = {PEER: Contender(recsim_step(peer), 1), "Telos, one user": Contender(telos_step(), 1)}
    for size in sizes:
        for threads, name in ((1, "one thread"), (None, "all cores")):
            contenders[f"Telos, {size:,} users, {name}"] = Contender(telos_batch_step(size, threads), size)
    memory = {str(max(sizes)): peak_bytes(telos_batch_step, max(sizes))}
    print("  ".join(f"{int(size):,} users: {count / 1e9:.2f} GB" for size, count in memory.items()))
    compare(contenders, "user-steps", rounds, seconds, out, {"peak_bytes": memory})


if __name__ == "__main__":
    tyro.cli(main)
