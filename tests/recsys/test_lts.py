"""Long-term satisfaction: rules against a plain rendering and closed forms, references against search and figures."""

import itertools
from functools import partial

import gymnasium as gym
import numpy as np
import pytest
from plain_lts import PlainUser
from splits import SIZES, assert_splits_change_nothing

import telos  # noqa: F401 - registers the environments
from telos.envs.recsys.lts import optimum
from telos.envs.recsys.lts.family import LTSRec
from telos.envs.recsys.lts.instances import LADDER, RECSIM_USERS, edge_groups, training_groups
from telos.envs.recsys.lts.params import Users

PLAIN = {
    "train": ({}, {}),
    "test": ({"split": "test"}, {"groups": (14,)}),
    "gap": ({"gap": 2.0, "horizon": 9}, {"groups": (6, 7, 8, 9, 10, 11, 17, 18, 19, 20, 21), "horizon": 9}),
    "noisy simulators": ({"groups": [3.0, 9.5], "sim_noise": 6.0}, {"groups": (3.0, 9.5), "kale": (-2.0, 10.0)}),
    "RecSim's users": (
        dict(RECSIM_USERS),
        {
            "groups": (5,),
            "discount": (0.7, 0.7),
            "sensitivity": (0.01, 0.01),
            "start": (-0.5, 0.5),
            "stds": (1.0, 1.0),
            "innovation_std": 0.05,
            "horizon": 60,
        },
    ),
    "own users": (
        {"split": "test", "memory_discount": [0.7, 0.9], "sensitivity": [0.4, 0.6], "num_items": 7, "cue_std": 0.5},
        {"groups": (14,), "discount": (0.7, 0.9), "sensitivity": (0.4, 0.6), "items": 7, "cue_std": 0.5},
    ),
}


def play(envs, items):
    """Returns of users who get ``items``, integers ``(n, T)``."""
    total = 0.0
    for t in range(items.shape[1]):
        total = total + envs.step(items[:, t])[1]
    return total


def everywhere(item, users=1, horizon=140):
    return np.full((users, horizon), item)


# -- rules --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", PLAIN)
def test_trajectories_equal_those_of_a_plain_rendering(case):
    arguments, plain_arguments = PLAIN[case]
    env, plain = gym.make("LTSRec-v0", **arguments), PlainUser(**plain_arguments)
    env.action_space.seed(2)
    for episode in range(3):
        seed = 33 if episode == 0 else None
        assert env.reset(seed=seed)[0] == pytest.approx(plain.reset(seed), rel=1e-6)
        over = False
        while not over:
            item = env.action_space.sample()
            observation, reward, over, truncated, info = env.step(item)
            expected, engagement, ended = plain.step(int(item))
            assert observation == pytest.approx(expected, rel=1e-6)
            assert reward == pytest.approx(engagement, rel=1e-11)
            assert info == {"reward_terms": {"engagement": reward}}
            assert (over, truncated) == (ended, False)


def test_everything_that_can_be_observed():
    env, plain = gym.make("LTSRec-v0", observe_user=True, observe_time=True, horizon=4), PlainUser(horizon=4)
    blind = gym.make("LTSRec-v0", observe_group=False, horizon=4)
    shown, (cue, *response) = env.reset(seed=8)[0], plain.reset(8)
    assert list(blind.reset(seed=8)[0]) == response
    for item in (29, 0, 4, 17):
        hidden = [plain.gamma, plain.slope, plain.satisfaction]
        assert shown == pytest.approx([cue, *hidden, *response, plain.time / 4], rel=1e-6)
        assert shown in env.observation_space
        shown, blindly = env.step(item)[0], blind.step(item)[0]
        (cue, *response), *_ = plain.step(item)
        assert blindly == pytest.approx(response, rel=1e-6)


def test_a_continuous_action_is_a_position_among_the_items():
    position, number = gym.make("LTSRec-v0", action="continuous"), gym.make("LTSRec-v0")
    position.reset(seed=1)
    number.reset(seed=1)
    # As Sim2Rec rounds: towards the first item, so that the last one takes exactly 1.
    for value, item in ((-1.0, 0), (-0.94, 0), (-0.93, 1), (0.0, 14), (0.999, 28), (1.0, 29)):
        assert position.step(np.array([value], np.float32))[1] == number.step(item)[1]
    for bad in (1.01, -1.5, np.nan):
        with pytest.raises(ValueError, match=r"environment 0 is not in Box.*ClipAction"):
            position.unwrapped.step(np.array([bad], np.float32))
    envs = gym.make_vec("LTSRec-v0", num_envs=3, action="continuous")
    envs.reset(seed=0)
    with pytest.raises(ValueError, match="environment 1 is not in Box"):
        envs.step(np.array([[0.0], [2.0], [3.0]], np.float32))
    with pytest.raises(ValueError, match="shape"):
        envs.step(np.zeros(3, np.float32))


@pytest.mark.parametrize("sizes", SIZES)
def test_users_do_not_depend_on_how_a_batch_is_split(sizes):
    items = np.random.default_rng(0).integers(30, size=(100, 150))
    assert_splits_change_nothing(partial(gym.make_vec, "LTSRec-v0", autoreset_mode="SameStep"), items, sizes)


def test_moments_of_users():
    number = 20_000
    envs = gym.make_vec("LTSRec-v0", num_envs=number, split="train")
    cue = envs.reset(seed=0)[0][:, 0]
    users = envs.unwrapped.hidden_users()
    groups, counts = np.unique(users.choc_mean, return_counts=True)
    assert groups.tolist() == [6, 7, 8, 9, 19, 20, 21]
    assert np.abs(counts / number - 1 / 7).max() < 5 * np.sqrt(6 / 49 / number)
    # The mean and the variance of ln U, U uniform on [a, b].
    a, b = 1.01, 2.6
    mean, square = (
        (b * np.log(b) - a * np.log(a)) / (b - a) - 1,
        (b * np.log(b) ** 2 - a * np.log(a) ** 2) / (b - a),
    )
    variance = square - 2 * mean - mean**2
    for drawn in (users.memory_discount, users.sensitivity):
        assert drawn.mean() == pytest.approx(mean, abs=5 * np.sqrt(variance / number))
        assert drawn.var() == pytest.approx(variance, rel=0.05)
    assert np.corrcoef(users.memory_discount, users.sensitivity)[0, 1] == pytest.approx(0, abs=5 / np.sqrt(number))
    noise = (cue - users.choc_mean) / 3
    assert noise.mean() == pytest.approx(0, abs=5 / np.sqrt(number))
    assert noise.std() == pytest.approx(1, abs=5 / np.sqrt(2 * number))
    assert (noise**4).mean() == pytest.approx(3, abs=5 * np.sqrt(96 / number))
    assert np.allclose(users.exposure * (1 - users.memory_discount), 0.5)


def test_moments_of_transitions_have_their_closed_forms():
    number, gamma, slope, score, steps = 20_000, 0.8, 0.5, 12 / 30, 6
    envs = gym.make_vec(
        "LTSRec-v0",
        num_envs=number,
        **{"split": "test", "memory_discount": (gamma, gamma), "sensitivity": (slope, slope)},
        **{"innovation_std": 0.3, "choc_std": 2.0, "kale_std": 0.5},
    )
    envs.reset(seed=4)
    first = envs.step(np.full(number, 12))[1]
    mean = (score * 14 + (1 - score) * 4) / (1 + np.exp(-slope * 2.5))
    std = score * 2.0 + (1 - score) * 0.5
    assert first.mean() == pytest.approx(mean, abs=5 * std / np.sqrt(number))
    assert first.std() == pytest.approx(std, abs=5 * std / np.sqrt(2 * number))
    # What is drawn for engagement says nothing of what is drawn for the exposure.
    second = envs.unwrapped.hidden_users().exposure
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(0, abs=5 / np.sqrt(number))
    for _ in range(steps - 1):
        envs.step(np.full(number, 12))
    exposure = envs.unwrapped.hidden_users().exposure
    settled = -2 * (score - 0.5) / (1 - gamma)
    deviation = 0.3 * np.sqrt((1 - gamma ** (2 * steps)) / (1 - gamma**2))
    expected = settled + gamma**steps * (2.5 - settled)
    assert exposure.mean() == pytest.approx(expected, abs=5 * deviation / np.sqrt(number))
    assert exposure.std() == pytest.approx(deviation, abs=5 * deviation / np.sqrt(2 * number))


# -- references ---------------------------------------------------------------------------------------------


def sampled_users():
    """The 400 users of the figures below, from NumPy's generator."""
    rng = np.random.default_rng(0)
    gamma, slope = (np.log(rng.uniform(1.01, 2.6, 400)) for _ in range(2))
    return Users(gamma, slope, np.full(400, 14.0), np.full(400, 4.0), 0.5 / (1 - gamma))


def test_known_users_earn_the_known_returns():
    """Figures of Sim2Rec's own rules, computed before this environment, for 400 users: played, not just computed."""
    users = sampled_users()
    envs = gym.make_vec("LTSRec-v0", num_envs=400, split="test", autoreset_mode="Disabled")
    envs.reset(seed=0)
    begun = envs.unwrapped.clone_state()
    for name, values in users._asdict().items():
        getattr(begun.state, name)[:] = values

    def earned(items):
        envs.unwrapped.restore_state(begun)
        return play(envs, items)

    family = envs.unwrapped.family
    constants = optimum.constant_returns(family, users)
    plan = optimum.optimal_plan(family, users, grid=128)
    rng = np.random.default_rng(1)
    random = np.mean([earned(rng.integers(30, size=(400, 140))).mean() for _ in range(10)])
    exact = {
        412.7: everywhere(29, 400),
        451.6: everywhere(0, 400),
        689.1: everywhere(12, 400),
        744.1: np.tile(constants.argmax(axis=1)[:, None], 140),
        784.7: plan.items,
    }
    for figure, items in exact.items():
        assert earned(items).mean() == pytest.approx(figure, abs=0.06)
    assert constants.mean(axis=0).argmax() == 12
    assert random == pytest.approx(655.9, rel=5e-3)
    assert optimum.random_returns(family, users, 128)[0].mean() == pytest.approx(random, rel=2e-3)


def test_ten_thousand_users_earn_the_means_over_all_users():
    number = 10_000
    envs = gym.make_vec("LTSRec-v0", num_envs=number, split="test", autoreset_mode="Disabled")
    family = envs.unwrapped.family
    reference = optimum.reference_returns(family, nodes=8, grid=128)
    rng = np.random.default_rng(2)
    strategies = {
        "random": rng.integers(30, size=(number, 140)),
        "best_constant": everywhere(reference.best_constant_item, number),
        "myopic": everywhere(29, number),
    }
    for name, items in strategies.items():
        envs.reset(seed=10_000)
        users = envs.unwrapped.hidden_users()
        returns = play(envs, items)
        # The noise of 140 engagements, and the luck of the draw of users.
        known = optimum.plan_returns(family, users, items)
        assert np.abs(returns - known).max() < 6 * 0.01 * np.sqrt(140)
        error = 4 * returns.std() / np.sqrt(number)
        assert returns.mean() == pytest.approx(getattr(reference, name), abs=error)
        assert error < 0.03 * reference.optimum


def test_a_plan_earns_what_it_says_for_users_of_the_environment():
    envs = gym.make_vec("LTSRec-v0", num_envs=300, sim_noise=2.0, autoreset_mode="Disabled")
    envs.reset(seed=6)
    users = envs.unwrapped.hidden_users()
    plan = optimum.optimal_plan(envs.unwrapped.family, users, grid=128)
    assert np.abs(play(envs, plan.items) - plan.returns).max() < 6 * 0.01 * np.sqrt(140)
    constants = optimum.constant_returns(envs.unwrapped.family, users)
    assert (plan.returns >= constants.max(axis=1) - 1e-9).all()
    assert (plan.returns <= plan.bounds).all()
    assert (plan.bounds / plan.returns).mean() < 1.001


def test_the_plan_is_the_best_of_all_sequences():
    """Every sequence of a short horizon is tried; random items earn their mean."""
    family = LTSRec(split="test", num_items=4, horizon=6, initial_exposure=(-1.0, 1.0))
    users, weights = optimum.population(family, nodes=3)
    assert len(users.exposure) == 45
    assert weights.sum() == pytest.approx(1)
    sequences = np.array(list(itertools.product(range(4), repeat=6)))
    returns = np.array([optimum.plan_returns(family, Users(*(np.repeat(v, 4096) for v in user)), sequences)
                        for user in ([values[k : k + 1] for values in users] for k in range(45))])  # fmt: skip
    for grid, slack in ((33, 1e-2), (513, 1e-4)):
        plan = optimum.optimal_plan(family, users, grid)
        best = returns.max(axis=1)
        assert (plan.bounds >= best - 1e-9).all()
        assert (plan.returns <= best + 1e-9).all()
        assert plan.returns == pytest.approx(best, rel=slack)
        assert plan.bounds == pytest.approx(best, rel=40 * slack)
        chance, error = optimum.random_returns(family, users, grid)
        assert (np.abs(chance - returns.mean(axis=1)) <= error + 1e-9).all()


@pytest.mark.parametrize("arguments", [{"split": "test"}, *LADDER.values()], ids=["target", *LADDER])
def test_naive_policies_stay_far_from_the_optimum(arguments):
    """On the scale from random items, 0, to the optimum, 1."""
    reference = optimum.reference_returns(LTSRec(**arguments), nodes=4, grid=64)
    assert reference.optimum <= reference.optimum_bound <= 1.01 * reference.optimum
    assert reference.optimum > 1.15 * reference.random
    assert reference.score(reference.myopic) < -1.2
    assert reference.score(reference.best_constant) < 0.25
    assert reference.score(reference.best_user_constant) < 0.8


def test_the_most_popular_item_is_the_worst():
    envs = gym.make_vec("LTSRec-v0", num_envs=500, split="test")
    envs.reset(seed=3)
    rng, paid = np.random.default_rng(0), np.zeros((2, 30))
    for _ in range(140):
        items = rng.integers(30, size=500)
        np.add.at(paid, (0, items), envs.step(items)[1])
        np.add.at(paid, (1, items), 1)
    popular = int((paid[0] / paid[1]).argmax())
    assert popular >= 28
    constants = optimum.constant_returns(envs.unwrapped.family, optimum.population(envs.unwrapped.family)[0])
    assert popular in constants.mean(axis=0).argsort()[:3]


def test_with_recsims_own_users_myopia_is_optimal():
    """Why the users are not RecSim's: nothing is long-term about them."""
    reference = optimum.reference_returns(LTSRec(**dict(RECSIM_USERS) | {"innovation_std": 0.0}), grid=64)
    assert reference.myopic == pytest.approx(reference.optimum_bound, rel=1e-6)


def test_the_mean_over_the_population_is_that_of_its_users():
    family = LTSRec(groups=[6.0, 20.0], sim_noise=3.0, initial_exposure=(0.0, 1.0))
    users, weights = optimum.population(family, nodes=6)
    envs = gym.make_vec("LTSRec-v0", num_envs=40_000, groups=[6.0, 20.0], sim_noise=3.0, initial_exposure=(0.0, 1.0))
    envs.reset(seed=1)
    drawn = envs.unwrapped.hidden_users()
    for node, sample in zip(users, drawn, strict=True):
        assert weights @ node == pytest.approx(sample.mean(), abs=5 * sample.std() / 200)
        assert weights @ node**2 - (weights @ node) ** 2 == pytest.approx(sample.var(), rel=0.05)


# -- groups, and what is hidden --------------------------------------------------------------------------


def test_the_ladder_has_the_groups_of_the_paper():
    rungs = {name: LTSRec(**arguments).groups for name, arguments in LADDER.items()}
    assert rungs["LTS3"] == (6, 7, 8, 9, 19, 20, 21)
    assert {name: len(groups) for name, groups in rungs.items()} == {"LTS1": 11, "LTS2": 9, "LTS3": 7}
    assert edge_groups(4.0) == (9, 19)
    assert LTSRec(groups=edge_groups(4.0)[:1]).groups == (9,)
    assert LTSRec(split="test", gap=2.0, groups=[3.0], sim_noise=1.0).groups == (14,)
    with pytest.raises(ValueError, match="gap must be at least 0 and below group_range=8, got 8"):
        training_groups(8.0, 14.0, 8)
    with pytest.raises(ValueError, match="leaves no group on one side"):
        edge_groups(7.0)


def test_simulators_are_off_and_the_target_is_not():
    def kale(**arguments):
        envs = gym.make_vec("LTSRec-v0", num_envs=3000, sim_noise=6.0, **arguments)
        envs.reset(seed=0)
        return envs.unwrapped.hidden_users().kale_mean

    simulated = kale()
    assert (simulated >= 0).all()
    assert (simulated == 0).mean() == pytest.approx(1 / 6, abs=0.04)  # clipped
    assert 9.9 < simulated.max() < 10
    assert (kale(split="test") == 4).all()


def test_a_policy_fits_both_splits():
    train, test = (gym.make("LTSRec-v0", split=split, gap=2.0) for split in ("train", "test"))
    assert train.observation_space == test.observation_space
    assert train.action_space == test.action_space


def test_hidden_users_are_copies():
    env = gym.make("LTSRec-v0")
    env.reset(seed=1)
    users = env.unwrapped.hidden_users()
    first = users.exposure.copy()
    users.exposure[:] = 99.0
    assert np.array_equal(env.unwrapped.hidden_users().exposure, first)
    env.step(29)
    after = env.unwrapped.hidden_users()
    assert after.exposure == pytest.approx(first * after.memory_discount - 2 * (29 / 30 - 0.5))
    assert after.satisfaction == pytest.approx(1 / (1 + np.exp(-after.sensitivity * after.exposure)))


def test_a_picture():
    env = gym.make("LTSRec-v0", split="test", render_mode="ansi", memory_discount=(0.5, 0.5), sensitivity=(0.0, 0.0))
    env.reset(seed=0)
    assert env.render() == "t=0  engagement 0.00  (hidden: net positive exposure 1.00, satisfaction 0.50)"
    env.step(0)
    assert env.render().startswith("t=1  engagement 2.0")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "validation"}, "'validation' is unknown: choose 'train' or 'test'"),
        ({"action": "slate"}, "'slate' is unknown: choose 'item' or 'continuous'"),
        ({"gap": 9.0}, "gap must be at least 0 and below group_range=8"),
        ({"groups": []}, "at least one group"),
        ({"groups": [101.0]}, r"must be in \[0, 100\]"),
        ({"kale_mean": -1.0}, r"must be in \[0, 100\]"),
        ({"num_items": 1}, "num_items must be at least 2"),
        ({"horizon": 0}, "horizon must be at least 1"),
        ({"cue_std": -1.0}, "cue_std must be at least 0"),
        ({"choc_std": float("nan")}, "choc_std must be at least 0"),
        ({"memory_discount": (0.5, 1.0)}, "memory_discount must be two numbers, .* at least 0 and below 1"),
        ({"sensitivity": (0.6, 0.4)}, "the smaller first"),
        ({"initial_exposure": (0.5,)}, "initial_exposure must be two numbers"),
    ],
)
def test_bad_arguments_are_told(arguments, message):
    with pytest.raises(ValueError, match=message):
        gym.make("LTSRec-v0", **arguments)


def test_references_say_what_they_cannot_do():
    family = LTSRec(innovation_std=0.05)
    users, _ = optimum.population(family, nodes=2)
    for ask in (optimum.constant_returns, optimum.optimal_plan, optimum.random_returns):
        with pytest.raises(ValueError, match=r"need innovation_std=0, and it is 0\.05"):
            ask(family, users)
    family = LTSRec()
    with pytest.raises(ValueError, match=r"items must have shape \(28, 140\)"):
        optimum.plan_returns(family, users, np.zeros((28, 3), int))
    with pytest.raises(ValueError, match="grid must be at least 2"):
        optimum.optimal_plan(family, users, 1)
