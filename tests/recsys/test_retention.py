"""Retention: rules against a plain rendering and closed forms, references against search and played figures."""

import itertools

import gymnasium as gym
import numpy as np
import pytest
from plain_retention import PlainUser
from splits import SIZES, assert_splits_change_nothing

import telos  # noqa: F401 - registers the environments
from telos.envs.recsys.retention import optimum, references
from telos.envs.recsys.retention.family import RetentionRec

PLAIN = {
    "defaults": {},
    "other sizes": {"slate_size": 3, "taste": (3, 2, 1), "clickbait_levels": 2, "requests": 2, "horizon": 12},
    "weights": {"click_weight": 0.25, "retention_weight": 3.0, "recent_discount": 0.5, "satisfaction_levels": 7},
    "own users": {
        **{"aversion": (0.0, 0.2), "memory": 0.5, "initial_satisfaction": 0.93, "satisfaction_effect": 0.8},
        **{"continue_probability": (0.0, 1.0), "return_probability": (0.3, 0.3), "churn_probability": (0.5, 0.0)},
        **{"base_rates": (0.3, 0.1, 0.02), "clickbait_effect": (0.1, -0.2, 0.0), "taste": (1.5, 1.0)},
    },
}


def make_users(num_envs, **arguments):
    """Users whose episodes end for good, so that steps after the end are not counted."""
    return gym.make_vec("RetentionRec-v0", num_envs=num_envs, autoreset_mode="SameStep", **arguments)


def play(envs, policy, seed=0):
    """Clicks and returns ``(n, 2)`` of one episode of each user; ``policy(observations)`` gives slates."""
    observations, _ = envs.reset(seed=seed)
    over = np.zeros(envs.num_envs, bool)
    points = np.zeros((envs.num_envs, 2))
    while not over.all():
        observations, _, ended, _, infos = envs.step(policy(observations))
        last = infos.get("final_info", {}).get("reward_terms", {})
        for k, name in enumerate(("click", "retention")):
            points[:, k] += np.where(over, 0.0, infos["reward_terms"][name] + last.get(name, 0.0))
        over |= ended
    return points


def close(points, expected, errors=4.5):
    """Whether means over users are what they should be, within the sampling error."""
    error = points.std(axis=0) / np.sqrt(len(points))
    return (np.abs(points.mean(axis=0) - expected) < errors * error).all()


# -- rules --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", PLAIN)
def test_trajectories_equal_those_of_a_plain_rendering(case):
    env, plain = gym.make("RetentionRec-v0", **PLAIN[case]), PlainUser(**PLAIN[case])
    env.action_space.seed(2)
    for episode in range(12):
        seed = 33 if episode == 0 else None
        assert env.reset(seed=seed)[0] == pytest.approx(plain.reset(seed), rel=1e-5)
        over = False
        while not over:
            slate = env.action_space.sample()
            observation, reward, over, truncated, info = env.step(slate)
            expected, terms, ended = plain.step(slate.tolist())
            assert observation == pytest.approx(expected, rel=1e-5, abs=1e-7)
            assert observation in env.observation_space
            assert info == {"reward_terms": pytest.approx(terms)}
            assert reward == sum(info["reward_terms"].values())
            assert (over, truncated) == (ended, False)
            truth = env.unwrapped.hidden_users()
            assert (truth.rank[0].tolist(), truth.satisfaction[0]) == (plain.order, plain.level)
            assert truth.aversion[0] == pytest.approx(plain.dislike)
            assert env.unwrapped.return_hazard()[0] == pytest.approx(plain.at(plain.return_probability))


@pytest.mark.parametrize("sizes", SIZES)
def test_users_do_not_depend_on_how_a_batch_is_split(sizes):
    slates = np.random.default_rng(0).integers(15, size=(100, 60, 5))
    assert_splits_change_nothing(make_users, slates, sizes)


def test_base_rates_are_what_they_are_said_to_be():
    """KuaiSim's own rates are all above a half: here each signal has its rate on random items for new users."""
    number, rates = 60_000, np.array([0.2, 0.04, 0.006])
    envs = make_users(number, continue_probability=(1.0, 1.0))
    envs.reset(seed=0)
    feedback = envs.step(np.random.default_rng(0).integers(15, size=(number, 5)))[0][:, 4:7]
    # Users differ in taste, so that the slots of one are not independent: the error is that of their means.
    error = feedback.std(axis=0) / np.sqrt(number)
    assert (np.abs(feedback.mean(axis=0) - rates) < 4.5 * error).all()
    assert (error < 0.01 * rates + 1e-4).all()


def test_feedback_on_one_kind_of_item_has_its_closed_form():
    number = 40_000
    envs = make_users(number, continue_probability=(1.0, 1.0))
    envs.reset(seed=3)
    rank = envs.unwrapped.hidden_users().rank[:, 2]
    expected = np.array([0.2, 0.04, 0.006]) * (1 + np.array([0.75, -0.2, -0.5]))
    feedback = envs.step(np.full((number, 5), 2 * 3 + 2))[0][:, 4:7]
    for place, liking in enumerate((2.4, 1.2, 0.7, 0.4, 0.3)):
        some = feedback[rank == place]
        error = np.sqrt(expected * liking * (1 - expected * liking) / (5 * len(some)))
        assert (np.abs(some.mean(axis=0) - expected * liking) < 4.5 * error).all()
        # A user who has views or likes has clicks.
        assert (some[:, 1:] <= some[:, :1]).all()


def test_users_are_drawn_as_documented():
    number = 24_000
    envs = make_users(number, initial_satisfaction=0.33, satisfaction_levels=10, satisfaction_effect=0.0)
    envs.reset(seed=1)
    users = envs.unwrapped.hidden_users()
    orders, counts = np.unique(users.rank, axis=0, return_counts=True)
    assert len(orders) == 120
    assert np.abs(counts - 200).max() < 5 * np.sqrt(200)
    assert users.aversion.mean() == pytest.approx(0.75, abs=5 * 0.5 / np.sqrt(12 * number))
    assert users.aversion.var() == pytest.approx(0.25 / 12, rel=0.03)
    assert set(users.satisfaction) == {3, 4}
    assert users.satisfaction.mean() == pytest.approx(3.3, abs=5 * np.sqrt(0.21 / number))


def test_gaps_are_geometric_with_the_hazard_and_users_leave_one_by_one():
    number, hazard, churn = 40_000, 0.3, 0.1
    envs = make_users(
        number, return_probability=(hazard, hazard), churn_probability=(churn, churn), requests=1, horizon=15
    )
    envs.reset(seed=0)
    observations, _, ended, _, infos = envs.step(np.zeros((number, 5), int))
    day = np.where(ended, 15, np.round(observations[:, 0] * 15))
    days = np.arange(1, 16)
    chances = (1 - churn) * hazard * (1 - hazard) ** (days - 1)
    chances[-1] = 1 - chances[:-1].sum()
    counts = np.array([(day == d).sum() for d in days])
    assert (np.abs(counts / number - chances) < 4.5 * np.sqrt(chances / number)).all()
    assert infos["final_info"]["reward_terms"]["retention"].max() == 0
    assert infos["reward_terms"]["retention"].sum() == number - ended.sum()
    # Who left for good and who did not come back look alike, and not all end in the same step.
    last = np.unique(infos["final_obs"][ended][:, :2], axis=0)
    assert last == pytest.approx(np.ones((1, 2)))
    lengths = [play_length(seed) for seed in range(12)]
    assert len(set(lengths)) > 3


def play_length(seed):
    env = gym.make("RetentionRec-v0")
    env.reset(seed=seed)
    return next(k for k in itertools.count(1) if env.step(np.zeros(5, int))[2])


def test_sessions_have_their_expected_length():
    number, goes_on = 30_000, 0.6
    envs = make_users(number, continue_probability=(goes_on, goes_on), return_probability=(0.0, 0.0), requests=4)
    envs.reset(seed=0)
    open_still, lengths = np.ones(number, bool), np.zeros(number)
    for _ in range(4):
        lengths += open_still
        open_still &= ~envs.step(np.zeros((number, 5), int))[2]
    assert not open_still.any()  # nobody comes back
    chances = np.array([0.4, 0.24, 0.144, 0.216])
    counts = np.bincount(lengths.astype(int))[1:] / number
    assert (np.abs(counts - chances) < 4.5 * np.sqrt(chances / number)).all()


def test_rounding_has_no_bias():
    number = 40_000
    envs = make_users(number, satisfaction_levels=10, aversion=(0.7, 0.7), continue_probability=(1.0, 1.0))
    envs.reset(seed=0)
    before = envs.unwrapped.hidden_users()
    envs.step(np.full((number, 5), 1))
    after = envs.unwrapped.hidden_users().satisfaction
    content = (np.array([2.4, 1.2, 0.7, 0.4, 0.3]) / 2.4)[before.rank[:, 0]] * (1 - 0.7 * 0.25)
    moved = after - (0.9 * before.satisfaction + 0.1 * 10 * content)
    assert np.abs(moved).max() < 1
    assert moved.mean() == pytest.approx(0, abs=4.5 * moved.std() / np.sqrt(number))


# -- causes of retention ------------------------------------------------------------------------------------


def favourite(users, level):
    """Slates of the favourite topic."""
    return np.repeat(users.rank.argmin(axis=1)[:, None], 5, axis=1) * 3 + level


def test_the_hazard_is_caused_by_the_whole_session():
    """Sessions with the same last slate differ by their first, though less than by their last."""
    hazards = {}
    for first, last in itertools.product((0, 2), repeat=2):
        envs = make_users(2000, continue_probability=(1.0, 1.0))
        envs.reset(seed=0)
        users = envs.unwrapped.hidden_users()
        for level in (first, 1, 1, last):
            envs.step(favourite(users, level))
        hazards[first, last] = envs.unwrapped.return_hazard()
    by_first, by_last = hazards[0, 2] - hazards[2, 2], hazards[2, 0] - hazards[2, 2]
    assert by_first.mean() > 0.02
    # Memory, three requests of it.
    assert by_first.mean() == pytest.approx(0.9**3 * by_last.mean(), rel=0.02)


def test_the_true_effect_of_one_slate():
    """Sampled under the same luck, and in closed form: the means agree, and the environment stays as it is."""
    number = 8000
    envs = make_users(number)
    envs.reset(seed=2)
    users = envs.unwrapped.hidden_users()
    for _ in range(3):  # some are in a session, some begin one, on different days
        envs.step(favourite(users, 1))
    kept = envs.unwrapped.clone_state()
    users = envs.unwrapped.hidden_users()
    bait, plain = favourite(users, 2), favourite(users, 0)
    for following in (None, favourite(users, 1)):
        effect = envs.unwrapped.return_effect(bait, plain, following)
        difference = effect.sampled - effect.expected
        assert difference.mean() == pytest.approx(0, abs=4.5 * difference.std() / np.sqrt(number))
        # With common luck no user comes back sooner for less satisfaction, and most come on the same day.
        assert (effect.sampled >= 0).all()
        assert (effect.expected > 0).all()
        assert 0.5 < (effect.sampled == 0).mean() < 1
    for before, after in zip(kept.state, envs.unwrapped.clone_state().state, strict=True):
        assert np.array_equal(before, after)
    nothing = envs.unwrapped.return_effect(bait, bait)
    assert not nothing.sampled.any()
    assert not nothing.expected.any()


def test_an_effect_by_hand():
    """One request a session, and satisfaction that keeps nothing: daily returns 1 and 0.5 on the three days left."""
    env = gym.make(
        "RetentionRec-v0",
        **{"requests": 1, "memory": 0.0, "aversion": (1.0, 1.0), "horizon": 4, "clickbait_levels": 2},
        **{"return_probability": (0.5, 1.0), "churn_probability": (0.2, 0.0)},
    )
    env.reset(seed=0)
    topic = env.unwrapped.hidden_users().rank[0].argmin()
    effect = env.unwrapped.return_effect(np.full(5, 2 * topic + 1), np.full(5, 2 * topic))
    # On day 1 with clickbait 0; without it for good with 0.2, else day 1, 2, or 3 and never, which counts as 4.
    comes = 1 * 0.5 + 2 * 0.25 + 3 * 0.125 + 4 * 0.125
    assert effect.expected[0] == pytest.approx(0.2 * 4 + 0.8 * comes - 1)
    assert effect.sampled[0] in (0, 1, 2, 3)
    env.step(np.full(5, 2 * topic))
    assert env.unwrapped.return_hazard() == pytest.approx([1.0])


# -- references ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reference():
    return references.reference_points(RetentionRec(), nodes=4)


def test_references_are_what_users_give(reference):
    number = 3000
    envs = make_users(number)
    rng = np.random.default_rng(1)
    assert close(play(envs, lambda _: rng.integers(15, size=(number, 5))), reference.random)
    truth = envs.unwrapped.hidden_users
    assert close(play(envs, lambda _: favourite(truth(), 2)), reference.most_clicked)
    assert close(play(envs, lambda _: favourite(truth(), 0)), reference.least_clickbait)


def test_the_plan_earns_what_it_says(reference):
    envs = make_users(600)
    envs.reset(seed=9)
    family, users = envs.unwrapped.family, envs.unwrapped.hidden_users()
    plan = optimum.optimal_plan(family, users.aversion)
    points = play(envs, lambda _: plan.slates(envs.unwrapped.hidden_users()), seed=9)
    assert close(points - plan.points, 0.0)
    assert plan.points.mean(axis=0) == pytest.approx(reference.optimum, rel=0.03)


def test_the_plan_is_the_best_of_all_slates():
    """Plain dynamic programming over every slate, on the rules themselves, for each order of topics."""
    arguments = {"slate_size": 2, "taste": (2, 1), "clickbait_levels": 2, "requests": 2, "horizon": 4}
    arguments |= {"satisfaction_levels": 4, "initial_satisfaction": 0.4, "aversion": (0.6, 0.6)}
    slates = list(itertools.product(range(4), repeat=2))
    family = RetentionRec(**arguments)
    for weights in ((1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (1.0, 0.3)):
        plan = optimum.optimal_plan(family, np.array([0.6]), *weights)
        for order in ([0, 1], [1, 0]):
            user = PlainUser(**arguments)
            user.order, user.dislike = order, 0.6

            def follows(day, position, level, slate, user=user, weights=weights):
                user.level = level
                clicks = np.mean([user.probabilities(item)[0] for item in slate])
                fits = [(1, 0.5)[user.order[item // 2]] * (1 - 0.6 * (item % 2)) for item in slate]
                moved = 0.9 * level + 0.1 * 4 * np.mean(fits)
                low = min(int(moved), 3)
                value = weights[0] * clicks
                for after, chance in ((low, low + 1 - moved), (low + 1, moved - low)):
                    user.level = after
                    goes_on = user.at((0.6, 0.8)) if position == 0 else 0.0
                    churn, hazard = user.at((0.1, 0.0)), user.at((0.02, 0.8))
                    comes = sum(
                        (1 - churn) * hazard * (1 - hazard) ** (d - day - 1) * (weights[1] + best(d, 0, after))
                        for d in range(day + 1, 4)
                    )
                    value += chance * (
                        goes_on * best(day, position + 1, after) + (1 - goes_on) * comes if chance else 0.0
                    )
                return value

            memory = {}

            def best(day, position, level, memory=memory, follows=follows):
                key = day, position, level
                if position == 2:
                    return 0.0
                if key not in memory:
                    memory[key] = max(follows(*key, slate) for slate in slates)
                return memory[key]

            expected = 0.4 * best(0, 0, 1) + 0.6 * best(0, 0, 2)
            assert plan.points[0] @ weights == pytest.approx(expected, rel=1e-12)


def test_constant_slates_are_exact_and_interpolated_ones_nearly(reference):
    family = RetentionRec()
    rng = np.random.default_rng(0)
    contents = rng.random(1500)
    clicks = rng.random(1500)
    many = references.constant_points(family, clicks, contents)
    few = references.constant_points(family, clicks[:9], contents[:9])
    assert many[:9] == pytest.approx(few, rel=1e-5)
    best = np.array([(references.mix_points(family, np.array([a])).sum(axis=-1)).max() for a in (0.5, 1.0)])
    plans = optimum.optimal_plan(family, np.array([0.5, 1.0])).points.sum(axis=1)
    assert (best < plans).all()
    assert (best > 0.9 * plans).all()


def test_naive_policies_stay_far_from_the_optimum(reference):
    """By the sum of clicks and returns, on the scale from random slates, 0, to the optimum, 1."""
    zero, one = reference.random.sum(), reference.optimum.sum()
    assert one > 3.5 * zero

    def score(points):
        return (points.sum() - zero) / (one - zero)

    assert score(reference.best_constant) < 0.2
    assert score(reference.most_clicked) < 0.45  # it even knows each user's taste
    assert score(reference.least_clickbait) < 0.7  # the same
    assert 0.9 < score(reference.best_user_constant) < 0.98  # it knows the aversion, too


def test_what_is_observed_is_worth_a_lot(reference):
    """One of each topic at first, then what was clicked on most, mildly clickbaity: no truth, no learning."""
    number = 1500
    envs = make_users(number)

    def explore(observations):
        shown, clicked = observations[:, 7:12], observations[:, 12:17]
        topic = ((clicked + 0.3) / (shown + 1.2)).argmax(axis=1)
        slates = np.repeat(topic[:, None] * 3 + 1, 5, axis=1)
        slates[observations[:, 7:12].sum(axis=1) == 0] = np.arange(5) * 3 + 1
        return slates

    points = play(envs, explore).sum(axis=1)
    zero, one = reference.random.sum(), reference.optimum.sum()
    scores = (points - zero) / (one - zero)
    assert scores.mean() == pytest.approx(0.7, abs=0.06)


def test_the_most_popular_item_is_clickbait():
    envs = make_users(4000, continue_probability=(1.0, 1.0))
    envs.reset(seed=0)
    clicks = [envs.step(np.full((4000, 5), item))[4]["reward_terms"]["click"].mean() for item in (0, 1, 2)]
    assert clicks[0] < clicks[1] < clicks[2]


def test_the_pareto_front(reference):
    front = optimum.pareto_front(RetentionRec(), np.linspace(0, 1, 9), nodes=4)
    clicks, returns = front.points.T
    assert (np.diff(clicks) <= 1e-9).all()
    assert (np.diff(returns) >= -1e-9).all()
    # A wide front: what is best for clicks is not what is best for returns.
    assert clicks[0] > 1.8 * clicks[-1]
    assert returns[-1] > 1.25 * returns[0]
    # Every optimum is the best for its own weight, and every reference lies under the front.
    values = front.points @ np.stack([1 - front.weights, front.weights])
    assert (values.argmax(axis=0) == np.arange(9)).all() or np.allclose(values.max(axis=0), values.diagonal())
    for point in reference:
        assert point[1] <= front.bound(point[0])[0] + 1e-9
    assert front.points[4] == pytest.approx(reference.optimum)
    assert front.bound(clicks) == pytest.approx(returns, rel=1e-5)


def test_weights_are_weights():
    sums = {}
    for weights in ((1.0, 1.0), (0.0, 2.0)):
        envs = make_users(50, click_weight=weights[0], retention_weight=weights[1])
        sums[weights] = play(envs, lambda _: np.ones((50, 5), int), seed=4)
    assert not sums[0.0, 2.0][:, 0].any()
    assert np.array_equal(sums[0.0, 2.0][:, 1], 2 * sums[1.0, 1.0][:, 1])
    plan = optimum.optimal_plan(RetentionRec(click_weight=0.0, retention_weight=2.0), np.array([0.7]))
    assert plan.points == pytest.approx(optimum.optimal_plan(RetentionRec(), np.array([0.7]), 0.0, 1.0).points)


# -- the interface ------------------------------------------------------------------------------------------


def test_hidden_users_are_copies():
    env = gym.make("RetentionRec-v0")
    env.reset(seed=1)
    users = env.unwrapped.hidden_users()
    users.satisfaction[:] = 0
    assert env.unwrapped.hidden_users().satisfaction[0] == 25
    assert env.unwrapped.return_hazard() == pytest.approx([0.41])


def test_a_picture():
    env = gym.make("RetentionRec-v0", render_mode="ansi", aversion=(0.5, 0.5))
    env.reset(seed=0)
    topic = env.unwrapped.hidden_users().rank[0].argmin()
    assert env.render() == (
        f"day 0  request 0  click 0, long_view 0, like 0  (hidden: favourite topic {topic}, aversion 0.50, "
        "satisfaction 0.50, daily return 0.41)"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"slate_size": 0}, "slate_size must be between 1 and 127, got 0"),
        ({"clickbait_levels": 1}, "clickbait_levels must be between 2"),
        ({"horizon": 0}, "horizon must be between 1"),
        ({"requests": 200}, "requests must be between 1 and 127"),
        ({"memory": 1.0}, "memory must be at least 0 and below 1"),
        ({"recent_discount": -0.1}, "recent_discount must be at least 0"),
        ({"initial_satisfaction": 1.2}, r"initial_satisfaction must be in \[0, 1\]"),
        ({"click_weight": -1.0}, "click_weight must be at least 0"),
        ({"retention_weight": float("nan")}, "retention_weight must be at least 0"),
        ({"taste": (1.0, 2.0)}, "the largest first"),
        ({"taste": ()}, "taste must be numbers"),
        ({"aversion": (0.5, 1.5)}, r"aversion must be two numbers in \[0, 1\]"),
        ({"return_probability": (0.8, 0.1)}, "return_probability .*the smaller first"),
        ({"churn_probability": (0.0, 0.1)}, "churn_probability .*the larger first"),
        ({"base_rates": (0.5, 0.04, 0.006)}, r"a click would reach 2\.4.*lower base_rates\[0\]"),
        ({"base_rates": (0.2, 0.1, 0.006)}, r"no long_view.*lower base_rates\[1\]"),
        ({"base_rates": (0.2, 0.1)}, "base_rates must be 3 numbers"),
        ({"clickbait_effect": (2.0, 0.0, 0.0)}, r"clickbait_effect must be 3 numbers in \[-1, 1\]"),
    ],
)
def test_bad_arguments_are_told(arguments, message):
    with pytest.raises(ValueError, match=message):
        gym.make("RetentionRec-v0", **arguments)


def test_what_cannot_be_computed_is_told():
    with pytest.raises(ValueError, match="at most 200,000 different slates"):
        references.random_points(RetentionRec(slate_size=12), np.array([0.7]))
    env = gym.make("RetentionRec-v0")
    env.reset(seed=0)
    with pytest.raises(ValueError, match="is not in MultiDiscrete"):
        env.unwrapped.return_effect(np.zeros(5, int), np.full(5, 15))
    assert env.unwrapped.hidden_users().position[0] == 0  # as before
