"""What ``telos rewards`` does.

* ``play_random_episodes`` - episodes of an environment's random policy
* ``report_rewards`` - what the command prints
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from rich.console import Console

import telos
from telos.baselines.input_errors import InputError, bad_input
from telos.baselines.progress import progress_bar
from telos.wrappers import Episode, load_episodes, relabel
from telos.wrappers.batching import copied
from telos.wrappers.diagnostics import RewardReport, reward_report
from telos.wrappers.specs import as_transforms

__all__ = ["play_random_episodes", "report_rewards"]


def report_rewards(
    env_id: str | None,
    run: Path | None,
    specs: Sequence[str],
    *,
    env_args: Mapping[str, Any],
    episodes: int,
    max_steps: int,
    seed: int,
    out: Path | None,
) -> RewardReport:
    """Prints what wrappers do to the rewards of an environment's random policy, or of saved episodes.

    Args:
        env_id: The environment; None if there is a run.
        run: A file of ``telos.wrappers.save_episodes``; None if there is an environment.
        specs: The wrappers, the innermost first; see ``telos.wrappers.specs``.
        env_args: Arguments of the environment.
        episodes: How many to play, at least 1.
        max_steps: Steps after which an episode is cut, at least 1.
        seed: Seed of the play.
        out: JSON file for the report.

    Returns:
        The report.

    Raises:
        InputError: If there is not exactly one source of episodes, no wrapper, or any of them is of no use; if a
            file cannot be read or written. Errors of the environment's steps are raised as they are.
    """
    if (env_id is None) == (run is None):
        raise InputError("Give either --env, to play episodes, or --run, to read saved ones.")
    if run is not None and env_args:
        raise InputError("--env-arg is for the environment of --env; a run has been played already.")
    if not specs:
        raise InputError('Name at least one wrapper: --wrap "gated:threshold=0.5". `telos list wrappers` prints them.')
    with bad_input():
        transforms = as_transforms(list(specs))
        _check_at_least_1(episodes=episodes, max_steps=max_steps)
    source: dict[str, Any]
    if run is None:
        assert env_id is not None
        with bad_input():
            env = gym.make(env_id, **env_args)
        try:
            # Wrappers that do not fit are found here, before a long play.
            (trial,), _ = play_random_episodes(env, 1, seed, 1)
            _check_fit(transforms, trial)
            played, cut = play_random_episodes(env, episodes, seed, max_steps)
        finally:
            env.close()
        source = {"env": env_id, "env_args": dict(env_args), "seed": seed, "max_steps": max_steps, "cut": cut}
    else:
        with bad_input():
            played, cut = load_episodes(run), 0
        _check_fit(transforms, played[0])
        source = {"run": str(run)}
    report = reward_report(played, transforms)
    console = Console()
    console.print(report)
    if cut:
        console.print(f"{cut} of {len(played)} episodes were cut after {max_steps} steps; they count as truncated.")
    if out is not None:
        text = json.dumps(
            {"telos": telos.__version__, **source, "wrap": list(specs), "report": report.to_dict()}, indent=1
        )
        with bad_input():
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(text + "\n")
    return report


def play_random_episodes(
    env: gym.Env[Any, Any], count: int, seed: int = 0, max_steps: int = 10_000
) -> tuple[list[Episode], int]:
    """Plays random actions until episodes end: feasible ones where the environment has ``sample_feasible``.

    Args:
        env: The environment, without reward wrappers.
        count: How many episodes, at least 1.
        seed: Seed of the environment and its action space.
        max_steps: Steps after which an episode that has not ended is cut, at least 1. It then counts as truncated. The
            default is ours.

    Returns:
        The episodes, with observations, actions and infos; and how many of them were cut.

    Raises:
        ValueError: If ``count`` or ``max_steps`` is below 1.
    """
    _check_at_least_1(episodes=count, max_steps=max_steps)
    sample = getattr(env.unwrapped, "sample_feasible", None)
    env.action_space.seed(seed)
    episodes, cut = [], 0
    with progress_bar("episodes") as bar:
        for k in range(count):
            first, _ = env.reset(seed=seed if k == 0 else None)
            obs, actions = [copied(first)], []
            steps: list[dict[str, Any]] = []
            terminated = truncated = False
            while not (terminated or truncated) and len(steps) < max_steps:
                action = env.action_space.sample() if sample is None else sample()[0]
                after, reward, terminated, truncated, info = env.step(action)
                obs.append(copied(after))
                actions.append(action)
                steps.append({**info, "reward_terms": info.get("reward_terms") or {"reward": float(reward)}})
            if not (terminated or truncated):
                truncated = True
                cut += 1
            names = dict.fromkeys(name for info in steps for name in info["reward_terms"])
            terms = {name: np.array([info["reward_terms"].get(name, 0.0) for info in steps]) for name in names}
            episodes.append(Episode(obs, actions, terms, bool(terminated), bool(truncated), steps))
            bar.update("episodes", (k + 1) / count)
    return episodes, cut


def _check_at_least_1(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name}={count} must be at least 1.")


def _check_fit(transforms: Sequence[Any], episode: Episode) -> None:
    """Runs wrappers on an episode's first step: terms and infos that they name are known only from there on.

    Raises:
        InputError: If they refuse it.
    """
    first = Episode(
        None if episode.obs is None else episode.obs[:2],
        None if episode.actions is None else episode.actions[:1],
        {name: values[:1] for name, values in episode.terms.items()},
        terminated=False,
        infos=episode.infos[:1] if isinstance(episode.infos, list) else None,
    )
    with bad_input():
        relabel([first], transforms)
