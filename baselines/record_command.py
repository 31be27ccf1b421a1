"""What ``telos record`` does.

* ``RecordArgs`` - what is played, and where to
* ``record`` - plays it and writes the episodes
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console

from telos.baselines.evaluation import Evaluation, Policy
from telos.baselines.input_errors import InputError, bad_input
from telos.baselines.policies.registry import POLICIES, make_policy
from telos.baselines.policy_runs import policy_of
from telos.baselines.recording import MASK_BEFORE, record_episodes
from telos.baselines.runs import read_run
from telos.wrappers import save_episodes
from telos.wrappers.specs import parse_arguments

__all__ = ["RecordArgs", "record"]


@dataclass(frozen=True)
class RecordArgs:
    """Plays a policy on the environment's own reward, and writes its episodes to a file to learn from."""

    policy: tyro.conf.Positional[str]
    """Name of a policy (`telos list policies` prints them), or the folder of a run."""
    out: Path
    """File to write, of `telos.wrappers.save_episodes`."""
    policy_arg: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Argument of the policy, such as deterministic=false or best=true of a run; repeat it for several."""
    env: str = ""
    """Environment id. A run's policy plays the environment that it was trained in if none is given."""
    env_arg: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Argument of the environment, such as horizon=20; repeat it for several."""
    episodes: int = 100
    """Episodes to play."""
    num_envs: int = 32
    """Environments at a time, at most."""
    seed: int = 0
    """Seed of the policy and of the episodes, which are never those of evaluations."""
    info: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Info key to keep, for reward wrappers that read it; repeat it for several."""


def record(args: RecordArgs) -> Evaluation:
    """Plays a policy and writes its episodes. The file appears when it is whole.

    Returns:
        What the episodes were worth.

    Raises:
        InputError: If there is no such policy or environment, they do not fit, an argument is wrong, or the file
            cannot be written. Errors of the environment's steps are raised as they are.
    """
    if args.episodes < 1 or args.num_envs < 1 or args.seed < 0:
        raise InputError("--episodes and --num-envs must be at least 1, and --seed at least 0")
    with bad_input():
        env, kwargs, policy = _policy(args)
        args.out.parent.mkdir(parents=True, exist_ok=True)
    played, worth = record_episodes(
        policy, env, kwargs, episodes=args.episodes, num_envs=args.num_envs, seed=args.seed, infos=args.info
    )
    draft = args.out.with_name(f".draft-{args.out.name}")
    try:
        with bad_input():
            save_episodes(draft, played, ("trainable", MASK_BEFORE, *args.info))
            draft.replace(args.out)
    finally:
        draft.unlink(missing_ok=True)
    Console(soft_wrap=True).print(
        f"{args.out}: {len(played):,} episodes of {worth.lengths.sum():,} steps in all, "
        f"return {worth.returns.mean():.4g} from {worth.returns.min():.4g} to {worth.returns.max():.4g}",
        highlight=False,
        markup=False,
    )
    return worth


def _policy(args: RecordArgs) -> tuple[str, dict[str, Any], Policy]:
    """The environment, its arguments, and what plays."""
    given, kwargs = parse_arguments(args.policy_arg), parse_arguments(args.env_arg)
    if args.policy in POLICIES and not args.env:
        raise InputError(f"{args.policy} needs an environment: --env ID")
    if args.policy in POLICIES or not Path(args.policy).exists():
        return args.env, kwargs, make_policy(args.policy, args.env, kwargs, seed=args.seed, arguments=given)
    run = read_run(Path(args.policy))
    policy = policy_of(run, given, args.seed)
    if not args.env:
        return run.args["env"], parse_arguments(run.args.get("env_arg") or ()) | kwargs, policy
    return args.env, kwargs, policy
