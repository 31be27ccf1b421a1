"""One training run on disk: its folder, log, checkpoints and end. What all training scripts share.

* ``Run`` - the folder of a run, and its life
* ``command`` - a script's command line

A run is a folder ``<out>/<environment>/<algorithm>-<label or wrappers>-seed<seed>/`` with ``args.json``, ``env.json``,
``log.jsonl``, TensorBoard's events, ``checkpoints/<step>/`` and, at its end, ``done.json``. A checkpoint's folder is
written under another name and renamed: whatever kills the process, a folder that exists is whole.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import torch
import tyro
from rich.console import Console
from rich.markup import escape
from safetensors.torch import load_file, save_file

import telos
from telos.baselines.checkpoints import (
    Checkpoint,
    generator_states,
    numbered,
    restore_generators,
    seed_generators,
    sync,
    whole_checkpoints,
    write_whole,
)
from telos.baselines.evaluation import Evaluation, Policy, evaluate
from telos.baselines.input_errors import InputError, print_error
from telos.baselines.machine import describe_machine
from telos.baselines.progress import progress_bar
from telos.baselines.run_args import ScriptArgs

__all__ = ["Run", "command"]

_MAY_CHANGE = ("device", "out", "resume", "total_steps", "tensorboard")
"""Arguments that a resumed run may be given anew."""

_OWN = "run"
"""What a run adds to the state in a checkpoint."""


class Run:
    """A training run: a context in which SIGINT and SIGTERM ask the script to stop at its next convenience.

    Args:
        algorithm: Its name.
        args: Its arguments.
        spec: The training environment's spec as JSON.

    Attributes:
        folder: Where everything is written.
        checkpoint: What to go on from; None if the run begins.
        step: Environment steps when the last line was logged.

    Raises:
        InputError: If there is no run to resume, its arguments are others, or another process writes to it.
    """

    def __init__(self, algorithm: str, args: ScriptArgs, spec: str) -> None:
        self._args, self._algorithm = args, algorithm
        self.folder = self._open_folder()
        self._lock = (self.folder / ".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(f"{self.folder} is being written by another process; wait for it or stop it") from None
        self._checkpoints = self.folder / "checkpoints"
        self._checkpoints.mkdir(exist_ok=True)
        for leftover in self._checkpoints.glob(".*"):
            if leftover.is_dir():
                shutil.rmtree(leftover)
        self._earlier, self._best, self._worth = 0.0, dict[str, Any](), float("nan")
        seed_generators(args.seed)
        self.checkpoint = self._load()
        self.step = 0 if self.checkpoint is None else self.checkpoint.step
        self._last_time = time.monotonic()
        self._began = self._last_time - self._earlier
        self._signal = 0
        self._describe(spec)
        self._cut_log()

    @property
    def name(self) -> str:
        """The folder's name, before it is made unique."""
        detail = re.sub(r"[^\w.=,+-]+", "-", self._detail)
        return "-".join(part for part in (self._algorithm, detail, f"seed{self._args.seed}") if part)

    @property
    def _detail(self) -> str:
        return self._args.label or "+".join(self._args.wrap)

    @property
    def _label(self) -> str:
        """What runs are grouped by."""
        return f"{self._algorithm} {self._detail}".strip()

    def _open_folder(self) -> Path:
        """Makes a new folder, or finds the one to resume."""
        resume, parent = self._args.resume, self._args.out / self._args.env.replace(":", "-")
        if resume not in (None, "auto"):
            folder = Path(str(resume))
            if not (folder / "args.json").exists():
                raise InputError(f"{folder} is no run: it has no args.json")
            difference = self._difference(folder)
            if difference is not None:
                raise InputError(f"{folder} was run with {difference}; give the arguments that it was run with")
            return folder
        parent.mkdir(parents=True, exist_ok=True)
        if resume == "auto":
            found = [path for path in parent.glob(f"{self.name}*") if _suffix(path.name, self.name) is not None]
            for folder in sorted(found, key=lambda path: -(_suffix(path.name, self.name) or 0)):
                if (folder / "args.json").exists() and self._difference(folder) is None:
                    return folder
        suffix = 1
        while True:
            folder = parent / (self.name if suffix == 1 else f"{self.name}-{suffix}")
            try:
                folder.mkdir()
                return folder
            except FileExistsError:
                suffix += 1

    def _difference(self, folder: Path) -> str | None:
        """What a run was given that this one is not; None if they may be the same."""
        saved = json.loads((folder / "args.json").read_text())
        for name, value in {**_plain(self._args), "label": self._label}.items():
            if name not in _MAY_CHANGE and saved.get(name) != value:
                return f"--{name.replace('_', '-')} {saved.get(name)}, not {value}"
        return None

    def _describe(self, spec: str) -> None:
        facts = {"algorithm": self._algorithm, "telos": telos.__version__, "machine": describe_machine()}
        write_whole(
            self.folder / "args.json", json.dumps({**_plain(self._args), **facts, "label": self._label}, indent=1)
        )
        write_whole(self.folder / "env.json", spec)
        (self.folder / "done.json").unlink(missing_ok=True)

    def _cut_log(self) -> None:
        """Forgets what was logged after the checkpoint, a half-written line included."""
        path, kept = self.folder / "log.jsonl", []
        for line in path.read_text().splitlines(keepends=True) if path.exists() else ():
            if not line.endswith("\n") or json.loads(line)["step"] > self.step or self.checkpoint is None:
                break
            kept.append(line)
        write_whole(path, "".join(kept))
        self._log = path.open("a")

    def __enter__(self) -> Self:
        self._exits = ExitStack()
        self._bar = self._exits.enter_context(progress_bar(self.name))
        self._writer = self._events()
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                self._exits.callback(signal.signal, number, signal.signal(number, self._stop))
            except ValueError:  # Not the main thread: whoever started it stops it.
                break
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()
        self._log.close()
        self._exits.close()
        self._lock.close()

    def _events(self) -> Any:
        if not self._args.tensorboard:
            return None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            _say("TensorBoard is not installed: no events are written (pip install tensorboard)")
            return None
        return SummaryWriter(str(self.folder), purge_step=self.step + 1)

    def _stop(self, number: int, _: object) -> None:
        if self._signal:  # A second one does not wait.
            raise KeyboardInterrupt
        self._signal = number

    @property
    def stopped(self) -> bool:
        """Whether a signal asked to stop: save and leave."""
        return bool(self._signal)

    @property
    def exit_status(self) -> int:
        """0, or as shells have it 130 after SIGINT and 143 after SIGTERM."""
        return 128 + self._signal if self._signal else 0

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Appends a line; non-finite numbers become null.

        Args:
            step: Environment steps so far.
            metrics: Numbers by name. ``charts/SPS`` is added if steps were taken since the last line.
        """
        now, line = time.monotonic(), dict(metrics)
        if step > self.step:
            line["charts/SPS"] = (step - self.step) / (now - self._last_time)
            self.step, self._last_time = step, now
        values = {name: float(value) for name, value in line.items()}
        record = {"step": step, "time": round(now - self._began, 3)}
        finite = {name: value if np.isfinite(value) else None for name, value in values.items()}
        self._log.write(json.dumps({**record, **finite}) + "\n")
        self._log.flush()
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)
        self._worth = values.get("charts/raw_return", values.get("eval/return", self._worth))
        if "charts/SPS" in values:
            text = f"{self._args.env} {self._algorithm}  {values['charts/SPS']:,.0f} steps/s  return {self._worth:.4g}"
            self._bar.update(text, min(1.0, step / self._args.total_steps))

    def due(self, step: int, before: int, every: int) -> bool:
        """Whether a multiple of ``every`` lies in ``(before, step]``, so that a resumed run keeps to the same steps."""
        return step // every > before // every

    def evaluate_and_save(
        self,
        step: int,
        before: int,
        policy: Policy,
        model: torch.nn.Module,
        state: Callable[[], Mapping[str, Any]],
        device: str = "cpu",
        play: Callable[[Policy, int], Evaluation] | None = None,
    ) -> None:
        """Evaluates and logs, and writes a checkpoint, where this is due after the steps in ``(before, step]``.

        Both are at the end of the run; a checkpoint also before the script stops, and of the best evaluation so far.

        Args:
            step: Environment steps so far.
            before: Environment steps at the last call.
            policy: What is evaluated.
            model: The networks.
            state: Makes what else the script needs to go on, as ``save`` takes it.
            device: Where environments are to be played, as in ``make_envs``.
            play: Plays so many episodes; by default in the environment of the arguments.
        """
        args, best = self._args, None
        last = step >= args.total_steps
        if args.eval_episodes and (last or self.due(step, before, args.eval_every)):
            if play is None:
                found = evaluate(policy, args.env, args.env_kwargs, episodes=args.eval_episodes, device=device)
            else:
                found = play(policy, args.eval_episodes)
            self.log(step, found.metrics())
            worth = found.returns.mean()
            best = worth if worth > self._best.get("value", -np.inf) else None
        if last or self.stopped or best is not None or self.due(step, before, args.checkpoint_every):
            self.save(step, model.state_dict(), state(), best=best)

    def save(
        self, step: int, model: Mapping[str, torch.Tensor], state: Mapping[str, Any], best: float | None = None
    ) -> None:
        """Writes a checkpoint, whole or not at all, and removes older ones but the best.

        Args:
            step: Environment steps so far.
            model: The networks' tensors.
            state: Whatever else the script needs to go on; PyTorch can save it. The states of the global generators of
                Python, NumPy and PyTorch are added.
            best: Mean return, if no evaluation was better.
        """
        folder, draft = self._checkpoints / numbered(step), self._checkpoints / f".draft-{step}"
        self._best = self._best if best is None else {"step": step, "value": float(best)}
        draft.mkdir()
        # Clones: parts of one tensor cannot be saved.
        save_file({name: tensor.detach().cpu().clone() for name, tensor in model.items()}, draft / "model.safetensors")
        own = {"time": time.monotonic() - self._began, "best": self._best, "generators": generator_states()}
        torch.save({**state, _OWN: own}, draft / "state.pt")
        for path in (*draft.iterdir(), draft):
            sync(path)
        draft.rename(folder)
        sync(self._checkpoints)
        write_whole(self._checkpoints / "best.json", json.dumps(self._best))
        kept = {folder.name, numbered(self._best.get("step", step))}
        for old in self._checkpoints.iterdir():
            if old.is_dir() and old.name not in kept:
                shutil.rmtree(old.rename(old.with_name(f".old-{old.name}")))

    def _load(self) -> Checkpoint | None:
        saved = whole_checkpoints(self.folder)
        if not saved:
            return None
        state = torch.load(saved[-1] / "state.pt", map_location="cpu", weights_only=False)
        own = state.pop(_OWN)
        self._earlier, self._best, self._generators = own["time"], own["best"], own["generators"]
        return Checkpoint(int(saved[-1].name), load_file(saved[-1] / "model.safetensors"), state)

    def resume(self, load: Callable[[Checkpoint], None]) -> None:
        """Has the script load the checkpoint, if there is one, and then sets the global generators as they were."""
        if self.checkpoint is not None:
            load(self.checkpoint)
            restore_generators(self._generators)

    def finish(self, step: int) -> None:
        """Writes ``done.json``; nothing may follow."""
        done = {"step": step, "time": time.monotonic() - self._began}
        status = "stopped" if self.stopped else "finished"
        write_whole(self.folder / "done.json", json.dumps({**done, "status": status}))


def _suffix(name: str, base: str) -> int | None:
    """The number behind a folder's name, 1 if there is none; None if the name is another."""
    match = re.fullmatch(rf"{re.escape(base)}(?:-(\d+))?", name)
    return None if match is None else int(match[1] or 1)


def _plain(args: ScriptArgs) -> dict[str, Any]:
    """The arguments as JSON has them."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(args), default=str))
    return plain


def _say(text: str) -> None:
    Console(stderr=True, soft_wrap=True).print(escape(text))


Args = TypeVar("Args", bound=ScriptArgs)


def command(
    program: str, arguments: type[Args], train: Callable[[Args], Run], given: Sequence[str] | None = None
) -> None:
    """Reads a script's arguments, trains and leaves: status 0, 1 after an error, 130 or 143 after a signal.

    Args:
        program: How the script is called.
        arguments: Its dataclass of arguments, whose docstring describes it.
        train: The script, whose bad input is an ``InputError``.
        given: The command line's arguments; None for those of this process.
    """
    args = tyro.cli(arguments, prog=program, args=given)
    try:
        run = train(args)
    except (InputError, ModuleNotFoundError) as error:
        print_error(error)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    Console().print(f"{run.folder}", soft_wrap=True, highlight=False)
    sys.exit(run.exit_status)
