"""What ``telos recsys log`` does.

* ``LogArgs`` - what is played, and where to
* ``log`` - plays it and writes the sessions, and what the policy is worth
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import gymnasium as gym
import tyro
from rich.console import Console

from telos.baselines.input_errors import InputError, bad_input
from telos.baselines.logging_policies import SlatePolicy, make_logging_policy
from telos.baselines.machine import describe_machine
from telos.baselines.progress import progress_bar
from telos.baselines.recsys_log import SessionLog, TrueValue, log_sessions, true_value
from telos.baselines.recsys_log_files import write_log
from telos.wrappers.specs import parse_arguments

__all__ = ["LogArgs", "log"]


@dataclass(frozen=True)
class LogArgs:
    """Logs sessions of a recommender with the exact probability of every slot and slate, for off-policy evaluation."""

    env: str
    """Environment id, such as SlateRec-v0."""
    policy: str
    """What recommends: uniform, softmax-popularity, softmax-linear or epsilon-greedy."""
    out: Path
    """Folder to write, a dataset of Minari, whose name ends in a version, such as logs/slate-v0; or a file .npz."""
    env_arg: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Argument of the environment, such as horizon=20; repeat it for several."""
    policy_arg: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Argument of the policy, such as temperature=0.5; repeat it for several."""
    episodes: int = 10_000
    """Sessions to log."""
    num_envs: int = 8192
    """Environments at a time, at most. The log does not depend on it."""
    seed: int = 0
    """Seed of the policy and of the sessions."""
    precision: float = 1e-3
    """Half of the 95 % interval of the policy's true value, as a share of it: played on until then. 0 leaves it out."""
    most: int = 10_000_000
    """Sessions for the true value, at most."""


def log(args: LogArgs) -> TrueValue | None:
    """Writes the log.

    Returns:
        What the policy is worth, unless that was left out.

    Raises:
        InputError: If there is no such environment or policy, an argument is wrong, or the log cannot be written.
        ModuleNotFoundError: If Minari or h5py is missing.
    """
    if min(args.episodes, args.num_envs) < 1 or args.seed < 0 or args.precision < 0.0 or args.most < 2:
        raise InputError(
            "--episodes and --num-envs must be at least 1, --most at least 2, --seed and --precision at least 0"
        )
    with bad_input():
        kwargs, given = parse_arguments(args.env_arg), parse_arguments(args.policy_arg)
        policy = make_logging_policy(args.policy, args.env, kwargs, seed=args.seed, arguments=given)
        if args.out.exists():
            raise ValueError(f"{args.out} is there already: remove it, or choose another --out")
        env = gym.make(args.env, **kwargs)
    about = {
        "env": args.env,
        "env_arguments": kwargs,
        "policy": args.policy,
        "policy_arguments": given,
        "seed": args.seed,
        "machine": describe_machine(),
    }
    try:
        found = _true_value(args, policy)
        about["true_value"] = found and asdict(found)
        with progress_bar("sessions") as bar, bad_input():
            blocks: Iterator[SessionLog] = log_sessions(
                policy,
                args.env,
                kwargs,
                episodes=args.episodes,
                num_envs=args.num_envs,
                seed=args.seed,
                show=lambda share: bar.update("sessions", share),
            )
            sessions, steps = write_log(args.out, blocks, env, about)
    finally:
        env.close()
    worth = f", true value {found.value:.6g} +- {1.96 * found.standard_error:.2g}" if found else ""
    console = Console(soft_wrap=True)
    console.print(f"{args.out}: {sessions:,} sessions of {steps:,} steps in all{worth}", highlight=False, markup=False)
    if found and found.relative_error > args.precision:
        console.print(
            f"the true value is known to {found.relative_error:.1%} only: give --most more than {args.most:,}",
            highlight=False,
        )
    if args.out.suffix != ".npz":
        console.print(
            f"MINARI_DATASETS_PATH={args.out.parent} python -c 'import minari; "
            f'print(minari.load_dataset("{args.out.name}"))\'',
            highlight=False,
            markup=False,
        )
    return found


def _true_value(args: LogArgs, policy: SlatePolicy) -> TrueValue | None:
    if not args.precision:
        return None
    with progress_bar("true value") as bar:
        return true_value(
            policy,
            args.env,
            parse_arguments(args.env_arg),
            precision=args.precision,
            least=min(max(args.num_envs, 1000), args.most),
            most=args.most,
            num_envs=args.num_envs,
            seed=args.seed,
            show=lambda share: bar.update("true value", share if math.isfinite(share) else 0.0),
        )
