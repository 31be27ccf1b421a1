"""Environments with several agents, found by name and made for training and evaluation.

* ``find_parallel_env`` - what makes a PettingZoo ``ParallelEnv``, by an id, a module or an import path
* ``make_agent_envs`` - the view for one policy of all agents, native where there is a native batch
* ``make_training_teams`` - the same with reward wrappers and logs of episodes
"""

from __future__ import annotations

import importlib.util
import pkgutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode

import telos  # noqa: F401 - registers the environments
from telos.baselines.agent_envs import AgentEnvs, BatchedAgentEnvs
from telos.baselines.parallel_agent_envs import RAW_TERMS, ParallelAgentEnvs, RawTerms
from telos.baselines.team_totals import TeamTotals
from telos.baselines.training_envs import TrainingEnvs
from telos.envs.engine.parallel import SimulatedParallelEnv
from telos.envs.engine.vector import SimulatedParallelVectorEnv
from telos.wrappers.infos import TERMS
from telos.wrappers.specs import parse_stack, wrap
from telos.wrappers.terms import suggestion

__all__ = ["find_parallel_env", "make_agent_envs", "make_training_teams"]


def find_parallel_env(name: str) -> Callable[..., Any]:
    """Finds what makes a PettingZoo ``ParallelEnv``.

    Args:
        name: A registered id, such as ``MyTeam-v0``, whose entry point's module has a ``parallel_env``; a module that
            has one, such as ``pettingzoo.sisl.pursuit_v5``; or ``package.module:callable``. Modules may also be in the
            working directory.

    Raises:
        ValueError: If there is none; the message names the nearest.
        ModuleNotFoundError: If a module is there and needs another that is not.
    """
    if name in gym.registry:
        entry = gym.spec(name).entry_point
        module = entry.partition(":")[0] if isinstance(entry, str) else getattr(entry, "__module__", "")
        found = getattr(importlib.import_module(module), "parallel_env", None) if module else None
        if found is None:
            raise ValueError(f"{name} has one agent: train it with `telos train ppo`")
        return found  # type: ignore[no-any-return]
    path, colon, attribute = name.partition(":")
    _find_modules_here()
    if not colon and "." not in name and importlib.util.find_spec(name) is None:
        several = (
            "give an id, a module with a parallel_env, such as pettingzoo.sisl.pursuit_v5, or package.module:callable"
        )
        raise ValueError(
            f"there is no environment {name!r}.{suggestion(name, gym.registry)} For several agents {several}"
        )
    made = getattr(_module(path), attribute or "parallel_env", None)
    if not callable(made):
        known = [key for key, value in vars(_module(path)).items() if callable(value) and not key.startswith("_")]
        hint = suggestion(attribute, known) if attribute else " Write package.module:callable to name another callable."
        raise ValueError(f"{path} has no {attribute or 'parallel_env'!r} to make a ParallelEnv with.{hint}")
    return made  # type: ignore[no-any-return]


def _find_modules_here() -> None:
    """Lets modules of the working directory be found by ``telos``, as they are by ``python -m``."""
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.append(here)


def _module(path: str) -> Any:
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name is None or not (path == error.name or path.startswith(f"{error.name}.")):
            raise  # What it imports is missing, and the message says what.
        parent, _, last = path.rpartition(".")
        beside = [module.name for module in pkgutil.iter_modules(_folders(parent))] if parent else []
        raise ValueError(f"there is no module {error.name!r}.{suggestion(last, beside)}") from None


def _folders(package: str) -> list[str]:
    """Where a package's modules are; nowhere if there is none."""
    try:
        return list(getattr(importlib.import_module(package), "__path__", []))
    except ImportError:
        return []


def make_agent_envs(
    name: str,
    kwargs: dict[str, Any],
    num_envs: int,
    specs: tuple[str, ...] = (),
    device: str = "cpu",
    central: bool = True,
) -> AgentEnvs:
    """Makes environments with several agents as one vector environment with a row for each agent.

    A class of native environments is stepped as one batch, unless there are reward wrappers: these are for single
    ``ParallelEnv``s.

    Args:
        name: As in ``find_parallel_env``; it may also name a ``SimulatedParallelVectorEnv``.
        kwargs: The environment's arguments.
        num_envs: Number of environments.
        specs: Reward wrappers, see ``telos.wrappers.specs``; each environment has its own.
        device: Given to native environments that run there, unless ``kwargs`` has it.
        central: As in ``AgentEnvs``.

    Raises:
        ValueError: If a name, a wrapper or an argument is wrong, or agents have different spaces.
        TypeError: If it is no ``ParallelEnv``, or does not take the arguments.
    """
    make = find_parallel_env(name)
    native = _native(make)
    envs: AgentEnvs
    if native is not None and not specs:
        offered = {} if device not in native.family_type.devices else {"device": device}
        given = {**offered, **kwargs, "autoreset_mode": AutoresetMode.SAME_STEP}
        envs = BatchedAgentEnvs(native(num_envs, **given), central)
    elif isinstance(make, type) and issubclass(make, SimulatedParallelVectorEnv):
        raise TypeError(f"{name} is a batch, and reward wrappers are for a ParallelEnv: name the ParallelEnv instead")
    else:
        parse_stack(*specs)

        def make_one() -> Any:
            env = make(**kwargs)
            return wrap(RawTerms(env), *specs) if specs else env

        envs = ParallelAgentEnvs(make_one, num_envs, central)
    envs.spec = EnvSpec(id=name, kwargs=kwargs)
    return envs


def _native(make: Callable[..., Any]) -> type[SimulatedParallelVectorEnv] | None:
    """The native batch of what makes single environments, if there is one."""
    if not isinstance(make, type):
        return None
    if issubclass(make, SimulatedParallelVectorEnv):
        return make
    if not issubclass(make, SimulatedParallelEnv) or make.step is not SimulatedParallelEnv.step:
        return None
    return type(f"{make.__name__}Batch", (SimulatedParallelVectorEnv,), {"family_type": make.family_type})


def make_training_teams(
    name: str,
    kwargs: dict[str, Any],
    num_envs: int,
    specs: tuple[str, ...] = (),
    device: str = "cpu",
    central: bool = True,
) -> TrainingEnvs:
    """Makes environments with several agents, and logs of episodes below and above the reward wrappers.

    Args and errors are those of ``make_agent_envs``.
    """
    envs = make_agent_envs(name, kwargs, num_envs, specs, device, central)
    raw = TeamTotals(envs, RAW_TERMS if specs else TERMS)
    paid = TeamTotals(raw) if specs else raw
    return TrainingEnvs(paid, raw, paid)
