"""Evaluates a policy and writes it down as a run, so that ``telos compare`` shows it beside trained ones.

* ``EvaluateArgs`` - what is played
* ``evaluate_policy`` - plays it
* ``LOADERS`` - what loads the policies of runs
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import tyro

from telos.baselines.evaluation import Evaluation, Policy, evaluate
from telos.baselines.input_errors import InputError, bad_input
from telos.baselines.policies.registry import POLICIES, call_with, make_policy
from telos.baselines.run import Run
from telos.baselines.run_args import ScriptArgs
from telos.baselines.runs import RecordedRun, read_run
from telos.baselines.training_envs import EVALUATION_SEED, TrainingEnvs, make_training_envs, training_seed
from telos.wrappers.specs import parse_arguments

__all__ = ["LOADERS", "EvaluateArgs", "evaluate_policy", "load_sb3_policy", "policy_of"]

_NUM_ENVS = 32

LOADERS = {
    "ppo": "telos.baselines.ppo:load_policy",
    "dqn": "telos.baselines.dqn:load_policy",
    "grpo": "telos.baselines.grpo:load_policy",
    "swe-llm": "telos.baselines.llm.grpo_lm:load_policy",
    "bc": "telos.baselines.bc:load_policy",
    "sim2rec": "telos.baselines.sim2rec:load_policy",
    "dt4ier": "telos.baselines.dt4ier:load_policy",
    "decision-transformer": "telos.baselines.decision_transformer:load_policy",
    "sb3-ppo": "telos.baselines.policy_runs:load_sb3_policy",
    "sb3-dqn": "telos.baselines.policy_runs:load_sb3_policy",
    "sb3-a2c": "telos.baselines.policy_runs:load_sb3_policy",
}
"""A run's algorithm to what loads its policy from the folder; further parameters are the user's to give."""

_TEAM_SCRIPTS = {"ippo": "telos.baselines.ippo", "mappo": "telos.baselines.mappo"}
"""Algorithms of several agents, to their scripts: these have evaluations of their own."""

Play = Callable[[int], Evaluation]
"""Plays the episodes of a seed."""


@dataclass(frozen=True)
class EvaluateArgs:
    """Plays a policy on the environment's own reward, and writes a run for `telos compare`."""

    policy: tyro.conf.Positional[str]
    """Name of a policy (`telos list policies` prints them), or the folder of a run."""
    policy_arg: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Argument of the policy, such as action=1 of constant, or best=true of a run; repeat it for several."""
    env: str = ""
    """Environment id. A run's policy plays the environment that it was trained in if none is given."""
    env_arg: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Argument of the environment, such as horizon=20; repeat it for several."""
    episodes: int = 100
    """Episodes to play."""
    seed: int | None = None
    """Seed of the policy and of the episodes, which are never those of training; by default a run's own, else 1."""
    label: str = ""
    """Name of this setting in the folder and in comparisons, instead of the policy's arguments."""
    out: Path = Path("runs")
    """Folder of all runs."""


@dataclass
class _RunOfPolicy(ScriptArgs):
    """What a run says of a policy that was evaluated."""

    policy: str = ""
    policy_arg: tuple[str, ...] = ()


def evaluate_policy(args: EvaluateArgs) -> tuple[Evaluation, Path]:
    """Plays a policy and writes the run.

    Returns:
        What the episodes were worth, and the run's folder.

    Raises:
        InputError: If there is no such policy or environment, they do not fit, or an argument is wrong.
    """
    if args.episodes < 1 or (args.seed is not None and args.seed < 0):
        raise InputError("--episodes must be at least 1, and --seed at least 0")
    with bad_input():
        given = parse_arguments(args.policy_arg)
        algorithm, described, play, made = _named(args, given) if args.policy in POLICIES else _of_run(args, given)
    spec = made.spec
    made.envs.close()
    began = time.monotonic()
    found = play(EVALUATION_SEED + training_seed(described.seed, _NUM_ENVS))
    seconds = time.monotonic() - began
    # Nothing is written of an evaluation that was interrupted.
    with Run(algorithm, described, spec) as run:
        run.log(0, found.metrics() | {"time/evaluate": seconds})
        run.finish(0)
    return found, run.folder


def _named(args: EvaluateArgs, given: dict[str, Any]) -> tuple[str, ScriptArgs, Play, TrainingEnvs]:
    """A policy of the table: its name, what a run says of it, what plays it, and its environment."""
    if not args.env:
        raise InputError(f"{args.policy} needs an environment, such as --env {_example(args.policy)}")
    described = _describe(args, args.env, args.env_arg, 1, " ".join(args.policy_arg))
    policy = make_policy(args.policy, args.env, described.env_kwargs, seed=described.seed, arguments=given)
    return args.policy, described, *_play(policy, described)


def _play(policy: Policy, described: ScriptArgs) -> tuple[Play, TrainingEnvs]:
    kwargs, episodes = described.env_kwargs, described.eval_episodes
    play = partial(evaluate, policy, described.env, kwargs, episodes=episodes, num_envs=min(_NUM_ENVS, episodes))
    return lambda seed: play(seed=seed), make_training_envs(described.env, kwargs, 1)


def _play_team(algorithm: str, folder: Path, given: dict[str, Any], described: ScriptArgs) -> tuple[Play, TrainingEnvs]:
    from telos.baselines.mappo import evaluate as evaluate_agents
    from telos.baselines.team_envs import make_training_teams

    script = import_module(_TEAM_SCRIPTS[algorithm])
    args = replace(script.Args.of_run(folder), env=described.env, env_arg=described.env_arg, device="cpu")
    policy = call_with(script.load_policy, given, f"the policy of {algorithm}", folder, seed=described.seed)
    made = make_training_teams(args.env, args.env_kwargs, 1, central=args.central)
    return lambda seed: evaluate_agents(args, policy, described.eval_episodes, seed), made


def _of_run(args: EvaluateArgs, given: dict[str, Any]) -> tuple[str, ScriptArgs, Play, TrainingEnvs]:
    """The same of the policy of a run."""
    folder = Path(args.policy)
    if not (folder / "args.json").is_file():
        if folder.exists():
            raise InputError(f"{folder} is no run: it has no args.json")
        make_policy(args.policy, "", {})  # Says what there is.
    run = read_run(folder)
    algorithm = str(run.args.get("algorithm"))
    detail = " ".join((run.label.removeprefix(algorithm).strip(), "evaluated", *args.policy_arg)).strip()
    env, env_arg = (args.env, args.env_arg) if args.env else (run.args["env"], tuple(run.args.get("env_arg") or ()))
    described = _describe(args, env, args.env_arg or env_arg, run.seed, detail)
    if algorithm in _TEAM_SCRIPTS:
        return algorithm, described, *_play_team(algorithm, folder, given, described)
    return algorithm, described, *_play(policy_of(run, given, described.seed), described)


def policy_of(run: RecordedRun, given: dict[str, Any], seed: int) -> Policy:
    """Loads the policy of a run.

    Args:
        run: The run.
        given: Arguments of the algorithm's ``load_policy``.
        seed: Of what the policy draws.

    Raises:
        InputError: If policies of the run's algorithm cannot be loaded, or an argument is unknown.
    """
    algorithm = str(run.args.get("algorithm"))
    if algorithm not in LOADERS:
        known = ", ".join(LOADERS)
        raise InputError(f"{run.path}: single policies of {algorithm} cannot be loaded, but those of {known}")
    load = resolve_name(LOADERS[algorithm])
    policy: Policy = call_with(load, given, f"the policy of {algorithm}", run.path, seed=seed)
    return policy


def _describe(args: EvaluateArgs, env: str, env_arg: Sequence[str], seed: int, detail: str) -> _RunOfPolicy:
    return _RunOfPolicy(
        env=env,
        env_arg=tuple(env_arg),
        total_steps=0,
        seed=seed if args.seed is None else args.seed,
        device="cpu",
        out=args.out,
        eval_episodes=args.episodes,
        label=args.label or detail,
        tensorboard=False,
        policy=args.policy,
        policy_arg=args.policy_arg,
    )


def _example(policy: str) -> str:
    """An environment that a policy plays."""
    return next(iter(POLICIES[policy].environments), "CartPole-v1")


def load_sb3_policy(folder: str | Path, *, best: bool = False, deterministic: bool = True) -> Policy:
    """Loads the policy of a run of Stable-Baselines3.

    Args:
        folder: The run's.
        best: Whether to take the best checkpoint by evaluation instead of the newest.
        deterministic: Whether to take the likeliest action instead of drawing one.

    Raises:
        FileNotFoundError: If there is no run, or no checkpoint yet.
    """
    from telos.baselines.sb3_runs import SB3Policy, load

    return SB3Policy(load(folder, best=best), deterministic)
