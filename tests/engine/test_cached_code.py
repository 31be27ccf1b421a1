"""Machine code from the cache is that of the rules it was compiled for."""

from __future__ import annotations

import os
import subprocess
import sys

PLAY = """
import sys
import gymnasium as gym
import telos

for name in sys.argv[1:]:
    env = gym.make(name)
    env.reset(seed=0)
    for action in range(8):
        _, reward, terminated, truncated, info = env.step(action % env.action_space.n)
        assert abs(reward - sum(info["reward_terms"].values())) < 1e-12, (name, reward, info)
        if terminated or truncated:
            env.reset()
"""


def test_families_compiled_in_other_processes_do_not_mix(tmp_path):
    """One has one reward term, the other two; each is compiled by a process of its own, and a third loads both."""
    one, two = "RandomMDP-v0", "DeepSea-v0"
    for names in ([one], [two], [one, two]):
        command = [sys.executable, "-c", PLAY, *names]
        env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
        done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
