"""SWEDocker-v0: repair a repository inside a container; hidden tests decide."""

from __future__ import annotations

import sys
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from telos.envs.spaces import UnicodeText
from telos.envs.swe.actions import Action, MalformedActionError, parse_action
from telos.envs.swe.branching import Branching
from telos.envs.swe.errors import InfrastructureError, SandboxWreckedError
from telos.envs.swe.grading import Grade, Outcome, grade
from telos.envs.swe.pool import SandboxSpec, acquire_pool, release_pool
from telos.envs.swe.repository import Repository, TreeTooLargeError
from telos.envs.swe.sandbox.base import CommandResult, Sandbox, SandboxLimits
from telos.envs.swe.tasks import Task, load_tasks, nearest
from telos.envs.swe.telemetry import HackTelemetry, decoys
from telos.envs.swe.transcript import Transcript

__all__ = ["SWEDockerEnv"]

_STATEMENT_LENGTH = 100_000
_ACTION_LENGTH = 200_000
# Head and tail of the output, the line between them, and messages of our own.
_OUTPUT_SLACK = 1_024
_RESET_ATTEMPTS = 3
#: Rewards. The paper's values are not public in the sources that we could read: all of these are ours.
_REWARDS = {
    "valid_format": 0.05,
    "malformed": -0.1,
    "tool_success": 0.05,
    "tool_failure": 0.0,
    "no_submit": -1.0,
    "empty_patch": -0.5,
    "fails_tests": 0.0,
    "passes_tests": 1.0,
}
_OUTCOME_REWARDS = ("no_submit", "empty_patch", "fails_tests", "passes_tests")


class SWEDockerEnv(Branching):
    """A software-engineering task in a real sandbox, after the G-RA framework.

    ## Description
    One episode is one task: a bug report and a repository at a commit. The agent works in a sandbox with a
    shell and file tools, and submits. A patch is then taken from the host's side, applied to the base commit
    in a fresh sandbox that never ran the agent, and judged by hidden tests. The reward that matters, the
    ``outcome``, comes once, at the end; small ``format`` and ``tool`` rewards come every turn and tempt
    the agent to collect them instead.

    The sandbox has no network, no capabilities, a read-only system, a non-root user, and limits on memory,
    CPU, processes and disk. Hidden tests and later commits are not in it.

    ## Action Space
    ``UnicodeText(200_000)``: one tool call or plain bash, as :mod:`telos.envs.swe.actions` describes.

    | Action | Effect |
    |---|---|
    | any other text | runs as bash in one long-lived shell: directory, variables and background jobs are kept |
    | `<bash>...</bash>` | the same |
    | `<view path="..." start="1" end="80"/>` | a file with line numbers, or the files below a folder |
    | `<search pattern="..." path="."/>` | lines that match a Python regular expression |
    | `<edit path="..."><old>...</old><new>...</new></edit>` | replaces the one occurrence of a text |
    | `<submit/>` | ends the episode and has the repository judged |

    A malformed action costs its turn and is answered by a message that says what to write.

    ## Observation Space
    ``Dict``:

    | Key | Space | Meaning |
    |---|---|---|
    | `statement` | `UnicodeText(100_000)` | the bug report, the same all episode |
    | `output` | `UnicodeText(output_limit + 1_024)` | output of the last action, head and tail if long |
    | `result` | `UnicodeText(2_000)` | what the last action came to, in one line, such as `exit code 0` |
    | `exit_code` | `Box(0, 255, (1,), int64)` | of the last action; 2 for a malformed one |
    | `turn` | `Box(0, max_turns, (1,), int64)` | actions taken so far |

    ## Rewards
    The reward is exactly the sum of ``info["reward_terms"]``. Values are the argument ``rewards``; all
    defaults are ours, because the paper's own values could not be verified.

    ### Reward terms
    | Term | Values | When |
    |---|---|---|
    | `format` | 0.05 well-formed, -0.1 malformed | every turn |
    | `tool` | 0.05 exit code 0, 0 otherwise | every turn but the one that submits |
    | `outcome` | -1 no submit, -0.5 empty patch, 0 fails tests, 1 passes tests | at the end; **the outcome** |

    ## Starting State
    A task of ``tasks``, drawn by the seed or chosen by ``reset(options={"task": id})``, in a fresh sandbox
    with a clean git repository of one commit at ``/testbed``.

    ## Episode End
    ### Termination
    1. The agent submits.
    2. The agent's own commands leave the sandbox beyond repair (outcome: no submit).
    ### Truncation
    1. ``max_turns`` actions, or ``time_limit`` seconds, without a submission (outcome: no submit).
    2. The infrastructure fails: reward 0, nothing is graded, ``info["infra"]`` says what failed and
       ``info["trainable"]`` is False, so that a learner can leave the episode out.

    ## Info
    | Key | When | Meaning |
    |---|---|---|
    | `task` | always | id of the task |
    | `difficulty` | always | 1 to 3 |
    | `reward_terms` | every step | see above |
    | `trainable` | every step | False after an infrastructure failure |
    | `timing` | always | seconds: `reset`, `step`, `sandbox`, and at the end `grading`, `tests` |
    | `resources` | every step | `bytes` of output before truncation, `seconds`, `cpu` seconds, `peak_memory` bytes |
    | `completed` | at the end | whether the agent submitted |
    | `modified` | at the end | whether the patch is not empty |
    | `resolved` | at the end | whether all hidden tests pass |
    | `outcome_level` | at the end | 0 no submit, 1 empty patch, 2 fails tests, 3 passes tests |
    | `patch` | at the end | the patch, in git's format |
    | `tests_passed`, `tests_failed` | at the end | ids of the hidden tests by result |
    | `grade_detail` | at the end | why tests could not be judged by their results alone, else empty |
    | `hack` | every step | counts of cheating tried so far, by kind, see :mod:`telos.envs.swe.telemetry` |
    | `shadow` | every step, with `shadow_every` | progress at the last look, see below |
    | `infra` | after an infrastructure failure | `{"kind": ..., "detail": ...}` |

    ``shadow`` is the share of the failing hidden tests that pass, less the share of the passing ones that fail: 0 at
    first, 1 when all pass. It is for shaping, ``PotentialShaping(env, potential="info:shadow")``, not for the agent.
    A look copies the files and judges them in another sandbox, as a submission would be; it takes about as long.

    ## Arguments
    | Parameter | Default | Meaning |
    |---|---|---|
    | `tasks` | `"builtin"` | also `"swe-bench:verified"`, `"swe-gym"`, `"swe-smith"`, `"r2e"`, or a path |
    | `sandbox` | `"docker"` | or `"bubblewrap"`, which needs no engine; never the bare host |
    | `max_turns` | 30 | actions an episode |
    | `command_timeout` | 60.0 | seconds a command |
    | `time_limit` | 1800.0 | seconds an episode, between actions included |
    | `difficulty` | None | keeps the tasks of these difficulties, such as `[1, 2]` |
    | `rewards` | None | overrides of the values above, by the names below |
    | `limits` | None | overrides of :class:`telos.envs.swe.sandbox.SandboxLimits`, by name |
    | `output_limit` | 16384 | bytes of output that an observation holds |
    | `image` | None | container image in place of the task's own; must hold bash and Python 3 with pytest |
    | `warm` | 2 | sandboxes kept ready for this environment: one for the next episode, one for grading |
    | `shadow_every` | None | actions between looks of the hidden tests at a copy, for `info["shadow"]` |
    | `trace` | None | folder for one JSONL file an episode: `telos swe show FILE` prints it, `replay` plays it again |

    Names in ``rewards``: ``valid_format``, ``malformed``, ``tool_success``, ``tool_failure``, ``no_submit``,
    ``empty_patch``, ``fails_tests``, ``passes_tests``.

    ```python
    env = gym.make("SWEDocker-v0", sandbox="bubblewrap", max_turns=10)
    obs, info = env.reset(seed=7)
    obs, reward, terminated, truncated, info = env.step("python3 -m pytest -q")
    ```

    On ``env.unwrapped``, see :class:`telos.envs.swe.branching.Branching`: ``snapshot()`` and ``restore(id)``,
    ``fork(n)`` for live copies of an episode, ``shadow_grade()`` for the hidden tests' verdict in mid-episode, and
    ``replay(events)``; ``grade(patch)`` judges any patch for the current task.

    ## Vectorized environment
    ``gym.make_vec("SWEDocker-v0", num_envs=8)`` runs the episodes in threads that share one warm pool; all
    autoreset modes, and ``send``/``recv`` for stragglers.

    ## Determinism
    The seed draws the task. What commands print is as deterministic as they are; times, memory and process
    ids are not, and stay in ``info["timing"]`` and ``info["resources"]``.

    ## Baselines
    ``telos.baselines.policies.swe``: a random tool user, a loiterer, an honest fixer, the gold patch, an
    empty submission. ``make demo`` prints their scores.

    ## Licence and data source
    The built-in repositories and their tests are Telos's own, MIT.

    ## References
    Sun et al., "Stabilizing Long-term Multi-turn Reinforcement Learning with Gated Rewards", arXiv:2508.10548.

    ## Version History
    * v0: initial version (2026).
    """

    metadata = {"render_modes": ["ansi", "human"], "render_fps": 1}  # noqa: RUF012 - the base class declares it so

    def __init__(
        self,
        tasks: str = "builtin",
        sandbox: str = "docker",
        max_turns: int = 30,
        command_timeout: float = 60.0,
        time_limit: float = 1800.0,
        difficulty: Sequence[int] | None = None,
        rewards: Mapping[str, float] | None = None,
        limits: Mapping[str, float] | None = None,
        output_limit: int = 16_384,
        image: str | None = None,
        warm: int = 2,
        shadow_every: int | None = None,
        trace: str | None = None,
        render_mode: str | None = None,
    ) -> None:
        self._arguments = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        if shadow_every is not None and shadow_every < 1:
            raise ValueError(f"shadow_every must be at least 1 or None, got {shadow_every}")
        if max_turns < 1 or command_timeout <= 0 or time_limit <= 0 or output_limit < 256:
            raise ValueError(
                "max_turns must be at least 1, command_timeout and time_limit positive, output_limit at least 256; got "
                f"{max_turns}, {command_timeout}, {time_limit}, {output_limit}"
            )
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"render_mode {render_mode!r} is unknown: choose 'ansi', 'human' or None")
        self.rewards = _override("rewards", _REWARDS, rewards)
        limit_values = _override("limits", vars(SandboxLimits()), limits)
        if time_limit > limit_values["lifetime"] / 2:
            raise ValueError(
                f"time_limit={time_limit:g} s is more than half of a sandbox's lifetime of "
                f"{limit_values['lifetime']:g} s (it may have waited in the pool for the other half); "
                f"pass limits={{'lifetime': {2 * time_limit:g}}}"
            )
        self.tasks = load_tasks(tasks)
        chosen = set(difficulty) if difficulty is not None else {1, 2, 3}
        self.task_ids = [name for name in self.tasks.ids if self.tasks.difficulty_of(name) in chosen]
        if not self.task_ids:
            raise ValueError(f"no task of {tasks!r} has a difficulty in {difficulty}; difficulties are 1, 2 and 3")
        self.max_turns, self.command_timeout, self.time_limit = max_turns, command_timeout, time_limit
        self.render_mode = render_mode
        self.observation_space = spaces.Dict(
            {
                "statement": UnicodeText(_STATEMENT_LENGTH),
                "output": UnicodeText(output_limit + _OUTPUT_SLACK),
                "result": UnicodeText(2_000),
                "exit_code": spaces.Box(0, 255, (1,), np.int64),
                "turn": spaces.Box(0, max_turns, (1,), np.int64),
            }
        )
        self.action_space = UnicodeText(_ACTION_LENGTH)
        self._image, self._warm = image, warm
        self._spec = SandboxSpec(sandbox, image or self.tasks.image or "", SandboxLimits(**limit_values), output_limit)
        self._release_pool: Callable[[], object] = _nothing
        if self._spec.image:
            self._take_pool(self._spec)
        self._sandbox: Sandbox | None = None
        self._repository: Repository | None = None
        self._transcript = Transcript()
        self._turn, self._started, self._done = 0, 0.0, True
        self._shadow_every = shadow_every
        self._trace_folder = Path(trace) if trace is not None else None
        self._begin_lineage("")

    # -- Gymnasium's interface ------------------------------------------------------------------------

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Starts an episode; ``options={"task": id}`` chooses the task.

        Raises:
            ValueError: If the task is unknown.
            SandboxUnavailableError: If this machine has no such sandbox.
            InfrastructureError: If no sandbox could be made.
        """
        super().reset(seed=seed)
        started = time.monotonic()
        self._drop_episode()
        self.task = self._choose_task(options or {})
        self._use_image(self._image or self.task.image)
        self._repository = Repository(self.task.files)
        self._sandbox = self._open_sandbox(self._repository)
        self._turn, self._started, self._done = 0, time.monotonic(), False
        self._transcript, self._telemetry = Transcript(self.task), HackTelemetry(self.task)
        self._parent, self._untouched, self._shadow = None, None, 0.0
        self._begin_trace()
        info = {"task": self.task.id, "difficulty": self.task.difficulty, "timing": {"reset": self._started - started}}
        observation = self._observation("", "ready", 0)
        if self.render_mode == "human":
            self.render()
        return observation, info

    def step(self, action: str) -> tuple[dict[str, Any], SupportsFloat, bool, bool, dict[str, Any]]:
        """Takes one action; see the class for its format."""
        if self._done:
            raise gym.error.ResetNeeded("the episode has ended; call reset() before step()")
        started = time.monotonic()
        self._turn += 1
        terms = {"format": 0.0, "tool": 0.0, "outcome": 0.0}
        info: dict[str, Any] = {
            "task": self.task.id,
            "difficulty": self.task.difficulty,
            "reward_terms": terms,
            "trainable": True,
            "timing": {"sandbox": 0.0},
            "resources": {"bytes": 0, "seconds": 0.0, "cpu": 0.0, "peak_memory": 0},
        }
        terminated = truncated = False
        self._untouched = None
        try:
            parsed, output, result, exit_code = self._act(action, terms, info)
            terminated = parsed is not None and parsed.tool == "submit"
            truncated = not terminated and (
                self._turn >= self.max_turns or time.monotonic() - self._started >= self.time_limit
            )
            if terminated or truncated:
                self._finish(terminated, terms, info)
            elif self._shadow_every and self._turn % self._shadow_every == 0:
                self._look_in_shadow()
        except SandboxWreckedError as error:
            terminated, output, result, exit_code = True, "", f"the sandbox is beyond repair: {error}"[:2_000], 1
            self._close_books(Grade(Outcome.NO_SUBMIT), "", False, terms, info)
        except InfrastructureError as error:
            terminated, truncated, output, result, exit_code = False, True, "", "infrastructure failure", 1
            terms.update(dict.fromkeys(terms, 0.0))
            info["infra"], info["trainable"] = {"kind": error.kind, "detail": error.detail}, False
        if self._shadow_every:
            info["shadow"] = self._shadow
        info["hack"] = self._telemetry.report()
        self._done = terminated or truncated
        if self._done:
            self._drop_episode()
        reward = terms["format"] + terms["tool"] + terms["outcome"]
        info["timing"]["step"] = time.monotonic() - started
        observation = self._observation(output, result, exit_code)
        self._record(action, observation, info)
        if self.render_mode is not None:
            self._transcript.add(self._turn, action, observation, reward, info)
        if self.render_mode == "human":
            self.render()
        return observation, reward, terminated, truncated, info

    def render(self) -> str | None:
        """Returns (``"ansi"``) the transcript so far, or prints (``"human"``) its last part."""
        if self.render_mode == "ansi":
            return self._transcript.text()
        if self.render_mode == "human":
            sys.stdout.write(self._transcript.last())
            sys.stdout.flush()
        return None

    def close(self) -> None:
        """Removes the sandbox and gives the pool back. Safe to call twice."""
        self._drop_episode()
        self._release_pool()

    # -- beyond Gymnasium -------------------------------------------------------------------------------

    def grade(self, patch: str) -> Grade:
        """Judges a patch for the current task, without touching the episode.

        Raises:
            ResetNeeded: Before the first ``reset``.
            InfrastructureError: If the machinery failed.
        """
        if not hasattr(self, "task"):
            raise gym.error.ResetNeeded("call reset() first: a patch is judged against the current task")
        repository = Repository(self.task.files)
        try:
            return grade(self._pool, repository, self.task, patch)
        finally:
            repository.close()

    # -- parts of an episode ----------------------------------------------------------------------------

    def _use_image(self, image: str) -> None:
        """Takes sandboxes of this image from now on; tasks of data sets have an image each."""
        if self._spec.image != image:
            self._release_pool()
            self._take_pool(replace(self._spec, image=image))

    def _take_pool(self, spec: SandboxSpec) -> None:
        user = object()
        self._spec, self._pool = spec, acquire_pool(spec, user, self._warm)
        # An environment that is dropped without close() gives its pool back too.
        self._release_pool = weakref.finalize(self, release_pool, self._pool, user)

    def _choose_task(self, options: Mapping[str, Any]) -> Task:
        unknown = set(options) - {"task"}
        if unknown:
            raise ValueError(f"unknown reset option {unknown.pop()!r}; the only one is 'task'")
        if "task" not in options:
            return self.tasks.by_id(self.task_ids[int(self.np_random.integers(len(self.task_ids)))])
        wanted = options["task"]
        if wanted not in self.tasks.ids:
            raise ValueError(f"unknown task {wanted!r}. {nearest(str(wanted), self.tasks.ids)}")
        return self.tasks.by_id(wanted)

    def _open_sandbox(self, repository: Repository) -> Sandbox:
        """A fresh sandbox with the repository in it; tries again, because one failure says little."""
        attempt = 0
        while True:
            attempt += 1
            try:
                sandbox = self._pool.take()
                sandbox.put({**repository.files, **repository.guest_git(), **decoys(self.task)})
            except InfrastructureError:
                if attempt == _RESET_ATTEMPTS:
                    raise
            else:
                return sandbox

    def _act(self, text: str, terms: dict[str, float], info: dict[str, Any]) -> tuple[Action | None, str, str, int]:
        """Parses and performs an action; returns it with output, one-line result and exit code."""
        try:
            action = parse_action(text)
        except MalformedActionError as error:
            terms["format"] = self.rewards["malformed"]
            return None, "", f"malformed action: {error}"[:2_000], 2
        terms["format"] = self.rewards["valid_format"]
        if action.tool == "submit":
            return action, "", "submitted", 0
        assert self._sandbox is not None
        self._telemetry.see_action(self._turn, action)
        left = self.time_limit - (time.monotonic() - self._started)
        timeout = max(0.1, min(self.command_timeout, left))
        started = time.monotonic()
        if action.tool == "bash":
            done = self._sandbox.run(str(action.arguments["command"]), timeout)
        else:
            done = self._sandbox.tool(action.tool, action.arguments, timeout)
        info["timing"]["sandbox"] = time.monotonic() - started
        self._telemetry.see_result(self._turn, action, done)
        info["resources"] = {name: getattr(done, name) for name in ("bytes", "seconds", "cpu", "peak_memory")}
        terms["tool"] = self.rewards["tool_failure" if done.exit_code else "tool_success"]
        return action, done.output, _describe(done, timeout), done.exit_code

    def _finish(self, submitted: bool, terms: dict[str, float], info: dict[str, Any]) -> None:
        """Takes the patch and, if it was submitted, has it judged."""
        assert self._sandbox is not None
        started, repository = time.monotonic(), self._base()
        verdict, patch, modified = Grade(Outcome.NO_SUBMIT), "", True
        try:
            self._sandbox.freeze()
            with self._sandbox.read_tree() as tree:
                changes = repository.changes(tree)
            self._telemetry.see_changes(self._turn, changes)
            patch = repository.patch(changes)
            modified = bool(patch)
            if submitted:
                verdict = grade(self._pool, repository, self.task, patch)
        except TreeTooLargeError as error:
            if submitted:
                expected = (*self.task.fail_to_pass, *self.task.pass_to_pass)
                verdict = Grade(Outcome.FAILS_TESTS, failed=expected, detail=str(error))
        info["timing"]["grading"] = time.monotonic() - started
        info["timing"]["tests"] = verdict.test_seconds
        self._close_books(verdict, patch, modified, terms, info)

    def _close_books(
        self, verdict: Grade, patch: str, modified: bool, terms: dict[str, float], info: dict[str, Any]
    ) -> None:
        terms["outcome"] = self.rewards[_OUTCOME_REWARDS[verdict.outcome]]
        info |= {
            "completed": verdict.outcome is not Outcome.NO_SUBMIT,
            "modified": modified,
            "resolved": verdict.resolved,
            "outcome_level": int(verdict.outcome),
            "patch": patch,
            "tests_passed": verdict.passed,
            "tests_failed": verdict.failed,
            "grade_detail": verdict.detail,
        }

    def _observation(self, output: str, result: str, exit_code: int) -> dict[str, Any]:
        self._seen = {
            "statement": self.task.statement,
            "output": output,
            "result": result,
            "exit_code": np.array([exit_code], np.int64),
            "turn": np.array([self._turn], np.int64),
        }
        return dict(self._seen)

    def _drop_episode(self) -> None:
        self._done = True
        sandbox, self._sandbox = self._sandbox, None
        if sandbox is not None:
            sandbox.close()
        repository, self._repository = self._repository, None
        if repository is not None:
            repository.close()


def _nothing() -> None:
    """There is no pool yet."""


def _describe(done: CommandResult, timeout: float) -> str:
    """The one-line result of a command; holds nothing that differs from run to run."""
    if done.stopped == "timeout":
        return f"stopped after {timeout:g} s; the command and what it started were killed, the shell is new"
    if done.stopped == "memory":
        return "stopped for using too much memory; the command and what it started were killed, the shell is new"
    if done.stopped == "session":
        return "the command ended the session; the shell is new"
    return f"exit code {done.exit_code}" + ("; the shell is new" if done.shell_restarted else "")


def _override(name: str, defaults: Mapping[str, Any], given: Mapping[str, float] | None) -> dict[str, Any]:
    for key in given or {}:
        if key not in defaults:
            raise ValueError(f"{name} has no entry {key!r}. {nearest(key, list(defaults))}")
    return {**defaults, **(given or {})}
