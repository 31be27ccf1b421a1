"""Fitted users: rules against a plain rendering and closed forms, and how far naive policies get."""

from functools import partial

import gymnasium as gym
import numpy as np
import pytest
from plain_logged import PlainUser, probability
from splits import SIZES, assert_splits_change_nothing

import telos  # noqa: F401 - registers the environments
from telos.envs.recsys.logged.example import example_root
from telos.envs.recsys.logged.params import factors_of
from telos.envs.recsys.logged.reference import expected_feedback, informed_items, leave_chances

WEIGHTS = {"long_view": 0.5, "hate": -2.0, "return_day": -0.25}
CASES = {"item": {}, "slate": {"slate": 4, "days": 3}, "weights": {"slate": 2, "weights": WEIGHTS}}


def make(**arguments):
    return gym.make("LoggedRec-v0", data_root=example_root(), **arguments)


def make_vec(number, **arguments):
    return gym.make_vec("LoggedRec-v0", num_envs=number, data_root=example_root(), **arguments)


def fit():
    return make().unwrapped.family.fit


# -- rules --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_trajectories_equal_those_of_a_plain_rendering(case):
    env, plain = make(**CASES[case]), PlainUser(fit(), **CASES[case])
    # Items that are watched for long, so that some sessions are longer than the window.
    of_log = env.unwrapped.item_counts
    liked, rng = np.argsort(-of_log[:, 2] / of_log[:, 0])[:15], np.random.default_rng(2)
    leaves = longest = 0
    for episode in range(8):
        seed = 33 if episode == 0 else None
        assert env.reset(seed=seed)[0] == pytest.approx(plain.reset(seed), abs=1e-6)
        over = False
        while not over:
            action = rng.choice(liked, size=env.action_space.shape)
            observation, reward, over, truncated, info = env.step(action)
            expected, terms, ended, further = plain.step(np.atleast_1d(action).tolist())
            assert observation == pytest.approx(expected, abs=1e-6)
            assert info == {"reward_terms": terms, **further}
            assert reward == sum(terms.values())
            assert (over, truncated) == (ended, False)
            leaves += info["left"]
            longest = max(longest, len(plain.session))
    assert leaves > 6
    assert longest > plain.window


@pytest.mark.parametrize("sizes", SIZES)
def test_users_do_not_depend_on_how_a_batch_is_split(sizes):
    items = np.random.default_rng(0).integers(40, size=(100, 60))
    assert_splits_change_nothing(partial(make_vec, days=2, autoreset_mode="SameStep"), items, sizes)


def test_moments_have_their_closed_forms():
    """Signals, leaving and returns of the same first item, over many users."""
    number, item = 40_000, 7
    envs = make_vec(number, autoreset_mode="Disabled")
    envs.reset(seed=0)
    model, users = fit().model, envs.unwrapped.hidden_users().user
    assert np.abs(np.bincount(users) / number * len(model.users) - 1).max() < 5 * np.sqrt(len(model.users) / number)
    left_part, right = model.users[users].astype(float), model.items[item].astype(float)
    d = factors_of(model)
    odds = model.base + left_part[:, d:] + right[d:] + (left_part[:, :d] * right[:d]) @ model.factor_weights
    chances = 1 / (1 + np.exp(-odds))
    *_, infos = envs.step(np.full(number, item))
    state = envs.unwrapped.clone_state().state
    given = state.feedback[:, 0].astype(float)
    error = 5 * np.sqrt((chances * (1 - chances)).mean(axis=0) / number)
    assert (np.abs(given.mean(axis=0) - chances.mean(axis=0)) < error).all()
    leave = model.leave_base[0] + model.leave_users[users] + given @ model.leave_coefs[:-1]
    leave = 1 / (1 + np.exp(-leave))
    left = infos["left"] == 1
    assert left.mean() == pytest.approx(leave.mean(), abs=5 * np.sqrt((leave * (1 - leave)).mean() / number))
    hazards = model.return_base + model.return_users[users[left], None] + (given[left] @ model.return_coefs)[:, None]
    away = np.cumprod(1 - 1 / (1 + np.exp(-hazards)), axis=1)
    for day in range(len(model.return_base)):
        still = (infos["return_day"][left] > day).mean()
        expected = away[:, day].mean()
        assert still == pytest.approx(expected, abs=5 * np.sqrt(expected * (1 - expected) / left.sum()) + 1e-9)


def test_a_repeated_item_gets_nothing_and_the_rest_of_a_slate_is_not_shown():
    envs = make_vec(2_000, slate=3, autoreset_mode="Disabled")
    envs.reset(seed=1)
    *_, infos = envs.step(np.full((2_000, 3), 5))
    feedback = envs.unwrapped.clone_state().state.feedback
    assert feedback[:, 0].any()
    assert not feedback[:, 1:].any()
    assert set(infos["shown"][infos["left"] == 0]) == {3.0}
    assert {1.0, 2.0} < set(infos["shown"])


# -- references ---------------------------------------------------------------------------------------------


def test_what_is_expected_is_what_the_plain_rendering_expects():
    env, plain = make(), PlainUser(fit())
    env.reset(seed=4)
    plain.reset(4)
    for item in (3, 8, 3, 20):
        env.step(item)
        plain.step([item])
    family, users = env.unwrapped.family, env.unwrapped.hidden_users()
    assert users.user[0] == plain.user
    chances = expected_feedback(family, users)
    for item in range(family.num_items):
        assert chances[0, item] == pytest.approx(plain.chances(item)[0], rel=1e-6)
    model, leave = family.fit.model, leave_chances(family, users, chances)[0]
    bucket = min(int(np.log2(len(plain.session) + 1)), 7)
    odds = model.leave_base[bucket] + model.leave_users[plain.user] + chances[0, 9] @ model.leave_coefs[:-1]
    assert leave[9] == pytest.approx(probability(odds + model.leave_coefs[-1] * plain.chances(9)[1]), rel=1e-6)


def returns(choose, number=400):
    """Mean return, and its standard error, of a policy over the same users."""
    envs = make_vec(number, autoreset_mode="Disabled")
    observation, _ = envs.reset(seed=0)
    total, playing, rng = np.zeros(number), np.ones(number, bool), np.random.default_rng(1)
    for t in range(2_000):
        observation, reward, over, *_ = envs.step(choose(envs.unwrapped, observation, rng, t))
        total += np.where(playing, reward, 0.0)
        playing &= ~over
        if not playing.any():
            break
        if over.any():
            observation, _ = envs.reset(options={"reset_mask": over})
    assert not playing.any()
    return total.mean(), total.std() / np.sqrt(number)


def in_turn(items, number, t):
    return items[(t + np.arange(number)) % len(items)]


def test_naive_policies_stay_far_from_one_that_knows_the_users():
    """Constant, most popular, most clicked, random, and myopic with full knowledge: clicks now end sessions early.

    The reference knows the fitted users, looks one step ahead, and counts an end of the session as a loss of 12 clicks.
    """

    def counts(env):
        return env.item_counts[:, :2].astype(float).T

    def best(score, window):
        return np.argsort(-score)[: window + 1]

    def observing(env, observation, rng, t):
        """Without anything hidden: items that the log watched for long, of categories that the user clicks, in turn."""
        of_log = env.item_counts.astype(float)
        profile = observation[:, : len(env.family.fit.categories)]
        score = profile[:, env.item_categories] + of_log[:, 2] / of_log[:, 0]
        rows = np.arange(len(observation))
        return np.argsort(-score, axis=1)[rows, (t + rows) % 11]

    naive = {
        "constant": lambda env, observation, rng, t: np.full(len(observation), int(counts(env)[1].argmax())),
        "random": lambda env, observation, rng, t: rng.integers(40, size=len(observation)),
        "most popular": lambda env, observation, rng, t: in_turn(best(counts(env)[1], 10), len(observation), t),
        "most clicked": lambda env, observation, rng, t: in_turn(
            best(counts(env)[1] / counts(env)[0], 10), len(observation), t
        ),
        "myopic": lambda env, observation, rng, t: informed_items(env.family, env.hidden_users(), 0.0),
    }
    reference, error = returns(lambda env, observation, rng, t: informed_items(env.family, env.hidden_users(), 12.0))
    found = {name: returns(choose)[0] for name, choose in naive.items()}
    assert max(found.values()) < 0.6 * (reference - 3 * error), (found, reference)
    blind = max(value for name, value in found.items() if name != "myopic")
    assert returns(observing)[0] > 1.4 * blind, (found, reference)


# -- arguments ----------------------------------------------------------------------------------------------


def test_fewer_items_are_the_most_shown():
    env = make(num_items=12)
    assert env.action_space.n == 12
    shown = make().unwrapped.item_counts[:, 0]
    assert (np.diff(shown) <= 0).all()
    assert np.array_equal(env.unwrapped.item_counts[:, 0], shown[:12])
    assert env.unwrapped.item_categories.shape == (12,)


def test_hidden_users_are_copies():
    env = make()
    env.reset(seed=1)
    users = env.unwrapped.hidden_users()
    first = users.user.copy()
    users.user[:] = 99
    assert np.array_equal(env.unwrapped.hidden_users().user, first)


def test_a_picture():
    env = make(render_mode="ansi")
    env.reset(seed=0)
    assert env.render() == "day 0  item 0 of the session  feedback: none"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"slate": 0}, "slate must be from 1"),
        ({"days": 0}, "days must be from 1"),
        ({"num_items": 41}, "num_items must be from 1 to 40"),
        ({"weights": {"clicks": 1.0}}, "no term 'clicks'; did you mean 'click'"),
        ({"weights": {"click": float("inf")}}, "weight of click must be finite"),
    ],
)
def test_bad_arguments_are_told(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)
