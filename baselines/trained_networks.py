"""Networks of finished runs.

* ``load_network`` - with the weights of a checkpoint
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import gymnasium as gym
import torch
from torch import nn

from telos.baselines.checkpoints import load_model
from telos.baselines.networks import ObservationEncoder
from telos.baselines.run_args import ScriptArgs
from telos.baselines.training_envs import make_envs

__all__ = ["load_network"]

Network = TypeVar("Network", bound=nn.Module)


def load_network(
    folder: str | Path,
    args: ScriptArgs,
    make: Callable[[ObservationEncoder, gym.Space[Any]], Network],
    best: bool,
) -> tuple[Network, ObservationEncoder]:
    """Makes the network of a run on the CPU, and loads its weights.

    Args:
        folder: The run's.
        args: Its arguments.
        make: Makes the network for encoded observations and a space of actions.
        best: Whether to take the best checkpoint by evaluation instead of the newest.

    Returns:
        The network, and what encodes its observations.

    Raises:
        FileNotFoundError: If there is no checkpoint yet.
    """
    envs = make_envs(args.env, args.env_kwargs, 1)
    encode = ObservationEncoder(envs.single_observation_space, torch.device("cpu"))
    network = make(encode, envs.single_action_space)
    envs.close()
    network.load_state_dict(load_model(Path(folder), best))
    return network, encode
