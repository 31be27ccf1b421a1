"""Stable-Baselines3 with the runs, logs and evaluations of Telos, to compare with the library that everyone knows.

    python -m telos.baselines.sb3_runs sb3-ppo --env CartPole-v1 --num-envs 8 --algorithm-arg n_steps=128
    telos train sb3-dqn --env LoiterChain-v0 --wrap "gated:threshold=0.5" --seed 1

The algorithms are Stable-Baselines3's own, with its defaults. ``docs/sb3.md`` explains the metrics and the differences.
"""

from __future__ import annotations

import dataclasses
import inspect
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from gymnasium import spaces
from gymnasium.logger import warn
from numpy.typing import NDArray
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.type_aliases import TrainFrequencyUnit

from telos.baselines.checkpoints import Checkpoint, load_model
from telos.baselines.input_errors import InputError, bad_input
from telos.baselines.run import Run, command
from telos.baselines.run_args import RunArgs
from telos.baselines.sb3 import SB3VecEnv
from telos.baselines.training_envs import TrainingEnvs, load_envs, make_training_envs, save_envs, training_seed
from telos.wrappers.specs import parse_arguments

__all__ = ["ALGORITHMS", "Args", "SB3Policy", "load", "main", "train"]

ALGORITHMS: dict[str, type[BaseAlgorithm]] = {"sb3-ppo": PPO, "sb3-dqn": DQN, "sb3-a2c": A2C}

_OURS = {"self", "policy", "env", "seed", "device", "tensorboard_log", "verbose", "_init_setup_model"}
"""Arguments of the algorithms that are set from others."""

_METRICS = {
    "train/policy_gradient_loss": "losses/policy_loss",
    "train/policy_loss": "losses/policy_loss",
    "train/value_loss": "losses/value_loss",
    "train/approx_kl": "losses/approx_kl",
    "train/clip_fraction": "losses/clipfrac",
    "train/explained_variance": "losses/explained_variance",
    "train/learning_rate": "charts/learning_rate",
}
"""Our names of Stable-Baselines3's metrics."""


@dataclass
class Args(RunArgs):
    """An algorithm of Stable-Baselines3, with its defaults."""

    num_envs: int = 1
    """Environments that are stepped together; the algorithms' defaults are for one."""
    algorithm_arg: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Argument of the algorithm's class, such as n_steps=128 or policy_kwargs={"net_arch": [64, 64]}; repeat it."""
    log_every: int = 2_000
    """Steps between lines of the log, or as many as the algorithm takes between updates if these are more."""

    def check(self) -> None:
        """Raises ``InputError`` if the arguments do not fit."""
        super().check()
        self.check_least(1, "log_every")

    def smoked(self, algorithm: str) -> Args:
        """These arguments for a run of a few updates."""
        few = {"sb3-ppo": {"n_steps": 32, "batch_size": 32}, "sb3-dqn": {"learning_starts": 32, "buffer_size": 1_000}}
        ours = few.get(algorithm, {})
        kept = tuple(text for text in self.algorithm_arg if text.partition("=")[0].replace("-", "_") not in ours)
        arguments = (*kept, *(f"{name}={value}" for name, value in ours.items()))
        every: dict[str, Any] = {"eval_every": 128, "checkpoint_every": 128, "log_every": 64}
        small: dict[str, Any] = {"num_envs": 2, "total_steps": 256, "eval_episodes": 4}
        return dataclasses.replace(self, algorithm_arg=arguments, **every, **small)


def _make_model(algorithm: str, args: Args, envs: SB3VecEnv) -> Any:
    """Makes the algorithm, or raises ``InputError`` if the arguments or the spaces do not fit."""
    kind, given = ALGORITHMS[algorithm], parse_arguments(args.algorithm_arg)
    known = set(inspect.signature(kind).parameters) - _OURS
    if unknown := sorted(given.keys() - known):
        raise InputError(f"--algorithm-arg: {algorithm} has no {unknown[0]}; it has {', '.join(sorted(known))}")
    observations, actions = envs.observation_space, envs.action_space
    parts = list(observations.values()) if isinstance(observations, spaces.Dict) else [observations]
    known_spaces = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)
    if not all(isinstance(part, known_spaces) for part in parts):
        raise InputError(f"Stable-Baselines3 has no network for observations in {observations}")
    if not isinstance(actions, known_spaces if kind is not DQN else spaces.Discrete):
        raise InputError(f"{algorithm} has no policy for actions in {actions}; try sb3-ppo, or ppo")
    policy = "CnnPolicy" if is_image_space(observations) else "MlpPolicy"
    if isinstance(observations, spaces.Dict):
        policy = "MultiInputPolicy"
    try:
        model = kind(policy, envs, seed=args.seed, device=args.torch_device, **given)
    except (TypeError, AssertionError) as error:
        raise InputError(f"{algorithm} does not take these arguments: {error}") from error
    model.set_logger(Logger(folder=None, output_formats=[]))
    return model


def _steps_between_updates(model: Any) -> int:
    """Steps over all environments; 1 an environment if the algorithm updates at the ends of episodes."""
    if not isinstance(model, DQN):
        return int(model.n_envs * model.n_steps)
    frequency: Any = model.train_freq
    return int(model.n_envs * (frequency.frequency if frequency.unit is TrainFrequencyUnit.STEP else 1))


class SB3Policy:
    """A model of Stable-Baselines3, as ``telos.baselines.evaluation`` plays it.

    Args:
        model: The model.
        deterministic: Whether to take the likeliest action instead of drawing one.
    """

    def __init__(self, model: BaseAlgorithm, deterministic: bool = True) -> None:
        self._model, self._deterministic = model, deterministic

    def __call__(self, observations: Any, infos: dict[str, Any], begins: NDArray[np.bool_]) -> Any:
        """Returns a batch of actions, as ``Policy``."""
        actions, _ = self._model.predict(observations, deterministic=self._deterministic)
        return np.asarray(actions, self._model.action_space.dtype)


class _RunCallback(BaseCallback):
    """Logs, evaluates, saves and stops between updates.

    Args:
        run: The run.
        args: Its arguments.
        training: The environments.
    """

    def __init__(self, run: Run, args: Args, training: TrainingEnvs) -> None:
        super().__init__()
        self._run, self._args, self._training = run, args, training
        self.step, self._leaves = run.step, False

    def _on_step(self) -> bool:
        return not self._leaves

    def _on_rollout_start(self) -> None:
        self._updated()

    def _on_training_end(self) -> None:
        self._updated()

    def _updated(self) -> None:
        run, args, before = self._run, self._args, self.step
        # After the last update, or a step that only followed a signal, there is nothing new.
        if self._leaves or self.num_timesteps == before:
            return
        self.step = step = self.num_timesteps
        if step >= args.total_steps or run.due(step, before, args.log_every):
            run.log(step, self._metrics())
        state = partial(_state_dict, self.model, self._training)
        run.evaluate_and_save(step, before, SB3Policy(self.model), self.model.policy, state)
        self._leaves = run.stopped

    def _metrics(self) -> dict[str, float]:
        theirs: dict[str, Any] = self.logger.name_to_value
        metrics = {ours: theirs[name] for name, ours in _METRICS.items() if name in theirs}
        if "train/entropy_loss" in theirs:
            metrics["losses/entropy"] = -theirs["train/entropy_loss"]
        if isinstance(self.model, DQN):
            metrics["charts/epsilon"] = self.model.exploration_rate
            if "train/loss" in theirs:
                metrics["losses/td_loss"] = theirs["train/loss"]
        return self._training.episode_metrics() | metrics


def _state_dict(model: BaseAlgorithm, training: TrainingEnvs) -> dict[str, Any]:
    """What a checkpoint holds beside the policy: files of Stable-Baselines3, and the environments."""
    saved, replay = io.BytesIO(), io.BytesIO()
    model.save(saved)
    if isinstance(model, DQN):
        model.save_replay_buffer(replay)
    return {"model": saved.getvalue(), "replay": replay.getvalue(), "envs": save_envs(training)}


def _resumed(algorithm: str, args: Args, checkpoint: Checkpoint, made: TrainingEnvs) -> tuple[Any, TrainingEnvs]:
    """The model and the environments of a checkpoint."""
    state = checkpoint.state
    training, whole = load_envs(state["envs"], made)
    envs = SB3VecEnv(training.envs)
    # Without its seed, which would repeat the run's first random actions.
    model: Any = ALGORITHMS[algorithm].load(
        io.BytesIO(state["model"]), envs, args.torch_device, custom_objects={"seed": None}, force_reset=not whole
    )
    model.seed = args.seed
    if not whole:
        warn(f"{args.env} cannot be saved: episodes begin anew")
        envs.seed(training_seed(args.seed, args.num_envs, checkpoint.step))
    if isinstance(model, DQN):
        model.load_replay_buffer(io.BytesIO(state["replay"]))
    model.set_logger(Logger(folder=None, output_formats=[]))
    return model, training


def train(algorithm: str, args: Args) -> Run:
    """Trains, and returns the finished or stopped run.

    Args:
        algorithm: One of ``ALGORITHMS``.
        args: The arguments.

    Raises:
        InputError: If arguments do not fit the environment or each other.
    """
    with bad_input():
        args.check()
        args = args.smoked(algorithm) if args.smoke else args
        training = make_training_envs(args.env, args.env_kwargs, args.num_envs, args.wrap, same_step=True)
        envs = SB3VecEnv(training.envs)
        model = _make_model(algorithm, args, envs)
        envs.seed(training_seed(args.seed, args.num_envs))
        chunk = _steps_between_updates(model)
        args = dataclasses.replace(args, total_steps=-(-args.total_steps // chunk) * chunk)
        run = Run(algorithm, args, training.spec)
    with run:

        def go_on(checkpoint: Checkpoint) -> None:
            nonlocal model, training
            model, training = _resumed(algorithm, args, checkpoint, training)

        run.resume(go_on)
        callback = _RunCallback(run, args, training)
        if run.step < args.total_steps:
            model.learn(args.total_steps - run.step, callback, log_interval=None, reset_num_timesteps=run.step == 0)
        run.finish(callback.step)
    training.envs.close()
    return run


def load(folder: str | Path, *, best: bool = False) -> BaseAlgorithm:
    """Loads the model of a run, the newest or the best by evaluation, on the CPU; it has environments as in training.

    Raises:
        FileNotFoundError: If there is no run, or no checkpoint yet.
    """
    algorithm = json.loads((Path(folder) / "args.json").read_text())["algorithm"]
    args = dataclasses.replace(Args.of_run(folder), device="cpu")
    model: BaseAlgorithm = _make_model(
        algorithm,
        args,
        SB3VecEnv(make_training_envs(args.env, args.env_kwargs, args.num_envs, args.wrap, same_step=True).envs),
    )
    model.policy.load_state_dict(load_model(Path(folder), best))
    return model


def main(algorithm: str, arguments: Sequence[str] | None = None) -> None:
    """Runs an algorithm with the command line's arguments, by default those of this process."""
    command(f"telos train {algorithm}", Args, partial(train, algorithm), arguments)


ppo, dqn, a2c = (partial(main, algorithm) for algorithm in ALGORITHMS)
"""The commands."""


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in ALGORITHMS:
        main(sys.argv[1], sys.argv[2:])
    sys.exit(f"which algorithm? {', '.join(ALGORITHMS)}")
