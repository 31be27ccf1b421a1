"""Smoke test of an installed wheel; run from an empty folder."""

import sys
from importlib.metadata import distribution
from pathlib import Path

import gymnasium as gym

import telos

assert not {"torch", "docker", "numba", "pytest"} & set(sys.modules), "import telos must stay light"
assert Path(telos.__file__).is_relative_to(sys.prefix), f"not the installed package: {telos.__file__}"
files = [Path(str(file)) for file in distribution("telos-gym").files or []]
tops = {file.parts[0] for file in files if file.suffix == ".py"}
assert tops == {"telos"}, f"top-level packages: {tops}"
assert not [file for file in files if file.parts[1:2] in (("tests",), ("benchmarks",)) or file.name == "setup.py"]

import pytest  # noqa: E402

from telos.envs.swe import load_tasks  # noqa: E402
from telos.wrappers import *  # noqa: E402, F403
from telos.wrappers import RND, GatedReward  # noqa: E402

tasks = load_tasks("builtin")
assert len(tasks) >= 300, len(tasks)
env = GatedReward(gym.make("telos:SWEDocker-v0", sandbox="bubblewrap", warm=1), outcome="outcome")
env.reset(options={"task": tasks[0].id})
env.step(f"git apply - <<'END'\n{tasks[0].gold_patch}END")
*_, terminated, _, info = env.step("<submit/>")
env.close()
assert terminated, info
assert info["resolved"], info
bandit = gym.make("telos:CoRMABCapacity-v0")
bandit.reset(seed=0)
*_, info = bandit.step(bandit.action_space.sample())
assert info["reward_terms"], info
with pytest.raises(ModuleNotFoundError, match=r"telos-gym\[baselines\]"):
    RND(gym.make("telos:LoiterChain-v0"))
print(f"wheel works: {len(tasks)} tasks, {tasks[0].id} resolved by its gold patch")
