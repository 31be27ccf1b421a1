"""Distances of reward functions: hand-worked, invariant where they should be, and tied to regret."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telos.envs.tabular.instances import random_mdp, step_chain
from telos.wrappers.diagnostics import (
    dard_distance,
    epic_distance,
    hacking_gap,
    normalised_regret,
    sampled_dard_distance,
    sampled_epic_distance,
    sampled_starc_distance,
    starc_distance,
)

DISCOUNT = 0.9


def problem(seed, states=6, actions=3):
    rng = np.random.default_rng(seed)
    model = random_mdp(states, actions, min(4, states), 1.0, None, seed).transitions
    return rng, model, *rng.normal(size=(2, states, actions, states))


def shaped(reward, rng):
    potential = rng.normal(size=len(reward))
    return reward + DISCOUNT * potential - potential[:, None, None]


def redistributed(reward, model, rng):
    """The same means over next states, and anything for impossible ones."""
    change = rng.normal(size=reward.shape)
    change -= (model * change).sum(axis=2, keepdims=True)
    return reward + change


def starc(first, second, model, form="val", **options):
    return starc_distance(first, second, model, DISCOUNT, canonical=form, **options)


DISTANCES = {
    **{
        form: lambda first, second, model, form=form: starc(first, second, model, form)
        for form in ("val", "val_potential", "minimal", "epic", "dard", "none")
    },
    "EPIC": lambda first, second, model: epic_distance(first, second, DISCOUNT),
    "DARD": lambda first, second, model: dard_distance(first, second, model, DISCOUNT),
}
each = pytest.mark.parametrize("name", DISTANCES)
FORGETS_REDISTRIBUTION = ("val", "minimal")


@each
@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_distances_are_what_distances_are(name, seed):
    distance = DISTANCES[name]
    rng, model, first, second = problem(seed)
    third = rng.normal(size=first.shape)
    assert distance(first, second, model) == pytest.approx(distance(second, first, model))
    assert 0.0 < distance(first, second, model) < 1.0
    assert distance(first, third, model) <= distance(first, second, model) + distance(second, third, model) + 1e-12
    # What must not matter, and its opposite.
    alike = 7.3 * first if name == "none" else shaped(7.3 * first, rng)
    assert distance(first, alike, model) < 1e-9
    assert distance(second, alike, model) == pytest.approx(distance(second, first, model))
    assert distance(first, -alike, model) == pytest.approx(1.0)
    moved = distance(first, redistributed(first, model, rng), model)
    assert (moved < 1e-9) == (name in FORGETS_REDISTRIBUTION)


@each
def test_a_reward_that_says_nothing_is_half_way_from_all(name):
    rng, model, first, _ = problem(0)
    nothing = np.zeros_like(first) if name == "none" else shaped(np.zeros_like(first), rng)
    distance = DISTANCES[name]
    assert distance(first, nothing, model) == pytest.approx(0.5)
    assert distance(nothing, nothing * 2, model) == 0.0


def test_a_constant_says_nothing_to_pearson():
    _, model, first, _ = problem(0)
    for name in ("EPIC", "DARD", "val", "minimal"):
        assert DISTANCES[name](first, first + 5.0, model) < 1e-9


def test_two_states_by_hand():
    """Action a leads to state a. R pays 1 for being led to state 1, Q pays 1 for leaving state 0.

    Uniform policy, discount 1/2. R: V = 1/2 / (1 - 1/2) = 1 in both states, so that advantages are 0 + 1/2 - 1 and
    1 + 1/2 - 1. Q: V(1) = (V(0) + V(1)) / 4, V(0) = 1 + V(1), so that V = (3/2, 1/2), and advantages of staying in or
    going to state 0 are 1 + 3/4 - 3/2 and 3/4 - 1/2, and of state 1 the opposites: Q is shaped -R.
    """
    model = np.array([[[1.0, 0.0], [0.0, 1.0]]] * 2)
    to_one = np.array([0.0, 1.0])[None, None, :] + np.zeros((2, 2, 2))
    from_zero = np.array([1.0, 0.0])
    assert starc_distance(to_one, from_zero, model, 0.5) == pytest.approx(1.0)
    # 1 for action 1 in state 0 only:
    one_way = np.array([[0.0, 1.0], [0.0, 0.0]])
    # V(0) = 1/2 + (V(0) + V(1)) / 4 and V(1) = (V(0) + V(1)) / 4: V = (3/4, 1/4).
    advantages = np.array([[0.0 + 3 / 8 - 3 / 4, 1.0 + 1 / 8 - 3 / 4], [3 / 8 - 1 / 4, 1 / 8 - 1 / 4]])
    of_r = np.array([[-1.0, 1.0], [-1.0, 1.0]]) / 2.0
    expected = np.linalg.norm(of_r - advantages / np.linalg.norm(advantages)) / 2.0
    assert starc_distance(to_one, one_way, model, 0.5) == pytest.approx(expected)
    assert epic_distance(to_one, from_zero, 0.5) == pytest.approx(1.0)
    assert dard_distance(to_one, from_zero, model, 0.5) == pytest.approx(1.0)


def test_forms_equal_plain_sums():
    """EPIC's and DARD's expectations, written out."""
    _, model, reward, other = problem(4, states=3, actions=2)
    states, actions = range(3), range(2)
    rng = np.random.default_rng(1)
    of_states, of_actions = rng.dirichlet(np.ones(3)), rng.dirichlet(np.ones(2))

    def epic(r):
        def mean(s):
            return sum(of_actions[a] * of_states[t] * r[s, a, t] for a in actions for t in states)

        overall = sum(of_states[s] * mean(s) for s in states)
        return [
            r[s, a, t] + DISCOUNT * mean(t) - mean(s) - DISCOUNT * overall
            for s in states
            for a in actions
            for t in states
        ]

    def dard(r):
        def form(s, a, t):
            value = r[s, a, t]
            for b in actions:
                for u in states:
                    value += of_actions[b] * model[t, b, u] * DISCOUNT * r[t, b, u]
                    value -= of_actions[b] * model[s, b, u] * r[s, b, u]
                    for v in states:
                        value -= of_actions[b] * model[s, b, u] * model[t, b, v] * DISCOUNT * r[u, b, v]
            return value

        return [form(s, a, t) for s in states for a in actions for t in states]

    def pearson(form, weights):
        one, two = (np.array(form(r)) for r in (reward, other))
        covariance = np.cov(one, two, aweights=weights.ravel())
        return np.sqrt((1 - covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])) / 2)

    product = of_states[:, None, None] * of_actions[:, None] * of_states
    assert epic_distance(reward, other, DISCOUNT, states=of_states, actions=of_actions) == pytest.approx(
        pearson(epic, product)
    )
    coverage = rng.dirichlet(np.ones(18)).reshape(3, 2, 3)
    assert epic_distance(
        reward, other, DISCOUNT, states=of_states, actions=of_actions, coverage=coverage
    ) == pytest.approx(pearson(epic, coverage))
    assert dard_distance(reward, other, model, DISCOUNT, actions=of_actions) == pytest.approx(
        pearson(dard, model * of_actions[:, None])
    )


def test_the_minimal_form_is_the_smallest():
    """No shaping and redistribution of it has a smaller norm: distances of forms are those of best representatives."""
    rng, model, first, _ = problem(2)
    from telos.wrappers.diagnostics.canonical import minimal_form

    form = minimal_form(first, model, DISCOUNT, np.full((6, 3), 1 / 3))
    assert starc(first, form, model, "val") < 1e-9
    for _ in range(50):
        assert np.linalg.norm(form) <= np.linalg.norm(redistributed(shaped(form, rng), model, rng)) + 1e-9
        small = 1e-3 * (redistributed(shaped(form, rng), model, rng) - form)
        assert np.linalg.norm(form) < np.linalg.norm(form + small)


def test_other_norms_and_policies_keep_what_is_invariant():
    rng, model, first, second = problem(3)
    policy = rng.dirichlet(np.ones(3), 6)
    for norm in (1, 2, np.inf):
        assert starc(first, redistributed(shaped(first, rng), model, rng), model, norm=norm, policy=policy) < 1e-9
        assert 0 < starc(first, second, model, norm=norm, policy=policy) < 1


def test_shaping_to_a_terminal_state_must_end_at_zero():
    """Potential 0 at the end keeps the reward's class; another potential there does not."""
    mdp = step_chain(3, 0.8, 10, 0.0, 0.8, 0.3, 0.96)
    rng = np.random.default_rng(0)
    potential = np.where(mdp.terminal, 0.0, rng.normal(size=mdp.num_states))
    paid = ~mdp.terminal[:, None, None]

    def with_potential(phi):
        return mdp.reward() + paid * (DISCOUNT * phi - phi[:, None, None])

    raw = mdp.reward()
    assert starc(raw, with_potential(potential), mdp.transitions) < 1e-9
    assert starc(raw, with_potential(potential + 5.0 * mdp.terminal), mdp.transitions) > 0.01


def test_no_distance_is_no_regret_and_distance_predicts_regret():
    """Random tables and interpolated rewards, as in the STARC paper."""
    measured = {name: [] for name in ("val", "none")}
    regrets = []
    for seed in range(60):
        rng, model, first, second = problem(seed, states=12, actions=3)
        alike = redistributed(shaped(3.0 * first, rng), model, rng)
        assert normalised_regret(first, alike, model, DISCOUNT) == pytest.approx(0.0, abs=1e-9)
        assert normalised_regret(first, -first, model, DISCOUNT) == pytest.approx(1.0)
        if seed % 2:
            second = shaped(3.0 * second, rng)
        for share in (0.25, 0.5, 0.75, 1.0):
            mixed = (1 - share) * first + share * second
            pairs = ((first, mixed), (mixed, first))
            regrets.append(np.mean([normalised_regret(one, two, model, DISCOUNT) for one, two in pairs]))
            for name, values in measured.items():
                values.append(starc(first, mixed, model, name))
    correlation = {name: np.corrcoef(values, regrets)[0, 1] for name, values in measured.items()}
    assert correlation["val"] >= 0.9
    assert correlation["val"] > correlation["none"] + 0.02


# -- from batches ----------------------------------------------------------------------------------------


def batch(model, rng, count):
    """Transitions from all states and actions alike."""
    states, actions = rng.integers(len(model), size=count), rng.integers(model.shape[1], size=count)
    cumulative = model.cumsum(axis=2)[states, actions]
    return states, actions, np.minimum((rng.random((count, 1)) > cumulative).sum(axis=1), len(model) - 1)


def test_sampled_starc_comes_near_the_exact_one():
    rng, model, first, second = problem(5)
    states, actions, following = batch(model, rng, 100_000)
    one_hot = np.eye(6)
    where = states, actions, following
    sampled = sampled_starc_distance(
        first[where], second[where], one_hot[states], actions, one_hot[following], DISCOUNT
    )
    assert sampled == pytest.approx(starc(first, second, model), abs=0.02)
    alike = shaped(2.0 * first, rng)
    same = sampled_starc_distance(first[where], alike[where], one_hot[states], actions, one_hot[following], DISCOUNT)
    assert same < 1e-6


def test_sampled_epic_and_dard_come_near_the_exact_ones():
    rng, model, first, second = problem(6)
    rewards = [lambda s, a, t, r=r: r[s, a, t] for r in (first, second, shaped(2.0 * first, rng))]
    everything = np.indices((6, 3, 6)).reshape(3, -1)
    mean_states, mean_actions = np.indices((6, 3)).reshape(2, -1)
    pairs = {"mean_states": mean_states, "mean_actions": mean_actions}
    # All transitions and all pairs are a batch that leaves nothing to chance.
    assert sampled_epic_distance(*rewards[:2], *everything, DISCOUNT, **pairs) == pytest.approx(
        epic_distance(first, second, DISCOUNT)
    )
    assert sampled_epic_distance(rewards[0], rewards[2], *everything, DISCOUNT, **pairs) < 1e-9

    def follow(states, actions):
        cumulative = model.cumsum(axis=2)[states, actions]
        return np.minimum((rng.random((len(states), 1)) > cumulative).sum(axis=1), 5)

    transitions = batch(model, rng, 5_000)
    drawn = {"follow": follow, "mean_actions": rng.integers(3, size=300)}
    assert sampled_dard_distance(*rewards[:2], *transitions, DISCOUNT, **drawn) == pytest.approx(
        dard_distance(first, second, model, DISCOUNT), abs=0.03
    )
    # With a deterministic model there is no noise either, and shaping vanishes.
    assert (
        sampled_dard_distance(
            rewards[0],
            rewards[2],
            *transitions,
            DISCOUNT,
            follow=lambda states, actions: (states + actions) % 6,
            mean_actions=[0, 1, 2],
        )
        < 1e-9
    )


# -- hacking ---------------------------------------------------------------------------------------------


def test_hacking_gap_is_a_rank_correlation():
    assert hacking_gap([1, 2, 3, 4], [0.1, 0.2, 0.9, 5.0]) == pytest.approx(1.0)
    # Totals of the toy of gated rewards rise while the outcome falls.
    assert hacking_gap([1.23, 1.4, 1.6, 1.72], [-0.05, -0.2, -0.4, -0.56]) == pytest.approx(-1.0)
    # Ranks 1 2 3 against 2 3 1: covariance -1/2 of variance 1.
    assert hacking_gap([1, 2, 3], [5, 6, 1]) == pytest.approx(-0.5)
    assert np.isnan(hacking_gap([1, 2, 3], [4, 4, 4]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, r: starc(r, r[0], m), "a reward must be finite, of shape"),
        (lambda m, r: starc(r, r, m, "vall"), "Did you mean 'val'"),
        (lambda m, r: starc(r, r, m[:2]), "transitions must be probabilities"),
        (lambda m, r: starc_distance(r, r, m, 1.0), r"discount must be in \[0, 1\)"),
        (lambda m, r: starc(r, r, m, policy=np.ones((6, 3))), "policy must be probabilities"),
        (lambda m, r: epic_distance(r, r, 0.9, states=np.ones(6)), "states must be probabilities"),
        (lambda m, r: dard_distance(r, r, m, 0.9, coverage=np.ones((6, 3))), "coverage must be probabilities"),
        (lambda m, r: hacking_gap([1], [1]), "length of at least 2"),
        (lambda m, r: hacking_gap([1, np.nan], [1, 2]), "must be finite"),
        (lambda m, r: sampled_starc_distance([1.0], [1.0], [[1.0]], [0], [1.0], 0.9), "must have one shape"),
    ],
)
def test_misuse_is_told(call, message):
    _, model, reward, _ = problem(0)
    with pytest.raises(ValueError, match=message):
        call(model, reward)
