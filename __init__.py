"""Telos: reinforcement-learning environments in which the reward that matters comes late.

Importing the package registers every environment with Gymnasium::

    import gymnasium as gym
    import telos

    env = gym.make("SWEDocker-v0")

``telos.envs`` holds the environments, ``telos.wrappers`` the reward transforms, ``telos.baselines``
the reference policies and the ``telos`` command.
"""

from telos.envs.registry import register_environments

__version__ = "0.1.0"
__all__ = ["__version__", "register_environments"]

register_environments()
