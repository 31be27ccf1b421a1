"""Off-policy estimators: against formulas written out, exact where all can be enumerated, honest about overlap."""

import itertools
import math
import warnings

import numpy as np
import pytest

from telos.baselines.ope import (
    LoggedSteps,
    OverlapWarning,
    check_support,
    double_reinforcement,
    doubly_robust,
    importance_sampling,
    marginalised,
    per_decision,
    self_normalised,
    weighted_doubly_robust,
    weighted_per_decision,
)
from telos.baselines.ope_values import binned, crossed, fitted_values

# A process with states 0 and 1: action 1 in state 1 may end it. Probabilities are multiples of 1 / 8.
HORIZON = 3
BEHAVIOUR = np.array([[0.5, 0.5], [0.25, 0.75]])
TARGET = np.array([[0.125, 0.875], [0.75, 0.25]])
REWARD = np.array([[1.0, 2.0], [-1.0, 4.0]])
TO_ONE = np.array([[0.25, 0.5], [0.5, 0.5]])
ENDS = np.array([[0.0, 0.0], [0.0, 0.5]])


def trajectories(policy):
    """All sessions, as (probability, [(state, action)]), from state 0."""

    def go(state, t, p, path):
        for action in (0, 1):
            taken, walked = p * policy[state, action], [*path, (state, action)]
            over = 1.0 if t == HORIZON - 1 else ENDS[state, action]
            if over > 0.0:
                yield taken * over, walked
            if over < 1.0:
                for following, chance in ((1, TO_ONE[state, action]), (0, 1.0 - TO_ONE[state, action])):
                    yield from go(following, t + 1, taken * (1.0 - over) * chance, walked)

    yield from go(0, 0, 1.0, [])


def value_of(policy, gamma=1.0):
    return sum(p * sum(gamma**t * REWARD[step] for t, step in enumerate(path)) for p, path in trajectories(policy))


def steps_of(paths, gamma=1.0, target=TARGET):
    pairs = np.array([step for path in paths for step in path]).T
    index = tuple(pairs)
    lengths = np.array([len(path) for path in paths])
    return LoggedSteps(REWARD[index], lengths, BEHAVIOUR[index], target[index], gamma), index


def population(gamma=1.0):
    """A log in which each session is as frequent as it is likely."""
    paths = []
    for p, path in trajectories(BEHAVIOUR):
        count = p * 2**14
        assert count == round(count)
        paths += [path] * round(count)
    return steps_of(paths, gamma)


def model(index):
    """Some values of actions, and what the target policy expects of them; wrong ones."""
    q = np.array([[0.3, 2.0], [1.0, -0.7]])
    return q[index], (TARGET * q).sum(axis=1)[index[0]]


def random_log(n=300, seed=0, gamma=0.9):
    generator = np.random.default_rng(seed)
    known = list(trajectories(BEHAVIOUR))
    chosen = generator.choice(len(known), n, p=[p for p, _ in known])
    return steps_of([known[k][1] for k in chosen], gamma)


def plain(steps, q, v, states):
    """All estimators, written out session by session and step by step."""
    ends = np.cumsum(steps.lengths)
    sessions = [range(end - length, end) for end, length in zip(ends, steps.lengths, strict=True)]
    n, horizon, gamma = len(sessions), int(max(steps.lengths)), steps.gamma
    rho = steps.target / steps.behaviour

    def product(session, t):
        return math.prod(rho[row] for row in session[: t + 1])

    def at(values, session, t):
        return values[session[t]] if t < len(session) else 0.0

    found = {}
    returns = [sum(gamma**t * steps.rewards[row] for t, row in enumerate(s)) for s in sessions]
    whole = [product(s, horizon) for s in sessions]
    found["ips"] = sum(w * g for w, g in zip(whole, returns, strict=True)) / n
    found["snips"] = sum(w * g for w, g in zip(whole, returns, strict=True)) / sum(whole)
    found["pdis"] = found["wpdis"] = found["dr"] = found["wdr"] = 0.0
    for t in range(horizon):
        now, before = [product(s, t) for s in sessions], [product(s, t - 1) if t else 1.0 for s in sessions]
        for kind, mass_now, mass_before in (("", n, n), ("w", sum(now), sum(before))):
            paid = sum(w * at(steps.rewards, s, t) for w, s in zip(now, sessions, strict=True)) / mass_now
            wrong = sum(w * at(q, s, t) for w, s in zip(now, sessions, strict=True)) / mass_now
            right = sum(w * at(v, s, t) for w, s in zip(before, sessions, strict=True)) / mass_before
            found[f"{kind}pdis"] += gamma**t * paid
            found[f"{kind}dr"] += gamma**t * (paid - wrong + right)
    # Xie et al. (2019): densities of states under the target policy, by estimated transitions.
    for kind in ("", "n"):
        density = {state: sum(states[s[0]] == state for s in sessions) / n for state in set(states.tolist())}
        found[f"{kind}mis"], found[f"{kind}drl"] = 0.0, sum(v[s[0]] for s in sessions) / n
        for t in range(horizon):
            following = dict.fromkeys(density, 0.0)
            for state in density:
                here = [s for s in sessions if t < len(s) and states[s[t]] == state]
                mass = sum(rho[s[t]] for s in here) if kind else len(here)
                for s in here:
                    row, share = s[t], density[state] * rho[s[t]] / mass
                    found[f"{kind}mis"] += gamma**t * share * steps.rewards[row]
                    found[f"{kind}drl"] += gamma**t * share * (steps.rewards[row] + gamma * at(v, s, t + 1) - q[row])
                    if t + 1 < len(s):
                        following[states[s[t + 1]]] += share
            density = following
    return found


def all_of(steps, q, v, states, **options):
    return {
        "ips": importance_sampling(steps, **options),
        "snips": self_normalised(steps, **options),
        "pdis": per_decision(steps, **options),
        "wpdis": weighted_per_decision(steps, **options),
        "dr": doubly_robust(steps, q, v, **options),
        "wdr": weighted_doubly_robust(steps, q, v, **options),
        "mis": marginalised(steps, states, **options),
        "drl": double_reinforcement(steps, q, v, states, **options),
        "nmis": marginalised(steps, states, normalise=True, **options),
        "ndrl": double_reinforcement(steps, q, v, states, normalise=True, **options),
    }


@pytest.mark.filterwarnings("ignore::telos.baselines.ope_steps.OverlapWarning")
def test_estimators_are_their_formulas():
    steps, index = random_log(120)
    q, v = model(index)
    expected = plain(steps, q, v, index[0])
    found = all_of(steps, q, v, index[0])
    assert set(found) == set(expected)
    for name, estimate in found.items():
        assert estimate.value == pytest.approx(expected[name], rel=1e-12), name


@pytest.mark.filterwarnings("ignore::telos.baselines.ope_steps.OverlapWarning")
def test_two_sessions_by_hand():
    # Ratios 2 and 1/2 in the first session, 1/2 in the second, which is shorter.
    steps = LoggedSteps(
        rewards=np.array([1.0, 10.0, 4.0]),
        lengths=np.array([2, 1]),
        behaviour=np.array([0.25, 0.5, 0.5]),
        target=np.array([0.5, 0.25, 0.25]),
        gamma=0.5,
    )
    assert importance_sampling(steps).value == (1.0 * 6.0 + 0.5 * 4.0) / 2
    assert self_normalised(steps).value == pytest.approx((1.0 * 6.0 + 0.5 * 4.0) / 1.5)
    assert per_decision(steps).value == (2.0 * 1.0 + 0.5 * 1.0 * 10.0 + 0.5 * 4.0) / 2
    assert weighted_per_decision(steps).value == pytest.approx((2.0 + 2.0) / 2.5 + 0.5 * 10.0 / 1.5)
    assert importance_sampling(steps).effective_sessions == pytest.approx([1.5**2 / 1.25])


@pytest.mark.parametrize("gamma", [1.0, 0.8])
def test_means_of_sessions_are_unbiased_whatever_the_model(gamma):
    truth = value_of(TARGET, gamma)
    found = dict.fromkeys(("ips", "pdis", "dr"), 0.0)
    for p, path in trajectories(BEHAVIOUR):
        steps, index = steps_of([path], gamma)
        found["ips"] += p * importance_sampling(steps).value
        found["pdis"] += p * per_decision(steps).value
        found["dr"] += p * doubly_robust(steps, *model(index)).value
    assert found == pytest.approx(dict.fromkeys(found, truth))
    assert truth != pytest.approx(value_of(BEHAVIOUR, gamma), rel=0.05)


def test_all_estimators_are_consistent():
    steps, index = population(gamma=0.8)
    q, v = model(index)
    for name, estimate in all_of(steps, q, v, index[0]).items():
        assert estimate.value == pytest.approx(value_of(TARGET, 0.8)), name
    # Where the weights are right the model may be wrong, and where the model is right, the labels.
    blind = np.zeros(len(q), np.int64)
    assert abs(marginalised(steps, blind).value - value_of(TARGET, 0.8)) > 0.05


def test_an_exact_model_mends_wrong_labels_and_leaves_little_variance():
    steps, index = population(gamma=0.8)
    worth = [np.zeros(2)]
    for t in reversed(range(HORIZON)):
        to_one, goes_on = TO_ONE, (1.0 - ENDS) * float(t < HORIZON - 1)
        q = REWARD + 0.8 * goes_on * (to_one * worth[0][1] + (1.0 - to_one) * worth[0][0])
        worth.insert(0, (TARGET * q).sum(axis=1))
        worth[0] = np.append(worth[0], q)
    times = np.concatenate([np.arange(length) for length in steps.lengths])
    table = np.array([entry[2:].reshape(2, 2) for entry in worth[:-1]])
    q, v = table[times, index[0], index[1]], np.array([entry[:2] for entry in worth[:-1]])[times, index[0]]
    blind = np.zeros(len(q), np.int64)
    assert double_reinforcement(steps, q, v, blind).value == pytest.approx(value_of(TARGET, 0.8))
    assert doubly_robust(steps, q, v).standard_error < 0.7 * per_decision(steps).standard_error
    features = crossed(np.eye(2)[index[0]], np.eye(2)[index[1]])
    fitted = fitted_values(steps, features, crossed(np.eye(2)[index[0]], TARGET[index[0]]))
    assert np.abs(fitted[0] - q).max() < 0.2
    assert np.abs(fitted[1] - v).max() < 0.2


def test_the_same_policy_is_worth_what_it_earned():
    _, index = random_log(50)
    q, v = model(index)
    steps, _ = random_log(50)
    same = LoggedSteps(steps.rewards, steps.lengths, steps.behaviour, steps.behaviour)
    earned = np.add.reduceat(steps.rewards, np.cumsum(steps.lengths) - steps.lengths)
    for name in ("ips", "snips", "pdis", "wpdis", "mis", "nmis"):
        estimate = all_of(same, q, v, index[0])[name]
        assert estimate.value == pytest.approx(earned.mean()), name
        assert estimate.effective_sessions == pytest.approx(50)


def test_normal_intervals_are_those_of_the_bootstrap():
    steps, index = random_log(1500, seed=3)
    q, v = model(index)
    normal = all_of(steps, q, v, index[0], confidence=0.9)
    resampled = all_of(steps, q, v, index[0], confidence=0.9, bootstrap=800, seed=1)
    for name, estimate in normal.items():
        width = estimate.high - estimate.low
        assert width == pytest.approx(2 * 1.6449 * estimate.standard_error, rel=1e-3)
        assert resampled[name].high - resampled[name].low == pytest.approx(width, rel=0.15), name
        assert resampled[name].value == estimate.value


def test_normal_intervals_hold_the_truth_as_often_as_they_say():
    truth, held = value_of(TARGET, 0.9), {}
    for seed in range(300):
        steps, index = random_log(400, seed=seed)
        for name, estimate in all_of(steps, *model(index), index[0]).items():
            held[name] = held.get(name, 0) + (estimate.low <= truth <= estimate.high)
    for name, count in held.items():
        assert 0.90 <= count / 300 <= 0.99, (name, count)


def test_logged_probabilities_that_cannot_be_are_refused():
    rewards, lengths, good = np.ones(4), np.array([2, 2]), np.full(4, 0.5)
    with pytest.raises(ValueError, match=r"not have had probability 0: 2 of 4 rows, 1, 3"):
        LoggedSteps(rewards, lengths, np.array([0.5, 0.0, 0.5, 0.0]), good)
    with pytest.raises(ValueError, match=r"1 of 4 rows, 2"):
        LoggedSteps(rewards, lengths, np.array([0.5, 0.5, np.nan, 0.5]), good)
    with pytest.raises(ValueError, match=r"target probabilities .* 1 of 4 rows, 0"):
        LoggedSteps(rewards, lengths, good, np.array([1.5, 0.5, 0.5, 0.5]))
    with pytest.raises(ValueError, match=r"rewards are not finite"):
        LoggedSteps(np.full(4, np.inf), lengths, good, good)
    with pytest.raises(ValueError, match=r"must be \(5,\)"):
        LoggedSteps(rewards, np.array([2, 3]), good, good)
    for wrong in ([], [0, 4]):
        with pytest.raises(ValueError, match="at least one"):
            LoggedSteps(rewards, np.array(wrong, int), good, good)
    with pytest.raises(ValueError, match="gamma"):
        LoggedSteps(rewards, lengths, good, good, gamma=0.0)
    steps = LoggedSteps(rewards, lengths, good, good)
    with pytest.raises(ValueError, match="q must be"):
        doubly_robust(steps, np.ones(3), np.ones(4))
    with pytest.raises(ValueError, match="states must be whole"):
        marginalised(steps, np.ones(4))
    with pytest.raises(ValueError, match="confidence"):
        per_decision(steps, confidence=95)


def test_what_only_the_target_policy_does_is_named():
    with pytest.raises(ValueError, match=r"25.00% of its probability: row 1 action 0"):
        check_support([[0.5, 0.5], [0.0, 1.0]], [[0.0, 1.0], [0.5, 0.5]])
    check_support([[0.5, 0.5], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]])
    with pytest.raises(ValueError, match="one shape"):
        check_support([[1.0]], [[0.5, 0.5]])


@pytest.mark.filterwarnings("default::telos.baselines.ope_steps.OverlapWarning")
def test_too_little_overlap_is_warned_of():
    generator = np.random.default_rng(0)
    n, horizon = 500, 40
    chosen = generator.random(n * horizon) < 0.5
    steps = LoggedSteps(
        chosen.astype(float), np.full(n, horizon), np.full(n * horizon, 0.5), np.where(chosen, 0.9, 0.1)
    )
    for estimator in (importance_sampling, per_decision, self_normalised):
        with pytest.warns(OverlapWarning, match="worth .* of 500 sessions"):
            estimator(steps)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain, found = (marginalised(steps, np.zeros(n * horizon, int), normalise=on) for on in (False, True))
    assert found.value == pytest.approx(0.9 * horizon, rel=0.02)
    assert plain.standard_error > 10 * found.standard_error
    # Actions that the target policy takes and the logged one does not: weights that do not average 1.
    with pytest.warns(OverlapWarning, match="average 0.5"):
        importance_sampling(LoggedSteps(np.ones(n), np.ones(n, int), np.ones(n), np.full(n, 0.5)))


def test_a_session_is_told_by_models_of_others():
    steps, index = random_log(60)
    features = np.eye(4)[2 * index[0] + index[1]]
    expected = crossed(np.eye(2)[index[0]], TARGET[index[0]])
    q, v = fitted_values(steps, features, expected, folds=3, seed=1)
    changed = steps.rewards.copy()
    changed[: steps.lengths[0]] += 1000.0
    other = LoggedSteps(changed, steps.lengths, steps.behaviour, steps.target, steps.gamma)
    q_other, v_other = fitted_values(other, features, expected, folds=3, seed=1)
    own = slice(0, int(steps.lengths[0]))
    assert np.array_equal(q_other[own], q[own])
    assert np.array_equal(v_other[own], v[own])
    assert np.abs(q_other - q).max() > 10.0
    for wrong in ({"folds": 1}, {"folds": 61}, {"ridge": -1.0}):
        with pytest.raises(ValueError, match="folds must be"):
            fitted_values(steps, features, expected, **wrong)
    with pytest.raises(ValueError, match="features and expected"):
        fitted_values(steps, features[1:], expected)


@pytest.mark.filterwarnings("ignore::telos.baselines.ope_steps.OverlapWarning")
def test_the_direct_method_is_exact_where_the_model_is():
    # A deterministic process: state t, two actions, the reward is a table's.
    table = np.array([[1.0, 3.0], [0.0, 5.0]])
    paths = list(itertools.product((0, 1), repeat=2)) * 5
    actions, times = np.array(paths).ravel(), np.tile([0, 1], len(paths))
    policy = np.array([0.25, 0.75])
    steps = LoggedSteps(table[times, actions], np.full(len(paths), 2), np.full(len(actions), 0.5), policy[actions])
    features = np.eye(2)[actions]
    q, v = fitted_values(steps, features, np.tile(policy, (len(actions), 1)), ridge=0.0)
    assert v[times == 1] == pytest.approx(3.75)
    assert v[times == 0] == pytest.approx(2.5 + 3.75)
    assert q[times == 0] == pytest.approx(table[0][actions[times == 0]] + 3.75)
    assert doubly_robust(steps, q, v).standard_error == pytest.approx(0.0, abs=1e-12)


def test_labels_of_states():
    times = np.array([0, 1, 0, 1, 0, 1, 0, 1])
    column = np.array([1.0, 10.0, 2.0, 20.0, 3.0, 30.0, 4.0, 40.0])
    labels = binned([column], 2, times)
    assert labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    both = binned([column, np.tile([0.0, 1.0], 4)], (2, 3), times)
    assert len(set(zip(both.tolist(), times.tolist(), strict=True))) == 4
    assert len(set(binned([np.ones(8)], 4, times).tolist())) == 1
    with pytest.raises(ValueError, match="at least 1 bin"):
        binned([column], (2, 2), times)
