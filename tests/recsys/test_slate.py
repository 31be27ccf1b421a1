"""Slates: rules against a plain rendering and closed forms, catalogue, counters, and how far naive policies get."""

from functools import partial

import gymnasium as gym
import numpy as np
import pytest
from plain_slate import PlainSlates
from splits import SIZES, assert_splits_change_nothing

import telos  # noqa: F401 - registers the environments
from telos.envs.recsys.slate import reference
from telos.envs.recsys.slate.family import SlateRec
from telos.envs.recsys.slate.metrics import CatalogueMetrics

SMALL = {"num_items": 60, "num_topics": 5, "slate_size": 4, "user_topics": [2, 3], "boredom_threshold": 3}
PLAIN = {
    "default": ({}, {}),
    "small": (
        {**SMALL, "patience": [4.0, 9.0], "recovery": 0.25, "popularity_exponent": 0.0, "catalogue_seed": 9},
        {"slate_size": 4, "user_topics": (2, 3), "threshold": 3, "patience": (4.0, 9.0), "recovery": 0.25},
    ),
    "bored of all, without influence": (
        {**SMALL, "boredom": "all", "taste_inertia": 1.0, "boredom_steps": 2, "remembered_clicks": 3, "horizon": 30},
        {
            **{"slate_size": 4, "user_topics": (2, 3), "threshold": 3, "bored_of_all": True, "inertia": 1.0},
            **{"steps": 2, "memory": 3, "horizon": 30},
        },
    ),
    "uncertain, one place": (
        {"slate_size": 1, "slope": 10.0, "wanted_clicks": 0.5, "departure_cost": 3.0, "quality_std": 0.2},
        {"slate_size": 1, "slope": 10.0, "wanted": 0.5, "cost": 3.0},
    ),
    "two topics, other places": (
        {"num_topics": 2, "user_topics": [1, 2], "slate_size": 3, "position_discount": 0.5, "offset": 0.8},
        {"user_topics": (1, 2), "slate_size": 3, "discount": 0.5, "offset": 0.8},
    ),
}


def plain_of(env, **arguments):
    catalogue = env.unwrapped.family.catalogue
    return PlainSlates(catalogue.matrix, catalogue.quality, catalogue.popularity, **arguments)


def same_step(number, **arguments):
    return gym.make_vec("SlateRec-v0", num_envs=number, autoreset_mode="SameStep", **arguments)


# -- rules --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", PLAIN)
@pytest.mark.parametrize("knowing", [False, True], ids=["random", "myopic"])
def test_trajectories_equal_those_of_a_plain_rendering(case, knowing):
    """With random slates, and with what users like, so that they are bored, drift and stay."""
    arguments, plain_arguments = PLAIN[case]
    env = gym.make("SlateRec-v0", **arguments)
    plain, envs = plain_of(env, **plain_arguments), env.unwrapped
    env.action_space.seed(2)
    clicks = departures = bored = 0
    for episode in range(4):
        seed = 33 if episode == 0 else None
        assert env.reset(seed=seed)[0] == pytest.approx(plain.reset(seed), rel=1e-6)
        over = False
        while not over:
            slate = env.action_space.sample()
            if knowing and plain.time % 3:  # sometimes at random, so that it is not always the same
                slate = reference.myopic_slates(envs.family, envs.hidden_users())[0]
            observation, reward, over, truncated, info = env.step(slate)
            expected, ended, expected_info = plain.step(slate.tolist())
            assert observation == pytest.approx(expected, rel=1e-5, abs=1e-6)
            terms, expected_terms = info.pop("reward_terms"), expected_info.pop("reward_terms")
            assert terms == expected_terms
            assert reward == sum(terms.values())
            assert info == pytest.approx(expected_info, abs=1e-6)
            assert (over, truncated) == (ended, False)
            users = envs.hidden_users()
            assert users.taste[0] == pytest.approx(plain.taste, abs=1e-5)
            assert users.boredom[0].tolist() == plain.bored.tolist()
            assert users.patience[0] == pytest.approx(plain.patience, abs=1e-4)
            clicks, departures = clicks + terms["clicks"], departures + (terms["departure"] < 0)
            bored += (plain.bored > 0).any()
    assert clicks > 10
    if knowing and arguments.get("slate_size", 10) > 1:
        assert bored > 5
    elif case == "default":
        assert departures == 4


@pytest.mark.parametrize("sizes", SIZES)
def test_users_do_not_depend_on_how_a_batch_is_split(sizes):
    slates = np.random.default_rng(0).integers(60, size=(100, 60, 4))
    assert_splits_change_nothing(partial(same_step, **SMALL), slates, sizes)


def test_moments_of_users():
    number = 20_000
    users = reference.new_users(SlateRec(popularity_exponent=1.0), number)
    liked = users.taste > 0
    assert np.allclose((users.taste**2).sum(axis=1), 1, atol=1e-6)
    topics, counts = np.unique(liked.sum(axis=1), return_counts=True)
    assert topics.tolist() == [3, 4, 5]
    assert np.abs(counts / number - 1 / 3).max() < 5 * np.sqrt(2 / 9 / number)
    assert users.patience.min() >= 10
    assert users.patience.max() < 30
    assert users.patience.mean() == pytest.approx(20, abs=5 * np.sqrt(400 / 12 / number))
    assert not users.boredom.any()
    # One topic only: the first of the race has it with its popularity, 1 / r.
    single = reference.new_users(SlateRec(user_topics=[1, 1]), number).taste
    share, expected = (single > 0).mean(axis=0), 1 / np.arange(1, 11) / (1 / np.arange(1, 11)).sum()
    assert np.abs(share - expected).max() < 5 * np.sqrt(0.25 / number)
    # Two: the second is drawn from those that are left.
    pair = (reference.new_users(SlateRec(user_topics=[2, 2]), number).taste > 0).mean(axis=0)
    rest = expected * (expected / (1 - expected)).sum() - expected**2 / (1 - expected)
    assert pair == pytest.approx(expected + rest, abs=5 * np.sqrt(0.25 / number))


def test_clicks_have_their_closed_form_at_each_place():
    """The same slate for 20,000 new users: looks fall by place, one item counts once, and places are independent."""
    number = 20_000
    envs = same_step(number, num_topics=2, user_topics=[2, 2], slope=10.0, quality_std=0.3, slate_size=6)
    envs.reset(seed=3)
    users, slate = envs.unwrapped.hidden_users(), np.array([5, 9, 2, 5, 7, 1])
    chance = reference.click_probabilities(envs.unwrapped.family, users)[:, slate] * 0.85 ** np.arange(6)
    chance[:, 3] = 0  # item 5 once more
    clicked = envs.step(np.tile(slate, (number, 1)))[0][:, :6]
    assert clicked.mean(axis=0) == pytest.approx(chance.mean(axis=0), abs=5 * np.sqrt(0.25 / number))
    residual = (clicked - chance)[:, [0, 1, 2, 4, 5]]
    correlation = np.corrcoef(residual.T) - np.eye(5)
    assert np.abs(correlation).max() < 5 / np.sqrt(number)


def test_boredom_and_patience_by_hand():
    """Everything is clicked: five clicks on one topic bore the user for five steps, in which patience ends."""
    arguments = {"num_topics": 2, "user_topics": [1, 1], "slate_size": 5, "position_discount": 1.0, "offset": -5.0}
    arguments |= {"patience": [3.0, 3.0], "wanted_clicks": 2.0, "boredom": "all"}
    env = gym.make("SlateRec-v0", **arguments)
    env.reset(seed=0)
    one_topic = np.flatnonzero(env.unwrapped.item_topics.argmax(axis=1) == 0)[:5]
    observation, reward, *_ = env.step(one_topic)
    assert reward == 5
    assert observation[:6].tolist() == [1, 1, 1, 1, 1, 1]  # five places, and the topic's recent clicks
    assert env.unwrapped.hidden_users().boredom.tolist() == [[5, 0]]
    # An offset that even bored users exceed shows that boredom is about the match: they still click here.
    assert env.step(one_topic)[1] == 5
    env = gym.make("SlateRec-v0", **arguments | {"offset": 0.0, "quality_std": 0.0, "slope": 1e6})
    env.reset(seed=0)
    liked = int(env.unwrapped.hidden_users().taste.argmax())
    slate = np.flatnonzero(env.unwrapped.item_topics[:, liked] > 0)[:5]
    main = env.unwrapped.item_topics[slate].argmax(axis=1)
    slate = slate[main == main[0]][:1].repeat(5)  # the same item five times is one item
    assert env.step(slate)[1] == 1
    assert env.unwrapped.hidden_users().patience.tolist() == [2.0]


def test_influence_moves_each_topic_on_its_own():
    """SARDINE adds one number to all topics; here the taste moves towards what was clicked, and nowhere else."""
    env = gym.make("SlateRec-v0", slate_size=1, wanted_clicks=1.0, offset=-5.0, taste_inertia=0.5)
    env.reset(seed=4)
    before, item = env.unwrapped.hidden_users().taste[0], env.unwrapped.item_topics[17]
    env.step([17])
    after = env.unwrapped.hidden_users().taste[0]
    expected = (before + item) / np.linalg.norm(before + item)
    assert after == pytest.approx(expected, abs=1e-6)
    assert (after[(before == 0) & (item == 0)] == 0).all()


def test_a_million_users_fit():
    family = SlateRec()
    state = family.new_state(1000)
    bytes_of_user = sum(values.nbytes for values in state) / 1000 + family.observation_space.shape[0] * 4
    assert bytes_of_user < 500  # of 4,000


# -- actions ------------------------------------------------------------------------------------------------


def test_duplicates_are_blank_places_or_errors():
    blank, strict = (gym.make("SlateRec-v0", offset=-5.0, duplicates=kind) for kind in ("blank", "error"))
    blank.reset(seed=1)
    strict.reset(seed=1)
    observation, reward, *_ = blank.step([3] * 10)
    assert reward == 1
    assert observation[:10].tolist() == [1] + [0] * 9
    assert observation[30:40].max() == 1  # all looks went to one topic
    with pytest.raises(ValueError, match=r"environment 0 has item 4 more than once.*duplicates='blank'"):
        strict.step([0, 1, 2, 3, 4, 5, 6, 7, 4, 9])
    strict.step(np.arange(10))
    envs = gym.make_vec("SlateRec-v0", num_envs=3, duplicates="error")
    envs.reset(seed=0)
    slates = np.tile(np.arange(10), (3, 1))
    slates[2, 7] = 1
    with pytest.raises(ValueError, match="environment 2 has item 1"):
        envs.step(slates)
    slates[1, 0] = 1000
    with pytest.raises(ValueError, match="environment 1 is not in MultiDiscrete"):
        envs.step(slates)
    with pytest.raises(ValueError, match="shape"):
        envs.step(slates[:, :9])


# -- catalogue, and what is hidden --------------------------------------------------------------------------


def test_the_catalogue_has_a_seed_of_its_own():
    def made(**arguments):
        env = gym.make("SlateRec-v0", **arguments)
        env.reset(seed=arguments.get("catalogue_seed", 0) + 1)
        return env.unwrapped

    env = made()
    assert np.array_equal(env.item_topics, made().item_topics)
    assert np.array_equal(env.item_quality, made().item_quality)
    assert not np.array_equal(env.item_topics, made(catalogue_seed=1).item_topics)
    assert env.item_topics.shape == (1000, 10)
    assert np.linalg.norm(env.item_topics, axis=1) == pytest.approx(1, abs=1e-6)
    assert set((env.item_topics > 0).sum(axis=1)) == {2, 3}
    assert (env.item_topics.argmax(axis=1) == env.family.catalogue.topics[:, 0]).all()
    assert env.item_quality.mean() == pytest.approx(0, abs=5 * 0.05 / np.sqrt(1000))
    assert env.item_quality.std() == pytest.approx(0.05, rel=0.15)
    assert env.examination == pytest.approx(0.85 ** np.arange(10))
    env.item_topics[:] = 0
    assert env.item_topics.any()


def test_new_items_hide_their_quality_and_have_one():
    known, new = (gym.make("SlateRec-v0", new_items=share, quality_std=1.0).unwrapped for share in (0.0, 0.25))
    hidden = np.isnan(new.item_quality)
    assert hidden.sum() == 250
    assert not np.isnan(known.item_quality).any()
    assert np.array_equal(new.item_quality[~hidden], known.item_quality[~hidden])
    # Nothing but that differs: shown items are clicked as if their quality were known.
    for env in (known, new):
        env.reset(seed=1)
    slate = np.flatnonzero(hidden)[:10]
    assert np.array_equal(known.step(slate)[0], new.step(slate)[0])


def test_hidden_users_are_copies_and_not_observed():
    env = gym.make("SlateRec-v0")
    shown = [env.reset(seed=seed)[0] for seed in (1, 2)]
    assert not np.any(shown)  # no user has a history, so all look alike
    users = env.unwrapped.hidden_users()
    users.taste[:] = 9.0
    assert env.unwrapped.hidden_users().taste.max() <= 1
    assert set(env.step(np.arange(10))[4]) == {"reward_terms", *SlateRec.metrics}


# -- counters -----------------------------------------------------------------------------------------------


def test_coverage_and_gini_by_hand():
    counter = CatalogueMetrics(4)
    assert (counter.coverage, counter.gini) == (0, 0)
    counter.update(np.array([0, 1]))
    counter.update(np.array([[0, 1], [0, 1]]))
    assert counter.exposure.tolist() == [3, 3, 0, 0]
    assert (counter.coverage, counter.gini) == (0.5, 0.5)
    counter.update([[2, 3]] * 3)
    assert (counter.coverage, counter.gini) == (1, pytest.approx(0))
    weighted = CatalogueMetrics(3, np.array([1.0, 0.5, 0.0]))
    weighted.update([0, 1, 2])
    assert weighted.exposure.tolist() == [1, 0.5, 0]
    assert weighted.coverage == pytest.approx(2 / 3)
    # The mean absolute difference of all pairs, halved, by the mean.
    values = weighted.exposure
    differences = np.abs(values[:, None] - values).mean()
    assert weighted.gini == pytest.approx(differences / (2 * values.mean()))


def test_counters_eat_the_actions_of_a_vector_environment_in_any_portions():
    envs = gym.make_vec("SlateRec-v0", num_envs=50, autoreset_mode="SameStep")
    envs.action_space.seed(0)
    envs.reset(seed=0)
    whole, parts = (CatalogueMetrics(1000, envs.unwrapped.examination) for _ in range(2))
    torch = pytest.importorskip("torch")
    for _ in range(5):
        slates = envs.action_space.sample()
        envs.step(slates)
        whole.update(slates)
        parts.update(slates[:7])
        parts.update(torch.as_tensor(slates[7:]))
        parts.update(slates[:0])
    assert parts.exposure == pytest.approx(whole.exposure)
    assert whole.exposure.sum() == pytest.approx(5 * 50 * envs.unwrapped.examination.sum())
    assert whole.coverage == pytest.approx(1 - (1 - 1 / 1000) ** 2500, abs=0.05)


@pytest.mark.parametrize(
    ("slates", "message"),
    [([[0, 4]], "below num_items=4, got 0 to 4"), ([-1, 0], "got -1 to 0"), ([[0, 1, 2]], r"shape \(\.\.\., 2\)")],
)
def test_counters_tell_of_bad_slates(slates, message):
    with pytest.raises(ValueError, match=message):
        CatalogueMetrics(4, np.ones(2)).update(slates)


def test_counters_tell_of_bad_arguments():
    with pytest.raises(ValueError, match="num_items must be at least 1"):
        CatalogueMetrics(0)
    with pytest.raises(ValueError, match="none negative"):
        CatalogueMetrics(3, np.array([1.0, -1.0]))


# -- references ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def returns():
    """Mean returns of policies, 200 users each."""
    envs = same_step(200)
    family, hidden, rng = envs.unwrapped.family, envs.unwrapped.hidden_users, np.random.default_rng(0)

    def always(slate):
        return lambda observations: np.tile(slate, (200, 1))

    def ties_at_random(chances):
        return np.argsort(-np.minimum(chances, 0.99) - 1e-9 * rng.random(chances.shape), axis=1)[:, :10]

    policies = {
        "random": lambda observations: rng.integers(1000, size=(200, 10)),
        "popular": always(reference.popular_slate(family, 1000)),
        "constant": always(reference.constant_slate(family, 300)),
        "myopic": lambda observations: reference.myopic_slates(family, hidden()),
        "myopic, ties at random": lambda observations: ties_at_random(reference.click_probabilities(family, hidden())),
        "observed": lambda observations: reference.observed_slates(family, observations),
        "paced": lambda observations: reference.paced_slates(family, hidden()),
    }
    played = {name: reference.play(envs, policy, seed=0) for name, policy in policies.items()}
    assert all((values.clicks.sum(axis=0) >= values.rewards.sum(axis=0)).all() for values in played.values())
    return {name: values.rewards.sum(axis=0).mean() for name, values in played.items()} | {
        "bound": reference.return_bound(family)
    }


def test_naive_policies_stay_far_from_the_best_known(returns):
    """The exploit gate, on the scale from random slates, 0, to the best policy that we know, 1."""
    score = {
        name: (value - returns["random"]) / (returns["paced"] - returns["random"]) for name, value in returns.items()
    }
    assert score["popular"] < 0.1
    assert score["constant"] < 0.15
    assert score["myopic"] < 0.2
    assert score["myopic, ties at random"] < 0.22
    assert score["bound"] < 1.25


def test_what_is_observed_is_worth_much(returns):
    """A policy that sees only observations earns more than one that knows tastes and is greedy, and than blind ones."""
    blind = max(returns[name] for name in ("random", "popular", "constant"))
    assert returns["observed"] > returns["random"] + 0.35 * (returns["paced"] - returns["random"])
    assert returns["observed"] > 2.5 * max(blind, returns["myopic"])


def test_slates_of_references_are_the_best_by_hand():
    """Greedy choice, and pacing: no topic gets more than its room, and what is left is filled with the least liked."""
    family = SlateRec(**SMALL)
    users = reference.new_users(family, 50)
    chances, slates = reference.click_probabilities(family, users), reference.myopic_slates(family, users)
    assert np.array_equal(np.take_along_axis(chances, slates, 1), -np.sort(-chances, axis=1)[:, :4])
    full = users._replace(recent=np.full_like(users.recent, 9))
    paced = np.take_along_axis(chances, reference.paced_slates(family, full), 1)
    assert paced == pytest.approx(np.sort(chances, axis=1)[:, :4], abs=1e-12)
    bored = users._replace(boredom=np.ones_like(users.boredom))
    nothing = 1 / (1 + np.exp(-100.0 * (family.catalogue.quality - 0.65)))
    assert reference.click_probabilities(family, bored) == pytest.approx(np.tile(nothing, (50, 1)))


# -- arguments ----------------------------------------------------------------------------------------------


def test_a_picture():
    env = gym.make("SlateRec-v0", render_mode="ansi", patience=[7.0, 7.0])
    env.reset(seed=0)
    assert env.render() == "t=0  clicks ..........  (hidden: patience 7.0, bored of topics [])"
    slate = reference.myopic_slates(env.unwrapped.family, env.unwrapped.hidden_users())[0]
    env.step(slate)
    assert "x" in env.render()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_topics": 1}, "num_topics must be at least 2 and at most 127, got 1"),
        ({"num_items": 0}, "num_items must be at least 1"),
        ({"num_items": 5}, "slate_size must be at least 1 and at most 5, got 10"),
        ({"horizon": 40_000}, "horizon must be at least 1 and at most 32767"),
        ({"catalogue_seed": -1}, "catalogue_seed must be at least 0"),
        ({"new_items": 1.5}, "new_items must be at least 0 and at most 1"),
        ({"slope": float("nan")}, "slope must be at least 0"),
        ({"boredom_threshold": 0}, "boredom_threshold must be at least 1"),
        ({"wanted_clicks": 11}, "wanted_clicks must be at least 0 and at most 10"),
        ({"user_topics": [3, 11]}, "user_topics must be two numbers, .* at most 10"),
        ({"user_topics": [0, 2]}, "user_topics must be two numbers"),
        ({"patience": [5.0, 2.0]}, "patience must be two numbers, the smaller first, above 0"),
        ({"patience": [0.0, 2.0]}, "patience must be two numbers"),
        ({"boredom": "user"}, "boredom='user' is unknown: choose 'topic' or 'all'"),
        ({"duplicates": "drop"}, "duplicates='drop' is unknown: choose 'blank' or 'error'"),
    ],
)
def test_bad_arguments_are_told(arguments, message):
    with pytest.raises(ValueError, match=message):
        gym.make("SlateRec-v0", **arguments)
