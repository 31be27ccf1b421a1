"""Snapshots of an episode, going back to them, and forks that live on side by side.

* ``Branching`` - the methods, for SWEDocker-v0
* ``Snapshot`` - an episode at a moment
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self, SupportsFloat

import gymnasium as gym
import numpy as np

from telos.envs.swe.errors import InfrastructureError, SnapshotError
from telos.envs.swe.grading import Grade, Outcome, grade
from telos.envs.swe.pool import SandboxPool
from telos.envs.swe.repository import Repository, TreeTooLargeError
from telos.envs.swe.sandbox.base import Sandbox, SandboxState
from telos.envs.swe.tasks import Task, nearest
from telos.envs.swe.telemetry import HackTelemetry
from telos.envs.swe.trace import Event, Trace, compare_steps, tree_hash
from telos.envs.swe.transcript import Transcript

__all__ = ["Branching", "Snapshot"]


@dataclass(frozen=True)
class Snapshot:
    """An episode at a moment.

    Attributes:
        id: Its name, such as ``"2"``; ``"2.0/1"`` is the first one that fork 0 of snapshot 2 took.
        parent: The snapshot that its environment was forked from or went back to last, or None.
        task: The task.
        turn: Actions taken.
        elapsed: Seconds of the episode's time limit that have passed.
        sandbox: Files, directory and exported variables.
    """

    id: str
    parent: str | None
    task: Task
    turn: int
    elapsed: float
    sandbox: SandboxState
    observation: dict[str, Any]
    transcript: Transcript
    telemetry: HackTelemetry
    events: tuple[Event, ...]
    shadow: float
    random: np.random.Generator


class Branching(gym.Env[dict[str, Any], str]):
    """What SWEDocker-v0 offers for planning, tree search and credit assignment; on ``env.unwrapped``.

    A snapshot has the files below ``/testbed``, ``/tmp`` and ``/home/agent`` with modes, links and times (to the
    microsecond), the shell's directory and its exported variables. Other variables, functions and running processes
    are not in it: they stay with the episode that they belong to.
    """

    task: Task
    _arguments: dict[str, Any]
    _sandbox: Sandbox | None
    _repository: Repository | None
    _transcript: Transcript
    _telemetry: HackTelemetry
    _seen: dict[str, Any]
    _pool: SandboxPool
    _image: str | None
    _trace: Trace
    _trace_folder: Path | None
    _parent: str | None
    #: What the sandbox holds, if no command and so no process of the agent has run since it was put there.
    _untouched: SandboxState | None
    _shadow: float
    _turn: int
    _started: float
    _done: bool

    def _begin_lineage(self, lineage: str) -> None:
        self._lineage, self._parent = lineage, None
        self._snapshots: dict[str, Snapshot] = {}
        self._taken = 0

    @property
    def snapshots(self) -> Mapping[str, Snapshot]:
        """The snapshots that are kept, by id; they go with ``close()``."""
        return MappingProxyType(self._snapshots)

    def snapshot(self) -> str:
        """Keeps a copy of the episode as it is now; returns its id.

        Raises:
            ResetNeeded: If no episode is under way.
            SnapshotError: If the agent's files cannot be copied, for their size or their names.
            InfrastructureError: If the machinery failed.
        """
        kept = self._now(f"{self._lineage}{self._taken + 1}")
        self._taken += 1
        self._snapshots[kept.id] = kept
        return kept.id

    def restore(self, snapshot_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Goes back to a snapshot, also after the episode's end or in another one; returns what ``reset`` would.

        Raises:
            ValueError: If no such snapshot is kept.
            InfrastructureError: If the machinery failed.
        """
        kept = self._kept(snapshot_id)
        self._adopt(kept)
        self.np_random = copy.deepcopy(kept.random)
        return dict(kept.observation), {
            "task": kept.task.id,
            "difficulty": kept.task.difficulty,
            "timing": {"reset": 0.0},
        }

    def drop_snapshot(self, snapshot_id: str) -> None:
        """Forgets a snapshot.

        Raises:
            ValueError: If no such snapshot is kept.
        """
        del self._snapshots[self._kept(snapshot_id).id]

    def fork(self, count: int = 1) -> list[Self]:
        """Environments that go on from here, each in a sandbox of its own; the caller closes them.

        They have this environment's arguments and draw their next tasks as it would. Their snapshots' ids begin with
        the fork's name: ``"1.0/"`` is fork 0 of the state called 1.

        Args:
            count: How many, at least 1. With ``warm=count + 1`` as an argument of ``gym.make`` sandboxes are waiting.

        Raises:
            ValueError: If ``count`` is below 1.
            ResetNeeded: If no episode is under way.
            SnapshotError: If the agent's files cannot be copied.
            InfrastructureError: If the machinery failed; then no fork is left.
        """
        if count < 1:
            raise ValueError(f"count must be at least 1, got {count}")
        now = self._now(f"{self._lineage}{self._taken + 1}")
        self._taken += 1
        forks: list[Self] = []
        try:
            for k in range(count):
                forks.append(type(self)(**self._arguments))
                forks[-1]._begin_lineage(f"{now.id}.{k}/")
                forks[-1].np_random = copy.deepcopy(now.random)
            with ThreadPoolExecutor(count) as threads:
                list(threads.map(lambda fork: fork._adopt(now), forks))
        except BaseException:
            for made in forks:
                made.close()
            raise
        return forks

    def shadow_grade(self) -> Grade:
        """Judges the repository as it is now by the hidden tests, while the episode goes on.

        The agent sees nothing of it: the files are copied, and judged in another sandbox, as at the end.

        Raises:
            ResetNeeded: If no episode is under way.
            SnapshotError: If the agent's files cannot be copied.
            InfrastructureError: If the machinery failed.
        """
        state, repository = self._save(), self._base()
        try:
            with state.read_tree() as tree:
                patch = repository.patch(repository.changes(tree))
        except TreeTooLargeError as error:
            expected = (*self.task.fail_to_pass, *self.task.pass_to_pass)
            return Grade(Outcome.FAILS_TESTS, failed=expected, detail=str(error))
        return grade(self._pool, repository, self.task, patch)

    @property
    def events(self) -> list[Event]:
        """What has happened in this episode: its reset, then each action with its effects. See ``docs/swe.md``."""
        return list(self._trace.events)

    def replay(self, events: Iterable[Event]) -> tuple[dict[str, Any], SupportsFloat, bool, bool, dict[str, Any]]:
        """Plays a recorded episode again, in a fresh sandbox; returns what its last ``step`` did.

        Exit codes, outputs, reward terms and, where they were recorded, file trees must be the same; times and memory
        addresses in outputs may differ.

        Args:
            events: Of :attr:`events` or :func:`telos.envs.swe.trace.read_trace`.

        Raises:
            ReplayDivergedError: At the first action whose effect is another.
            ValueError: If the events hold no action, or are of a task that this environment does not have.
        """
        first, *rest = events
        actions = [event for event in rest if event["event"] == "step"]
        if not actions:
            raise ValueError("there is no action to play again")
        self.reset(options={"task": first["task"]})
        for event in actions:
            done = self.step(event["action"])
            played = dict(self._trace.events[-1])
            if event.get("tree") and not self._done:
                played["tree"] = self._tree()
            compare_steps(event, played)
        return done

    # -- parts ------------------------------------------------------------------------------------------

    def _running(self) -> Sandbox:
        if self._done or self._sandbox is None:
            raise gym.error.ResetNeeded("no episode is under way; call reset() first")
        return self._sandbox

    def _base(self) -> Repository:
        """The task's base commit; a fork makes its own when it first needs it, since git takes as long as the files."""
        if self._repository is None:
            self._repository = Repository(self.task.files)
        return self._repository

    def _kept(self, snapshot_id: str) -> Snapshot:
        if snapshot_id not in self._snapshots:
            raise ValueError(f"no snapshot {snapshot_id!r} is kept. {nearest(snapshot_id, list(self._snapshots))}")
        return self._snapshots[snapshot_id]

    def _save(self) -> SandboxState:
        """The sandbox's files and shell as they are now."""
        sandbox = self._running()
        return self._untouched or sandbox.save()

    def _now(self, name: str) -> Snapshot:
        state = self._save()
        elapsed = time.monotonic() - self._started
        return Snapshot(
            name,
            self._parent,
            self.task,
            self._turn,
            elapsed,
            state,
            self._seen,
            copy.deepcopy(self._transcript),
            self._telemetry.copy(),
            tuple(self._trace.events),
            self._shadow,
            copy.deepcopy(self.np_random),
        )

    def _adopt(self, kept: Snapshot) -> None:
        """Becomes the episode of a snapshot."""
        self._use_image(self._image or kept.task.image)
        sandbox: Sandbox = self._pool.take()
        try:
            sandbox.load(kept.sandbox)
        except BaseException:
            sandbox.close()
            raise
        if self._repository is not None and self.task == kept.task:
            repository, self._repository = self._repository, None
        else:
            repository = None
        self._drop_episode()
        self._sandbox, self._repository, self.task = sandbox, repository, kept.task
        self._untouched = kept.sandbox
        self._turn, self._started, self._done = kept.turn, time.monotonic() - kept.elapsed, False
        self._transcript, self._seen = copy.deepcopy(kept.transcript), kept.observation
        self._telemetry, self._shadow = kept.telemetry.copy(), kept.shadow
        self._parent = kept.id
        self._begin_trace([*kept.events, {"event": "branch", "time": time.time(), "snapshot": kept.id}])

    def _look_in_shadow(self) -> None:
        """Has the repository judged for ``info["shadow"]``; files that cannot be copied change nothing."""
        started = time.monotonic()
        with contextlib.suppress(SnapshotError):
            verdict = self.shadow_grade()
            mended = len(set(self.task.fail_to_pass).intersection(verdict.passed)) / len(self.task.fail_to_pass)
            broken = len(set(self.task.pass_to_pass).difference(verdict.passed)) / max(1, len(self.task.pass_to_pass))
            self._shadow = 0.0 if verdict.outcome is Outcome.EMPTY_PATCH else mended - broken
        # The agent's time limit does not run meanwhile.
        self._started += time.monotonic() - started

    def _begin_trace(self, events: Iterable[Event] = ()) -> None:
        start = {"event": "reset", "time": time.time(), "task": self.task.id, "arguments": self._arguments}
        self._trace = Trace(self._trace_folder, events or [start])

    def _record(self, action: str, observation: Mapping[str, Any], info: Mapping[str, Any]) -> None:
        """Adds an action and its effects to the trace."""
        event = {
            "event": "step",
            "time": time.time(),
            "turn": self._turn,
            "action": action,
            "result": observation["result"],
            "exit_code": int(observation["exit_code"][0]),
            "output": observation["output"],
            "output_sha256": hashlib.sha256(observation["output"].encode("utf-8", "surrogatepass")).hexdigest(),
            **{key: value for key, value in info.items() if key not in ("task", "difficulty")},
        }
        if self._trace_folder is not None and not self._done:
            event["tree"] = self._tree()
        self._trace.add(event)

    def _tree(self) -> str | None:
        """The hash of the repository's files now; None if they cannot be copied."""
        try:
            with self._save().read_tree() as tree:
                return tree_hash(tree)
        except (SnapshotError, InfrastructureError):
            return None

    def _use_image(self, image: str) -> None:
        raise NotImplementedError

    def _drop_episode(self) -> None:
        raise NotImplementedError
