"""SWEDocker-v0 for policies without language: a few numbered tools, and features instead of text.

* ``ToolActions`` - the wrapper
* ``SWEToolsEnv``, ``SWEToolsVectorEnv`` - ``SWETools-v0``
"""

from __future__ import annotations

import re
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from telos.envs.swe.env import SWEDockerEnv
from telos.envs.swe.repairs import (
    REPRODUCTION,
    candidate_repairs,
    reproduction_of,
    save_reproduction,
    try_repairs,
)
from telos.envs.swe.vector import SWEDockerVectorEnv

__all__ = ["SWEToolsEnv", "SWEToolsVectorEnv", "ToolActions"]

Observation = NDArray[np.float32]
Info = dict[str, Any]

_FILES, _TERMS = 4, 2
"""How many files can be opened and terms be searched (ours)."""

_UNKNOWN, _FAILS, _PASSES = range(3)
_DEFINITION = re.compile(r"(?:def|class) (\w+)")


class ToolActions(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Numbered tools in place of text, so that a small network learns in real sandboxes.

    ``SWETools-v0`` describes actions and observations: :class:`SWEToolsEnv`. Each action is one action of the wrapped
    environment, with its reward and its turn. The wrapper reads the repository's files as an agent might print them;
    it does not look at hidden tests or the gold patch.

    Args:
        env: A SWEDocker-v0 environment.
        candidates: Edits that one repair action tries.

    Attributes:
        action_names: What each action is.

    Raises:
        ValueError: If ``candidates`` is not from 1 to 1000.
    """

    def __init__(self, env: gym.Env[dict[str, Any], str], candidates: int = 32) -> None:
        RecordConstructorArgs.__init__(self, candidates=candidates)
        super().__init__(env)
        if not 1 <= candidates <= 1000:
            raise ValueError(f"candidates must be from 1 to 1000, got {candidates}")
        self._batch = candidates
        self._files, self._terms, self._script = list[str](), list[str](), ""
        self.action_names = (
            *(f"open file {k}" for k in range(_FILES)),
            *(f"search term {k}" for k in range(_TERMS)),
            *("reproduce", "run tests", "repair", "submit"),
        )
        self.action_space: Any = spaces.Discrete(len(self.action_names))
        self.observation_space: Any = spaces.Box(0.0, 1.0, (len(self.action_names) + 10,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, Info]:
        """Starts an episode, as the wrapped environment does."""
        observation, info = self.env.reset(seed=seed, options=options)
        task = self.get_wrapper_attr("task")
        self._sources = {
            path: content.decode(errors="replace")
            for path, content in sorted(task.files.items())
            if path.endswith(".py") and not path.startswith("tests/")
        }
        self._script, self._statement = reproduction_of(task.statement), task.statement
        self._untried = candidate_repairs(self._sources, task.statement)
        self._all, self._repaired, self._last = max(1, len(self._untried)), False, -1
        self._reproduction = self._tests = _UNKNOWN
        names = list(dict.fromkeys(re.findall(r"\w+", task.statement)))
        defined = {path: set(_DEFINITION.findall(text)) for path, text in self._sources.items()}
        self._files = sorted(self._sources, key=lambda path: -len(defined[path].intersection(names)))
        self._terms = [name for name in names if any(name in own for own in defined.values())]
        return self._features(observation), info | {"action_mask": self._mask()}

    def step(self, action: int) -> tuple[Observation, SupportsFloat, bool, bool, Info]:
        """Uses a tool; one that makes no sense costs its turn as a malformed action.

        Raises:
            ValueError: If the action is none of them.
        """
        if not self.action_space.contains(action):
            raise ValueError(f"there is no action {action!r}: they are 0 to {len(self.action_names) - 1}")
        allowed = self._mask()[action]
        name = self.action_names[action] if allowed else ""
        observation, reward, terminated, truncated, info = self.env.step(self._text(int(action)) if allowed else "")
        passed, self._last = observation["exit_code"][0] == 0, int(action)
        if name == "reproduce":
            self._reproduction = _PASSES if passed else _FAILS
            untried = set(self._untried)
            ranked = candidate_repairs(self._sources, self._statement + observation["output"])
            self._untried = [edit for edit in ranked if edit in untried]
        elif name == "run tests":
            self._tests = _PASSES if passed else _FAILS
        elif name == "repair":
            del self._untried[: self._batch]
            self._repaired = "repaired" in observation["output"]
            if self._repaired:
                self._reproduction = self._tests = _PASSES
        return self._features(observation), reward, terminated, truncated, info | {"action_mask": self._mask()}

    def _text(self, action: int) -> str:
        """The wrapped environment's action."""
        if action < _FILES:
            return f'<view path="{self._files[action]}"/>'
        if action < _FILES + _TERMS:
            return f'<search pattern="\\b{self._terms[action - _FILES]}\\b"/>'
        name = self.action_names[action]
        if name == "reproduce":
            return f"{save_reproduction(self._script)}\nPYTHONPATH=. timeout 10 python3 {REPRODUCTION}"
        if name == "run tests":
            return "python3 -m pytest -q"
        if name == "repair":
            return f"{save_reproduction(self._script)}\n{try_repairs(self._untried[: self._batch])}"
        return "<submit/>"

    def _mask(self) -> NDArray[np.int8]:
        """Which actions make sense: 1 or 0 each."""
        mask = np.ones(len(self.action_names), np.int8)
        mask[len(self._files) : _FILES] = 0
        mask[_FILES + len(self._terms) : _FILES + _TERMS] = 0
        mask[self.action_names.index("reproduce")] = bool(self._script)
        mask[self.action_names.index("repair")] = bool(self._script and self._untried and not self._repaired)
        return mask

    def _features(self, observation: dict[str, Any]) -> Observation:
        last = np.arange(len(self.action_names)) == self._last
        numbers = [
            observation["turn"][0] / self.get_wrapper_attr("max_turns"),
            float(observation["exit_code"][0] != 0),
            1.0 - len(self._untried) / self._all,
            float(self._repaired),
        ]
        return np.concatenate([numbers, np.eye(3)[self._reproduction], np.eye(3)[self._tests], last]).astype(np.float32)


class SWEToolsEnv(gym.Env[Observation, int]):
    """SWEDocker-v0 with ten numbered tools and a vector of features, for policies without language.

    ## Description
    The episodes of :class:`~telos.envs.swe.env.SWEDockerEnv`, in the same sandboxes, judged by the same hidden tests.
    A network of a few thousand weights can learn them from scratch: what to try next, when to submit, and whether to
    go on collecting the small rewards of each turn instead.

    ## Action Space
    ``Discrete(10)``

    | Num | Action |
    |---|---|
    | 0 to 3 | open the k-th file: those first that define what the report names most |
    | 4, 5 | search the first or second name of the report that the repository defines |
    | 6 | run the report's script |
    | 7 | run the visible tests |
    | 8 | try the next `candidates` single-mutation edits until the report's script and the visible tests pass |
    | 9 | submit |

    Edits of functions that the report names, or the output of action 6, come first.
    ``info["action_mask"]`` says what makes sense; another action costs its turn as a malformed one.

    ## Observation Space
    ``Box(0, 1, (20,), float32)``: share of the turns used; 1 if the last command failed; share of all single-mutation
    edits tried; 1 if one of them repaired the repository; three numbers each for the report's script and the visible
    tests, of which one is 1: not run, failed, passed; the last action, one-hot.

    ## Rewards
    As SWEDocker-v0.

    ### Reward terms
    | Term | Values | When |
    |---|---|---|
    | `format` | 0.05, or -0.1 for an action that makes no sense | every turn |
    | `tool` | 0.05 exit code 0, 0 otherwise | every turn but the one that submits |
    | `outcome` | -1 no submit, -0.5 empty patch, 0 fails tests, 1 passes tests | at the end; **the outcome** |

    ## Starting State
    As SWEDocker-v0; ``reset(options={"task": id})`` chooses the task.

    ## Episode End
    ### Termination
    1. The agent submits, or its repairs leave the sandbox beyond repair.
    ### Truncation
    1. After ``max_turns`` actions or ``time_limit`` seconds, or by a failure of the infrastructure.

    ## Info
    | Key | When | Meaning |
    |---|---|---|
    | `task` | always | id of the task |
    | `difficulty` | always | 1 to 3 |
    | `action_mask` | always | int8 `(10,)`: 1 where the action makes sense |
    | `reward_terms` | every step | see above |
    | `trainable` | every step | False after an infrastructure failure |
    | `timing` | always | seconds: `reset`, `step`, `sandbox`, and at the end `grading`, `tests` |
    | `resources` | every step | `bytes` of output before truncation, `seconds`, `cpu` seconds, `peak_memory` bytes |
    | `hack` | every step | counts of cheating tried so far, by kind, see :mod:`telos.envs.swe.telemetry` |
    | `completed` | at the end | whether the agent submitted |
    | `modified` | at the end | whether the patch is not empty |
    | `resolved` | at the end | whether all hidden tests pass |
    | `outcome_level` | at the end | 0 no submit, 1 empty patch, 2 fails tests, 3 passes tests |
    | `patch` | at the end | the patch, in git's format |
    | `tests_passed`, `tests_failed` | at the end | ids of the hidden tests by result |
    | `grade_detail` | at the end | why tests could not be judged by their results alone, else empty |
    | `infra` | after an infrastructure failure | `{"kind": ..., "detail": ...}` |

    ## Arguments
    | Parameter | Default | Meaning |
    |---|---|---|
    | `candidates` | 32 | edits that one repair action tries, 1 to 1000 |

    All arguments of SWEDocker-v0.

    ## Vectorized environment
    ``gym.make_vec("SWETools-v0", num_envs=8)`` runs the episodes in threads that share one warm pool.

    ## Determinism
    The seed draws the task; times and process ids stay in ``info["timing"]`` and ``info["resources"]``. A repair action
    stops after 45 seconds, and an edit that loops after half a second, so what it finds can depend on the machine.

    ## Baselines
    ``telos train ppo --env SWETools-v0``; ``make demo`` compares it with and without gated reward.

    ## Licence and data source
    As SWEDocker-v0.

    ## References
    Sun et al., "Stabilizing Long-term Multi-turn Reinforcement Learning with Gated Rewards", arXiv:2508.10548. The
    tools and features are ours.

    ## Version History
    * v0: initial version (2026).
    """

    metadata = SWEDockerEnv.metadata

    def __init__(self, candidates: int = 32, **kwargs: Any) -> None:
        base = SWEDockerEnv(**kwargs)
        try:
            self._tools = ToolActions(base, candidates)
        except ValueError:
            base.close()
            raise
        self.action_space: Any = self._tools.action_space
        self.observation_space: Any = self._tools.observation_space
        self.render_mode = base.render_mode

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, Info]:
        """Starts an episode."""
        super().reset(seed=seed)
        return self._tools.reset(seed=seed, options=options)

    def step(self, action: int) -> tuple[Observation, SupportsFloat, bool, bool, Info]:
        """Uses a tool; see the class."""
        return self._tools.step(action)

    def render(self) -> Any:
        """Renders as SWEDocker-v0."""
        return self._tools.render()

    def close(self) -> None:
        """Removes the sandbox and gives the pool back. Safe to call twice."""
        self._tools.close()


class SWEToolsVectorEnv(SWEDockerVectorEnv):
    """``num_envs`` episodes of SWETools-v0 in threads of this process, on one warm pool."""

    env_class = SWEToolsEnv
