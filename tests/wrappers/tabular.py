"""Whether a transform keeps the optimal policies of small Markov decision processes, by enumeration."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from telos.wrappers import Episode, relabel


@dataclass
class TabularMDP:
    """A decision process as arrays.

    Attributes:
        transitions: Probability of each successor, shape ``(S, A, S)``.
        rewards: Reward of each transition, shape ``(S, A, S)``.
        terminal: States in which an episode ends, shape ``(S,)``, bool.
        initial: The first state, not a terminal one.
        horizon: Steps after which an episode ends in any state.
    """

    transitions: np.ndarray
    rewards: np.ndarray
    terminal: np.ndarray
    initial: int = 0
    horizon: int = 3


def random_mdp(seed, states=4, actions=2, successors=2, horizon=3):
    """The last state is terminal, and every state can lead there."""
    rng = np.random.default_rng(seed)
    transitions = np.zeros((states, actions, states))
    for s in range(states):
        for a in range(actions):
            reached = rng.choice(states, successors, replace=False)
            transitions[s, a, reached] = rng.dirichlet(np.ones(successors))
    rewards = rng.normal(size=(states, actions, states)).round(2)
    return TabularMDP(transitions, rewards, np.arange(states) == states - 1, 0, horizon)


def trajectories(mdp):
    """Every possible episode as (states, actions)."""
    open_ends, done = [((mdp.initial,), ())], []
    while open_ends:
        states, actions = open_ends.pop()
        if len(actions) == mdp.horizon or mdp.terminal[states[-1]]:
            done.append((states, actions))
            continue
        for a in range(mdp.transitions.shape[1]):
            reached = np.flatnonzero(mdp.transitions[states[-1], a]).tolist()
            open_ends.extend(((*states, s), (*actions, a)) for s in reached)
    return done


def raw_rewards(mdp, states, actions):
    return np.array([mdp.rewards[s, a, n] for s, a, n in zip(states[:-1], actions, states[1:], strict=True)])


def as_episode(mdp, states, actions, features):
    """The trajectory as it is logged, with the outcome in the last step and tool rewards before."""
    rewards, last = raw_rewards(mdp, states, actions), np.arange(len(actions)) == len(actions) - 1
    terms = {"outcome": rewards * last, "tool": rewards * ~last, "format": 0.0 * rewards}
    return Episode(features[list(states)], np.array(actions), terms, terminated=True)


def losses(transform, mdps, gamma=1.0, features=None):
    """What is lost under a transform's rewards by the policy that is optimal under the raw ones.

    Returns, in every process, are expected discounted sums over whole episodes; policies may depend on the history, as
    the transform does. Where several actions are optimal under the raw rewards, the worst of them is taken.

    Args:
        transform: Whatever ``relabel`` takes.
        mdps: Processes; their episodes are enumerated, so keep horizons and numbers of successors small.
        gamma: The discount.
        features: Observation of each state, shape ``(S, ...)``; two random numbers by default.

    Returns:
        One number a process, at least 0 up to rounding; 0 where optimal policies stay optimal.
    """
    if features is None:
        features = np.random.default_rng(7).normal(size=(max(len(mdp.terminal) for mdp in mdps), 2))
    played = [trajectories(mdp) for mdp in mdps]
    episodes = [as_episode(mdp, *each, features) for mdp, some in zip(mdps, played, strict=True) for each in some]
    paid = iter(relabel(episodes, transform))
    return [_loss(mdp, some, [next(paid).reward for _ in some], gamma) for mdp, some in zip(mdps, played, strict=True)]


def _loss(mdp, played, paid, gamma):
    children = defaultdict(set)
    value = {}
    for (states, actions), rewards in zip(played, paid, strict=True):
        raw = raw_rewards(mdp, states, actions)
        discounts = gamma ** np.arange(len(actions))
        # Raw value, best shaped value, and shaped value of the policy that is optimal under the raw rewards.
        shaped = float(discounts @ rewards)
        value[states, actions] = float(discounts @ raw), shaped, shaped
        for t in range(len(actions)):
            children[states[: t + 1], actions[:t]].add((actions[t], states[t + 1]))
    for node in sorted(children, key=lambda node: -len(node[1])):
        states, actions = node
        by_action = defaultdict(lambda: np.zeros(3))
        for a, s in children[node]:
            after = value[(*states, s), (*actions, a)]
            by_action[a] += mdp.transitions[states[-1], a, s] * np.array(after)
        totals = np.array(list(by_action.values()))
        best = totals[:, 0] > totals[:, 0].max() - 1e-9
        value[node] = totals[:, 0].max(), totals[:, 1].max(), totals[best, 2].min()
    _, most, kept = value[(mdp.initial,), ()]
    return most - kept
