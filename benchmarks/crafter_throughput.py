"""Agent-steps a second of Crafter against the original and Craftax-Classic, in turns within one process.

The original is PyPI's ``crafter``, one agent, with and without its pictures. Craftax-Classic is another game on the
same ideas (other worlds, creatures and costs); it runs on the CPU through JAX, with its symbolic observations and its
own autoreset. All act at random and begin anew where an episode ends. Of Telos only agents that act are counted, not
those that wait for the end of their team's episode.

    pip install crafter==1.8.3
    pip install --target /tmp/peer craftax
    python benchmarks/crafter_throughput.py --peer /tmp/peer
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import crafter
import numpy as np
import tyro
from rich import box
from rich.console import Console
from rich.table import Table
from throughput import Contender, compare, peak_bytes

from telos.envs.crafter.env import CrafterEnv, CrafterParallelVectorEnv, parallel_env

WARM_UP = 300
"""Steps before a batch is measured: by then its worlds are in all stages of an episode, and at all times of day."""
_IMPORT = """
import gymnasium as gym, telos
env = gym.make("Crafter-v0")
env.reset(seed=0)
env.step(0)
"""


def original_step(pictures: bool) -> Callable[[], object]:
    """One step of the original, with a reset where an episode ends."""
    env = crafter.Env(seed=0)
    if not pictures:
        env._obs = lambda: None
    actions, count = np.random.default_rng(0).integers(17, size=1_000).tolist(), 0
    env.reset()

    def step() -> None:
        nonlocal count
        done = env.step(actions[count % 1_000])[2]
        count += 1
        if done:
            env.reset()

    return step


def craftax_steps(folder: Path, sizes: tuple[int, ...]) -> dict[int, Callable[[], object]]:
    """One step of batches of Craftax-Classic, compiled, by size.

    Raises:
        SystemExit: If the folder does not have Craftax.
    """
    sys.path.append(str(folder))
    try:
        jax = importlib.import_module("jax")
        classic = importlib.import_module("craftax.craftax_classic.envs.craftax_symbolic_env")
    except ImportError as error:
        raise SystemExit(f"--peer {folder} does not have Craftax ({error}): {__doc__}") from error
    env = classic.CraftaxClassicSymbolicEnv()
    params = env.default_params

    def make(size: int) -> Callable[[], object]:
        @jax.jit
        def play(key: Any, state: Any) -> Any:
            key, acting, stepping = jax.random.split(key, 3)
            actions = jax.random.randint(acting, (size,), 0, 17)
            keys = jax.random.split(stepping, size)
            return key, jax.vmap(env.step, in_axes=(0, 0, 0, None))(keys, state, actions, params)

        key = jax.random.PRNGKey(0)
        _, state = jax.vmap(env.reset, in_axes=(0, None))(jax.random.split(key, size), params)

        def step() -> None:
            nonlocal key, state
            key, (observation, state, *_) = play(key, state)
            observation.block_until_ready()

        return step

    return {size: make(size) for size in sizes}


def batch_step(num_envs: int, threads: int | None, num_agents: int = 4, **arguments: Any) -> Callable[[], object]:
    """One step of many worlds, which are reset where all agents are done."""
    envs = CrafterParallelVectorEnv(num_envs, num_agents=num_agents, num_threads=threads, **arguments)
    high, rng, count = int(envs.family.action_space.n), np.random.default_rng(0), 0
    actions = rng.integers(high, size=(64, num_envs, num_agents))
    envs.reset(seed=0)

    def step() -> Any:
        nonlocal count
        count += 1
        return envs.step(actions[count % 64])

    return step


def counted(step: Callable[[], Any], agents: int) -> Contender:
    """A batch in mid-play, with as many steps as agents act in it on average."""
    acted = [step()[4]["_reward_terms"].mean() for _ in range(WARM_UP)]
    return Contender(step, round(agents * float(np.mean(acted))))


def parallel_step(num_agents: int, **arguments: Any) -> Contender:
    """One step of PettingZoo's environment; steps of agents are counted over several episodes."""
    env = parallel_env(num_agents=num_agents, **arguments)
    high, rng = int(env.family.action_space.n), np.random.default_rng(0)
    actions = rng.integers(high, size=(1_000, num_agents)).tolist()
    env.reset(seed=0)
    count = acted = 0

    def step() -> None:
        nonlocal count, acted
        if not env.agents:
            env.reset()
        acted += len(env.agents)
        count += 1
        env.step(dict(zip(env.agents, actions[count % 1_000], strict=False)))

    for _ in range(10 * WARM_UP):
        step()
    return Contender(step, round(acted / count))


def microseconds(call: Callable[[], object], seconds: float) -> float:
    """Of wall clock, of one call: the median."""
    call()
    times, started = [], time.perf_counter()
    while time.perf_counter() - started < seconds:
        begun = time.perf_counter()
        call()
        times.append((time.perf_counter() - begun) * 1e6)
    return float(np.median(times))


def single_calls(seconds: float) -> dict[str, float]:
    """What single calls take, in microseconds."""
    env, images = CrafterEnv(), CrafterEnv(obs="rgb")
    env.reset(seed=0)
    images.reset(seed=0)

    def fork() -> None:
        env.restore_state(env.clone_state())

    def show(faced: CrafterEnv) -> Callable[[], object]:
        # Begins no episode, and shows what there is.
        return lambda: faced._batch.reset(np.zeros(1, np.bool_), None)

    original = crafter.Env(seed=0)
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", _IMPORT], check=True)
    warm = time.perf_counter() - started
    found = {
        "reset of one world": microseconds(env.reset, seconds),
        "reset of one world, the original": microseconds(original.reset, 5 * seconds),
        "copy a world and go back to it": microseconds(fork, seconds),
        "observe 64x64 pixels": microseconds(show(images), seconds),
        "observe symbols and masks": microseconds(show(env), seconds),
        "import to first step, in a process of its own": warm * 1e6,
    }
    return found


def main(
    peer: Path | None = None,
    sizes: tuple[int, ...] = (16, 256, 4096),
    agents: tuple[int, ...] = (1, 2, 4, 6, 16, 64),
    rounds: int = 7,
    seconds: float = 1.0,
    out: Path = Path("benchmarks/results/crafter_throughput.json"),
) -> None:
    """Measures and writes the table and the JSON.

    Args:
        peer: The folder with Craftax, see above; without it, it is left out.
        sizes: Worlds of the batches with one agent, of Telos and Craftax.
        agents: Agents of a world, in batches of 256 worlds.
        rounds: How often each contender has its turn.
        seconds: Seconds of each turn.
        out: The JSON file.
    """
    calls = single_calls(seconds)
    table = Table("call", "microseconds", box=box.SIMPLE)
    for name, value in calls.items():
        table.add_row(name, f"{value:,.0f}")
    Console(width=120).print(table)
    contenders = {
        "crafter 1.8.3, no pictures": Contender(original_step(pictures=False), 1),
        "crafter 1.8.3, 64x64 pixels": Contender(original_step(pictures=True), 1),
    }
    if peer is not None:
        for size, step in craftax_steps(peer, sizes).items():
            contenders[f"Craftax-Classic symbolic, {size:,} worlds"] = Contender(step, size)
    for size in sizes:
        contenders[f"Telos symbolic, {size:,} worlds x 1"] = counted(batch_step(size, None, 1), size)
    for number in agents:
        contenders[f"Telos symbolic, 256 worlds x {number}"] = counted(batch_step(256, None, number), 256 * number)
    contenders["Telos symbolic, 256 worlds x 4, one thread"] = counted(batch_step(256, 1, 4), 1024)
    contenders["Telos 64x64 pixels, 256 worlds x 4"] = counted(batch_step(256, None, 4, obs="rgb"), 1024)
    contenders["Telos 64x64 pixels, 256 worlds x 1"] = counted(batch_step(256, None, 1, obs="rgb"), 256)
    contenders["ParallelEnv symbolic, 4 agents"] = parallel_step(4)
    contenders["ParallelEnv 64x64 pixels, 4 agents"] = parallel_step(4, obs="rgb")
    further = {"calls_us": calls, "peak_bytes": {"256 worlds x 4": peak_bytes(batch_step, 256)}}
    compare(contenders, "agent-steps", rounds, seconds, out, further)


if __name__ == "__main__":
    tyro.cli(main)
