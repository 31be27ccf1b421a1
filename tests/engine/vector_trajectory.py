"""Plays a vector environment in all autoreset modes on a device and prints everything it returns, as JSON lines.

The actions of a family for the host are checked there: its rules must run on every device all the same.

python vector_trajectory.py 'telos.envs.bandits.env:RestlessBanditVectorEnv' '{"num_arms": 5}' cuda
"""

import importlib
import json
import sys

import numpy as np
from gymnasium.vector import AutoresetMode

from telos.envs.engine.arrays import mapped, on_host


def plain(value):
    """Arrays and tensors as lists."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in sorted(value.items())}
    return value.tolist()


def with_check_on_host(envs_type):
    """The class for a family that can be asked for any device."""

    class OnEveryDevice(envs_type.family_type):
        devices = ("cpu", "cuda")

        def check_actions(self, actions, state):
            import torch

            checked = super().check_actions(on_host(actions), mapped(on_host, state))
            return torch.as_tensor(checked, device=actions.device)

    return type(envs_type.__name__, (envs_type,), {"family_type": OnEveryDevice})


def main(entry_point, arguments, device):
    module, _, name = entry_point.partition(":")
    envs_type = getattr(importlib.import_module(module), name)
    if device not in envs_type.family_type.devices:
        envs_type = with_check_on_host(envs_type)
    np.seterr(over="ignore")

    def on_device(array):
        if device == "cpu":
            return array
        import torch

        return torch.tensor(array, device="cuda" if torch.cuda.is_available() else "cpu")

    for mode in AutoresetMode:
        envs = envs_type(3, autoreset_mode=mode, max_episode_steps=4, device=device, **arguments)
        envs.action_space.seed(3)
        actions = [on_device(envs.action_space.sample()) for _ in range(7)]

        def play(actions, envs=envs, mode=mode):
            for action in actions:
                observation, rewards, terminated, truncated, infos = envs.step(action)
                if device == "cuda":
                    assert all(type(part).__module__ == "torch" for part in (rewards, terminated, truncated))
                print(json.dumps([plain(part) for part in (observation, rewards, terminated, truncated, infos)]))
                done = terminated | truncated
                over = done if done.ndim == 1 else done.all(-1)
                if mode is AutoresetMode.DISABLED and over.any():
                    print(json.dumps(plain(envs.reset(options={"reset_mask": over})[0])))

        print(json.dumps([plain(part) for part in envs.reset(seed=5)]))
        play(actions[:3])
        kept = envs.clone_state()
        play(actions[3:])
        envs.restore_state(kept)
        play(actions[3:])


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]), sys.argv[3])
