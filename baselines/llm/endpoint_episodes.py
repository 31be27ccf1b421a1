"""Episodes of SWEDocker-v0 with a model behind an endpoint: ``telos swe llm``.

* ``play_tasks`` - plays them, several at a time, and writes down each as it ends
* ``EpisodeRecord`` - what is written of one
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import re
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import gymnasium as gym
import numpy as np

import telos
from telos.baselines.checkpoints import write_whole
from telos.baselines.input_errors import InputError, bad_input
from telos.baselines.llm.chats import Chat
from telos.baselines.llm.endpoint import Endpoint, EndpointError
from telos.baselines.llm.endpoint_args import EndpointArgs
from telos.baselines.llm.prompts import SWEPrompts
from telos.baselines.machine import describe_machine
from telos.baselines.progress import progress_bar
from telos.envs.swe.errors import InfrastructureError
from telos.envs.swe.tasks import TaskSource, load_tasks, nearest
from telos.wrappers.specs import parse_arguments

__all__ = ["EpisodeRecord", "play_tasks"]

_MAY_CHANGE = ("endpoint", "jobs", "timeout", "retries", "key_variable", "out")
"""Arguments that do not change what an episode is, so that results may be added with others."""

_OUTCOMES = ("no submit", "empty patch", "fails tests", "passes tests")


@dataclass(frozen=True)
class EpisodeRecord:
    """One episode.

    Attributes:
        task: Id of the task.
        repeat: Which of the task's episodes, from 0.
        difficulty: 1 to 3.
        outcome: Index into no submit, empty patch, fails tests, passes tests; -1 of an episode that failed.
        modified: Whether the repository was changed.
        reward: Sum of the environment's reward.
        turns: Actions.
        malformed: Actions that were none.
        prompt_tokens: Tokens read, of all requests; None if the endpoint does not say.
        completion_tokens: Tokens written.
        retries: Requests that failed.
        model_seconds: Spent waiting for the model.
        seconds: Wall time.
        failure: What failed that is not the model's doing: the endpoint or the sandbox; empty if nothing did.
    """

    task: str
    repeat: int
    difficulty: int = 0
    outcome: int = -1
    modified: bool = False
    reward: float = 0.0
    turns: int = 0
    malformed: int = 0
    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0
    retries: int = 0
    model_seconds: float = 0.0
    seconds: float = 0.0
    failure: str = ""


class _StoppedError(Exception):
    """The program is to end."""


def play_tasks(args: EndpointArgs) -> tuple[list[EpisodeRecord], Path]:
    """Plays the episodes that the folder does not have yet, and writes each down when it ends.

    The folder holds ``args.json``, ``results.jsonl``, an ``EpisodeRecord`` a line, and the environment's ``traces``.
    Episodes in which the endpoint or the sandbox failed are played again the next time.

    Returns:
        All records of the folder that are of these arguments, by task and repeat, and the folder.

    Raises:
        InputError: If an argument is wrong, there is no such task or model, or the folder is of other arguments.
        EndpointError: If there is no endpoint.
        SandboxUnavailableError: If this machine has no such sandbox.
    """
    args.check()
    with bad_input():
        kwargs = {**parse_arguments(args.env_arg), "tasks": args.tasks}
        chosen = _choose_tasks(args, load_tasks(args.tasks))
    stop = threading.Event()
    endpoint = Endpoint(
        args.endpoint,
        args.model,
        key=os.environ.get(args.key_variable) or None,
        timeout=args.timeout,
        retries=args.retries,
        pause=partial(_pause, stop),
    )
    endpoint.check_model()
    folder = args.out or Path("runs") / "swe-llm" / re.sub(r"[^\w.]+", "-", args.model).strip("-")
    wanted = [(task, repeat) for task in chosen for repeat in range(args.repeats)]
    with _opened(folder, args) as records:
        left = [key for key in wanted if key not in records]
        player = _Player(args, endpoint, kwargs | {"trace": str(folder / "traces")}, stop)
        with (folder / "results.jsonl").open("a") as file:
            for record in player.play(left):
                file.write(json.dumps(dataclasses.asdict(record)) + "\n")
                file.flush()
                records[record.task, record.repeat] = record
    return [records[key] for key in wanted], folder


def _pause(stop: threading.Event, seconds: float) -> None:
    if stop.wait(seconds):
        raise _StoppedError


def _choose_tasks(args: EndpointArgs, source: TaskSource) -> Sequence[str]:
    for task in args.task:
        if task not in source.ids:
            raise InputError(f"unknown task {task!r}. {nearest(task, source.ids)}")
    if args.task:
        return args.task
    if args.count is None:
        return source.ids
    if args.count > len(source.ids):
        raise InputError(f"--count {args.count}: {args.tasks!r} has {len(source.ids)} tasks")
    return [str(task) for task in np.random.default_rng(args.seed).permutation(source.ids)[: args.count]]


@contextlib.contextmanager
def _opened(folder: Path, args: EndpointArgs) -> Iterator[dict[tuple[str, int], EpisodeRecord]]:
    """Makes or finds the folder, for one process at a time; gives the records of episodes that did not fail."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = json.loads(json.dumps(dataclasses.asdict(args), default=str))
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(f"{folder} is being written by another process; wait for it or stop it") from None
        described, results = folder / "args.json", folder / "results.jsonl"
        if described.exists():
            saved = json.loads(described.read_text())
            for name, value in plain.items():
                # More tasks and repeats are more of the same.
                if name not in (*_MAY_CHANGE, "task", "count", "repeats") and saved.get(name) != value:
                    raise InputError(f"{folder} has results with {name} {saved.get(name)}, not {value}; give --out")
        facts = {"telos": telos.__version__, "machine": describe_machine()}
        write_whole(described, json.dumps({**plain, **facts}, indent=1) + "\n")
        records = _read(results) if results.exists() else []
        write_whole(results, "".join(json.dumps(dataclasses.asdict(record)) + "\n" for record in records))
        yield {(record.task, record.repeat): record for record in records}


def _read(path: Path) -> list[EpisodeRecord]:
    """The episodes that did not fail; a last line that a killed process left half written is none."""
    lines = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return [record for record in (EpisodeRecord(**json.loads(line)) for line in lines) if not record.failure]


class _Player:
    """Plays episodes in threads, each with an environment of its own."""

    def __init__(self, args: EndpointArgs, endpoint: Endpoint, kwargs: dict[str, Any], stop: threading.Event) -> None:
        self._args, self._endpoint, self._kwargs, self._stop = args, endpoint, kwargs, stop
        self._local = threading.local()
        self._envs: list[gym.Env[Any, str]] = []

    def play(self, episodes: Sequence[tuple[str, int]]) -> Iterator[EpisodeRecord]:
        """Yields records as episodes end. Left early, it ends after the requests and commands that are under way."""
        try:
            with ThreadPoolExecutor(self._args.jobs, "telos-swe-llm") as threads, progress_bar("episodes") as bar:
                futures = [threads.submit(self._episode, *key) for key in episodes]
                try:
                    for done, future in enumerate(as_completed(futures), 1):
                        record = future.result()
                        bar.update(f"{record.task}: {record.failure or _OUTCOMES[record.outcome]}", done / len(futures))
                        yield record
                except BaseException:
                    self._stop.set()
                    threads.shutdown(wait=False, cancel_futures=True)
                    raise
        finally:
            for env in self._envs:
                env.close()

    def _env(self) -> gym.Env[Any, str]:
        """This thread's environment."""
        if not hasattr(self._local, "env"):
            with bad_input():
                self._local.env = gym.make("SWEDocker-v0", **self._kwargs)
            self._envs.append(self._local.env)
        return cast("gym.Env[Any, str]", self._local.env)

    def _episode(self, task: str, repeat: int) -> EpisodeRecord:
        env, began, record = self._env(), time.monotonic(), EpisodeRecord(task, repeat)
        try:
            for so_far in self._turns(env, record):
                record = so_far
                if self._stop.is_set():
                    raise _StoppedError
        except (EndpointError, InfrastructureError) as error:
            record = dataclasses.replace(record, failure=str(error), outcome=-1)
        return dataclasses.replace(record, seconds=round(time.monotonic() - began, 3))

    def _turns(self, env: gym.Env[Any, str], record: EpisodeRecord) -> Iterator[EpisodeRecord]:
        """Plays an episode; yields the record after each turn."""
        args, prompts = self._args, SWEPrompts()
        settings = {"temperature": args.temperature, "max_tokens": args.max_tokens, "seed": args.seed + record.repeat}
        observation, info = env.reset(seed=args.seed + record.repeat, options={"task": record.task})
        chat, over = Chat(prompts.opening(observation), args.context_tokens - args.max_tokens), False
        while not over:
            reply = self._endpoint.reply(chat.messages(), **settings)
            observation, reward, terminated, truncated, info = env.step(prompts.action(reply.text))
            chat.add(reply, prompts.told(observation))
            over = terminated or truncated
            record = dataclasses.replace(
                record,
                difficulty=info["difficulty"],
                outcome=info.get("outcome_level", -1),
                modified=info.get("modified", False),
                reward=record.reward + float(reward),
                turns=record.turns + 1,
                malformed=record.malformed + observation["result"].startswith("malformed"),
                prompt_tokens=_sum(record.prompt_tokens, reply.prompt_tokens),
                completion_tokens=_sum(record.completion_tokens, reply.completion_tokens),
                retries=record.retries + reply.retries,
                model_seconds=round(record.model_seconds + reply.seconds, 3),
                failure="" if info["trainable"] else "sandbox: {kind}: {detail}".format(**info["infra"]),
            )
            yield record


def _sum(total: int | None, more: int | None) -> int | None:
    return None if total is None or more is None else total + more
