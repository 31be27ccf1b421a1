"""Crafter's rules, tied together: how an episode begins, and one step of a world."""

from __future__ import annotations

import math

from telos.envs.crafter.balance import balance_chunks
from telos.envs.crafter.creatures import update_objects
from telos.envs.crafter.luck import ORDER
from telos.envs.crafter.names import ACHIEVEMENTS, HEALTH, NOTHING, WAKE_UP
from telos.envs.crafter.objects import compact, is_free, put_object, remove_object
from telos.envs.crafter.params import GOAL, RESPAWN, SHUFFLED, STRICT, TEAM_REWARD
from telos.envs.crafter.player import AT_STEP, reset_player, update_player
from telos.envs.crafter.worldgen import generate_world
from telos.envs.engine.random import integer
from telos.envs.engine.rules import rule

__all__ = ["METRICS", "TERMS", "reset_world", "step_world"]

#: Reward terms: each achievement, then these.
TERMS = (*ACHIEVEMENTS, "health", "goal")
_HEALTH_TERM, _GOAL_TERM = len(ACHIEVEMENTS), len(ACHIEVEMENTS) + 1
METRICS = ("unlocked", "discount", "given_to")
_UNLOCKED, _DISCOUNT = range(2)

_DAY = 300  # steps
_BALANCED_EVERY = 10  # steps


@rule
def reset_world(i, key, state, params):
    """Makes a new world with all players in it."""
    state.time[i] = 0
    state.daylight[i] = _daylight(0)
    generate_world(i, key, state, params)
    for agent in range(state.inventory.shape[1]):
        reset_player(i, agent, state)
        for achievement in range(state.achievements.shape[2]):
            state.achievements[i, agent, achievement] = 0


@rule
def _daylight(time):
    progress = time % _DAY / _DAY + 0.3
    return 1.0 - abs(math.cos(math.pi * progress)) ** 3


@rule
def step_world(i, key, actions, state, params, terms, metrics, terminated):
    """Players act in turn, then everything else near them, and every ten steps creatures come and go."""
    state.time[i] += 1
    state.daylight[i] = _daylight(state.time[i])
    # What is added in this step acts from the next one on.
    count = state.count[i]
    _draw_order(i, key, state, params)
    for k in range(state.inventory.shape[1]):
        agent = int(state.order[i, k])
        if not terminated[i, agent]:
            update_player(i, key, agent, actions[i, agent], state, params, terms, metrics)
    update_objects(i, key, count, state, params)
    balanced = state.time[i] % _BALANCED_EVERY == 0
    if balanced or state.kind.shape[1] - state.count[i] < state.kind.shape[1] // 4:
        compact(i, state)
    if balanced:
        balance_chunks(i, key, state, params)
    _settle(i, state, params, terms, metrics, terminated)


@rule
def _draw_order(i, key, state, params):
    """In which order the players act."""
    agents = state.order.shape[1]
    for agent in range(agents):
        state.order[i, agent] = agent
    if params.options[SHUFFLED]:
        for agent in range(agents - 1, 0, -1):
            other = integer(key, ORDER, agent, agent + 1)
            kept = state.order[i, agent]
            state.order[i, agent] = state.order[i, other]
            state.order[i, other] = kept


@rule
def _settle(i, state, params, terms, metrics, terminated):
    """Pays the agents, and sees who is dead."""
    agents = state.inventory.shape[1]
    goal = params.options[GOAL]
    reached = False
    for agent in range(agents):
        if terminated[i, agent]:
            continue
        if goal >= 0 and state.achievements[i, agent, goal] > 0:
            reached = True
        if params.options[STRICT] and terms[i, agent, WAKE_UP] > 0.0:
            _share_one(i, agent, terms)
        health = float(state.inventory[i, agent, HEALTH])
        terms[i, agent, _HEALTH_TERM] = (health - float(state.health_before[i, agent, AT_STEP])) / 10.0
        state.health_before[i, agent, AT_STEP] = state.inventory[i, agent, HEALTH]
        metrics[i, agent, _DISCOUNT] = 1.0
        if health == 0.0:
            if params.options[RESPAWN]:
                _respawn(i, agent, state)
            else:
                metrics[i, agent, _DISCOUNT] = 0.0
                terminated[i, agent] = True
                remove_object(i, agent, state)
        unlocked = 0
        for achievement in range(state.achievements.shape[2]):
            unlocked += int(state.achievements[i, agent, achievement] > 0)
        metrics[i, agent, _UNLOCKED] = unlocked
    if reached:
        for agent in range(agents):
            terms[i, agent, _GOAL_TERM] = 1.0
            terminated[i, agent] = True
    if params.options[TEAM_REWARD]:
        _average(i, terms)


@rule
def _share_one(i, agent, terms):
    """The original pays 1 for all achievements of a step together; only waking up comes with another one."""
    for achievement in range(WAKE_UP):
        if terms[i, agent, achievement] > 0.0:
            terms[i, agent, achievement] = 0.5
            terms[i, agent, WAKE_UP] = 0.5


@rule
def _average(i, terms):
    """Every agent earns the mean of what all do."""
    agents = terms.shape[1]
    for term in range(terms.shape[2]):
        total = 0.0
        for agent in range(agents):
            total += terms[i, agent, term]
        for agent in range(agents):
            terms[i, agent, term] = total / agents


@rule
def _respawn(i, agent, state):
    """Puts a dead player, as it was at birth, on the free cell that is nearest to the middle of the map."""
    state.object_at[i, state.x[i, agent], state.y[i, agent]] = 0
    reset_player(i, agent, state)
    width, height = state.material.shape[1], state.material.shape[2]
    best, best_x, best_y = width * width + height * height, int(state.x[i, agent]), int(state.y[i, agent])
    radius = 0
    while radius < max(width, height) and radius * radius < best:
        for x in range(max(0, width // 2 - radius), min(width, width // 2 + radius + 1)):
            step = 1 if abs(x - width // 2) == radius else max(1, 2 * radius)
            for y in range(height // 2 - radius, height // 2 + radius + 1, step):
                distance = (x - width // 2) ** 2 + (y - height // 2) ** 2
                if distance < best and is_free(i, x, y, NOTHING, state):
                    best, best_x, best_y = distance, x, y
        radius += 1
    put_object(i, agent, best_x, best_y, state)
