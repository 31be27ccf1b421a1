"""What a reset and a step do to one environment of a batch: the family's rules, the clock, and autoreset."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from telos.envs.engine.family import Family
from telos.envs.engine.kernels import source_version
from telos.envs.engine.random import episode_key, step_key
from telos.envs.engine.rules import rule

__all__ = ["Clock", "Rules", "WhenDone", "begin_body", "step_body"]


class WhenDone(enum.IntEnum):
    """What a step does about an environment whose episode is over."""

    NOTHING = 0
    RESET_IN_NEXT_STEP = 1
    RESET_AT_ONCE = 2


class Clock(NamedTuple):
    """Where each environment is in its sequence of random numbers.

    Attributes:
        seed: uint64 ``(n,)``.
        episode: uint64 ``(n,)``, episodes since the seed was set.
        step: int64 ``(n,)``, steps of the episode.
        over: bool ``(n,)``, whether the episode is over; ``(n, agents)`` of a multi-agent family, for each agent.
    """

    seed: NDArray[np.uint64]
    episode: NDArray[np.uint64]
    step: NDArray[np.int64]
    over: NDArray[np.bool_]


class Rules(NamedTuple):
    """All that the kernels of a family depend on; families with equal ones share kernels.

    Attributes:
        reset: See :class:`~telos.envs.engine.family.Family`, as for the other rules.
        step: The step rule.
        observe: The rule of observations.
        action_mask: The rule of action masks, or None.
        number_of_terms: Reward terms.
        has_agents: Whether arrays have an axis of agents.
    """

    reset: Callable[..., None]
    step: Callable[..., Any]
    observe: Callable[..., None]
    action_mask: Callable[..., None] | None
    number_of_terms: int
    has_agents: bool

    @classmethod
    def of(cls, family: Family) -> Rules:
        """The rules of a family."""
        return cls(
            family.reset_rule,
            family.step_rule,
            family.observe_rule,
            family.action_mask_rule,
            len(family.terms),
            bool(family.agents),
        )

    @property
    def functions(self) -> list[Callable[..., Any]]:
        """The family's own rules, the one for resets first and the one for steps second."""
        return [part for part in self if callable(part)]

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where the sources of these are."""
        return tuple(sorted({Path(function.__code__.co_filename).parent for function in self.functions}))

    @property
    def mark(self) -> str:
        """Eight hexadecimal digits that no other rules have, nor these once a source has changed."""
        return _mark(self)


@cache
def _mark(rules: Rules) -> str:
    names = [f"{function.__module__}.{function.__qualname__}" for function in rules.functions]
    identity = f"{names} {rules.number_of_terms} {rules.has_agents} {source_version(rules.folders)}"
    return hashlib.sha256(identity.encode()).hexdigest()[:8]


F = TypeVar("F", bound=Callable[..., object])


def _rule_of(rules: Rules) -> Callable[[F], F]:
    """Like ``rule``, for functions that are made anew for each family's rules."""

    def marked(function: F) -> F:
        # Numba names machine code by the qualified name and a number that every process counts from 1. Code that is
        # loaded from its cache may so have the name of code for other rules, and be called in its place.
        function.__qualname__ += f"_{rules.mark}"
        # In line, because a call would push every array of clock, state and parameters onto the stack.
        inlined: F = register_jitable(forceinline=True)(function)
        return inlined

    return marked


def begin_body(rules: Rules) -> Callable[..., None]:
    """``(i, rows, reseed, seeds, clock, state, params, view)``: begins an episode where ``rows`` says so."""
    begin_episode, show = _begin_episode(rules), _show(rules)

    @_rule_of(rules)
    def begin(i, rows, reseed, seeds, clock, state, params, view):
        if rows[i]:
            if reseed:
                clock.seed[i] = seeds[i]
                clock.episode[i] = 0
            else:
                clock.episode[i] += np.uint64(1)
            begin_episode(i, clock, state, params)
        show(i, state, params, view)

    return begin


def step_body(rules: Rules) -> Callable[..., None]:
    """``(i, actions, clock, state, params, when_done, max_steps, view, final, rewards, ..., acted)``: see ``Step``."""
    begin_episode, show = _begin_episode(rules), _show(rules)
    advance, is_over = (_advance_agents, _all_over) if rules.has_agents else (_advance, _is_over)
    act = advance(rules)
    in_next_step, at_once = int(WhenDone.RESET_IN_NEXT_STEP), int(WhenDone.RESET_AT_ONCE)

    @_rule_of(rules)
    def step(
        i,
        actions,
        clock,
        state,
        params,
        when_done,
        max_steps,
        view,
        final,
        rewards,
        terms,
        metrics,
        terminated,
        truncated,
        acted,
    ):
        begins = when_done == in_next_step and is_over(i, clock)
        if not begins:
            clock.step[i] += 1
            key = step_key(episode_key(clock.seed[i], clock.episode[i]), clock.step[i])
            late = clock.step[i] >= max_steps
            act(i, key, late, actions, clock, state, params, rewards, terms, metrics, terminated, truncated, acted)
            if when_done == at_once and is_over(i, clock):
                show(i, state, params, final)
                begins = True
        if begins:
            clock.episode[i] += np.uint64(1)
            begin_episode(i, clock, state, params)
        show(i, state, params, view)

    return step


def _begin_episode(rules: Rules) -> Callable[..., None]:
    reset_rule = rules.reset

    @_rule_of(rules)
    def begin_episode(i, clock, state, params):
        clock.step[i] = 0
        clock.over[i] = False
        reset_rule(i, step_key(episode_key(clock.seed[i], clock.episode[i]), 0), state, params)

    return begin_episode


def _show(rules: Rules) -> Callable[..., None]:
    """Writes what a face shows of row ``i``: the observation, and the mask of actions if the family has one."""
    observe_rule, action_mask_rule = rules.observe, rules.action_mask
    if action_mask_rule is None:
        return observe_rule

    @_rule_of(rules)
    def show(i, state, params, view):
        observe_rule(i, state, params, view[0])
        action_mask_rule(i, state, params, view[1])

    return show


@rule
def _is_over(i, clock):
    return clock.over[i]


@rule
def _all_over(i, clock):
    over = True
    for agent in range(clock.over.shape[1]):
        over = over and clock.over[i, agent]
    return over


def _advance(rules: Rules) -> Callable[..., None]:
    step_rule, number_of_terms = rules.step, rules.number_of_terms

    @_rule_of(rules)
    def advance(i, key, late, actions, clock, state, params, rewards, terms, metrics, terminated, truncated, acted):
        terminated[i] = step_rule(i, key, actions, state, params, terms, metrics)
        truncated[i] = late  # as Gymnasium's TimeLimit has it, also where the episode terminates
        clock.over[i] = terminated[i] or truncated[i]
        acted[i] = True
        reward = 0.0
        for term in range(number_of_terms):
            reward += terms[i, term]
        rewards[i] = reward

    return advance


def _advance_agents(rules: Rules) -> Callable[..., None]:
    step_rule, number_of_terms = rules.step, rules.number_of_terms

    @_rule_of(rules)
    def advance(i, key, late, actions, clock, state, params, rewards, terms, metrics, terminated, truncated, acted):
        for agent in range(clock.over.shape[1]):
            terminated[i, agent] = clock.over[i, agent]
        step_rule(i, key, actions, state, params, terms, metrics, terminated)
        for agent in range(clock.over.shape[1]):
            if clock.over[i, agent]:
                terminated[i, agent] = True
                for term in range(number_of_terms):
                    terms[i, agent, term] = 0.0
                for metric in range(metrics.shape[2]):
                    metrics[i, agent, metric] = 0.0
                continue
            truncated[i, agent] = late and not terminated[i, agent]
            clock.over[i, agent] = terminated[i, agent] or truncated[i, agent]
            acted[i, agent] = True
            reward = 0.0
            for term in range(number_of_terms):
                reward += terms[i, agent, term]
            rewards[i, agent] = reward

    return advance
