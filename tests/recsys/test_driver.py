"""The driver program: rules against a plain rendering and closed forms, references against simulated drivers."""

import math
from functools import partial

import gymnasium as gym
import numpy as np
import pytest
from plain_driver import PlainDriver, PlainWorld, city_means, coupon_of
from splits import SIZES, assert_splits_change_nothing

import telos  # noqa: F401 - registers the environments
from telos.envs.recsys.driver import optimum
from telos.envs.recsys.driver.family import DriverProgram
from telos.envs.recsys.driver.instances import training_positions

ORIGIN = [(0.0, 0.0, 0.0)]
TERMS = ("orders", "spend", "penalty")


def cities_of(**arguments):
    return DriverProgram(**arguments).positions.tolist()


PLAIN = {
    "train": ({}, {"positions": cities_of()}),
    "test": ({"split": "test"}, {"positions": ORIGIN}),
    "few cities": ({"cities": 3, "gap": 0.9, "city_seed": 5}, {"positions": cities_of(cities=3, gap=0.9, city_seed=5)}),
    "little money": (
        {"split": "test", "budget": 12.0, "coupon_ratio": 0.25, "penalty": 1.0, "cue_std": (0.5, 2.0), "horizon": 50},
        {"positions": ORIGIN, "budget": 12, "ratio": 0.25, "penalty": 1, "cue_std": (0.5, 2.0), "horizon": 50},
    ),
}


def vector(number, **arguments):
    arguments = {"split": "test"} | arguments
    return gym.make_vec("DriverProgram-v0", num_envs=number, autoreset_mode="Disabled", **arguments)


def play(envs, policy, seed=0):
    """Returns of drivers; ``policy(observation, day)`` gives the actions."""
    observation, _ = envs.reset(seed=seed)
    total = 0.0
    for day in range(int(envs.unwrapped.family.params.horizon)):
        observation, reward, *_ = envs.step(policy(observation, day))
        total = total + reward
    return total


def offers(envs, targets, units):
    """Continuous actions that offer these coupons."""
    (low, high), number = envs.unwrapped.family.params.target_bounds, envs.num_envs
    targets, units = np.broadcast_to(targets, number), np.broadcast_to(units, number)
    places = np.stack([(np.clip(np.rint(targets), low, high) - low) / (high - low), units / 8], axis=1)
    return ((2 * places - 1) / 1.2).astype(np.float32)


def alike(envs, **hidden):
    """Gives all drivers, who must have been reset, the same hidden numbers."""
    snapshot = envs.unwrapped.clone_state()
    for name, value in hidden.items():
        getattr(snapshot.state, name)[:] = value
        if name == "level":
            snapshot.state.baseline_level[:] = value
    envs.unwrapped.restore_state(snapshot)


# -- rules --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", PLAIN)
def test_trajectories_equal_those_of_a_plain_rendering(case):
    arguments, plain_arguments = PLAIN[case]
    env, plain = gym.make("DriverProgram-v0", **arguments), PlainDriver(**plain_arguments)
    env.action_space.seed(2)
    spent = 0
    for episode in range(6):
        seed = 33 if episode == 0 else None
        assert env.reset(seed=seed)[0] == pytest.approx(plain.reset(seed), rel=1e-5, abs=1e-6)
        over = False
        while not over:
            action = env.action_space.sample()
            observation, reward, over, truncated, info = env.step(action)
            expected, terms, ended = plain.step(*coupon_of(action))
            assert observation == pytest.approx(expected, rel=1e-5, abs=1e-6)
            assert list(info) == ["reward_terms"]
            assert tuple(info["reward_terms"]) == TERMS
            assert list(info["reward_terms"].values()) == pytest.approx(terms, rel=1e-11, abs=1e-11)
            assert reward == sum(info["reward_terms"].values())
            assert (over, truncated) == (ended, False)
        spent += plain.spend > plain.budget
    assert spent > 0


def test_the_grid_offers_its_coupons():
    env, plain = gym.make("DriverProgram-v0", action="grid", split="test"), PlainDriver(ORIGIN)
    coupons = env.unwrapped.family.coupons()
    assert coupons[0].tolist() == [0, 0]
    assert sorted(set(coupons[1:, 0])) == [5, 9, 12, 16, 20, 24, 28, 31, 35]
    assert sorted(set(coupons[1:, 1])) == [2, 4, 6, 8]
    env.reset(seed=4)
    plain.reset(4)
    for number in (0, 11, 36, 21, 1, 2):
        observation, reward, *_ = env.step(number)
        expected, terms, _ = plain.step(*coupons[number])
        assert observation == pytest.approx(expected, rel=1e-5, abs=1e-6)
        assert reward == pytest.approx(sum(terms))


def test_what_is_hidden_can_be_observed():
    arguments = {"split": "test", "horizon": 5}
    env, plain = gym.make("DriverProgram-v0", observe_driver=True, **arguments), PlainDriver(ORIGIN, horizon=5)
    blind = gym.make("DriverProgram-v0", observe_history=False, **arguments)
    shown, expected, seen = env.reset(seed=8)[0], plain.reset(8), blind.reset(seed=8)[0]
    for action in ([0.2, 0.5], [0.8, 0.1], [-0.2, -0.9], [0.3, 0.3]):
        hidden = [plain.propensity, plain.responsiveness, plain.tilt, plain.tiring, plain.discouragement]
        hidden.append(plain.offered.level / 10)
        assert shown == pytest.approx([*expected[:2], *hidden, *expected[2:]], rel=1e-5, abs=1e-6)
        assert seen == pytest.approx(expected[2:], rel=1e-5, abs=1e-6)
        assert shown in env.observation_space
        action = np.array(action, np.float32)
        shown, seen = env.step(action)[0], blind.step(action)[0]
        expected = plain.step(*coupon_of(action))[0]


@pytest.mark.parametrize("sizes", SIZES)
def test_drivers_do_not_depend_on_how_a_batch_is_split(sizes):
    actions = np.random.default_rng(0).uniform(-1, 1, (100, 40, 2)).astype(np.float32)
    assert_splits_change_nothing(partial(gym.make_vec, "DriverProgram-v0", autoreset_mode="SameStep"), actions, sizes)


@pytest.mark.parametrize("split", ["train", "test"])
def test_without_coupons_every_increment_is_exactly_zero(split):
    """Any target with a bonus of 0 is no coupon."""
    envs = vector(2000, split=split)
    envs.reset(seed=1)
    rng = np.random.default_rng(1)
    for _ in range(30):
        _, reward, _, _, info = envs.step(offers(envs, rng.integers(5, 36, 2000), 0))
        assert not reward.any()
        assert not any(info["reward_terms"][name].any() for name in TERMS)
        hidden = envs.unwrapped.hidden_drivers()
        assert np.array_equal(hidden.level, hidden.baseline_level)


def test_the_rollout_without_coupons_knows_nothing_of_them():
    """It is the rollout of a driver who got none, under the same luck; a first coupon never lowers the orders."""
    offered, unoffered = vector(500), vector(500)
    offered.reset(seed=2)
    unoffered.reset(seed=2)
    for day in range(30):
        coupons, none = offers(offered, 5 + np.arange(500) % 31, 8), offers(offered, 20, 0)
        _, _, _, _, info = offered.step(coupons)
        observation = unoffered.step(none)[0]
        assert np.array_equal(offered.unwrapped.hidden_drivers().baseline_orders, observation[:, 5])
        increments = info["reward_terms"]["orders"]
        if day == 0:
            assert (increments >= 0).all()
            assert (increments > 0).mean() > 0.2
    # Later they do: coupons tire.
    assert (increments < 0).mean() > 0.1


def test_a_coupon_moves_a_driver_within_reach():
    class Driver:
        responsiveness, tiring, discouragement = 3.2, 0.0, 0.0

    world = PlainWorld(Driver, 10)
    # 20 of money reach sqrt(3.2 * 20) = 8 orders. At the reach half of the stretch is covered, at half of it 16 / 17.
    assert [world.work(12, 20, 20, 0, 0)[0], world.work(10, 26, 20, 0, 0)[0]] == [16, 11]
    envs = vector(2000, cue_std=(0.0, 0.0))
    for target, mean in ((20, 12 + 8 / 2), (16, 12 + 4 * 16 / 17), (28, 12 + 16 / 17)):
        envs.reset(seed=3)
        alike(envs, propensity=12.0, responsiveness=3.2, tilt=0.0, level=10)
        orders = envs.step(offers(envs, target, 4))[0][:, 5]
        # Rounding to whole orders keeps the mean and adds a twelfth to the variance.
        assert orders.mean() == pytest.approx(mean, abs=5 * math.sqrt(mean / 2000))
        assert orders.var() == pytest.approx(mean + 1 / 12, rel=5 * math.sqrt(2 / 2000))


def test_energy_is_spent_on_orders_beyond_the_usual_and_on_missed_targets():
    number = 20_000
    envs = vector(number)
    envs.reset(seed=3)
    alike(envs, propensity=16.0, tilt=0.0, responsiveness=0.0, tiring=0.25, discouragement=1.5, level=6)
    orders = envs.step(offers(envs, 35, 8))[0][:, 5]
    hidden = envs.unwrapped.hidden_drivers()
    change = 1 - 0.25 * np.maximum(orders - 16, 0)
    for level, discouraged in ((hidden.level, 1.5 * (orders < 35)), (hidden.baseline_level, 0)):
        exact = 6 + change - discouraged
        assert (np.abs(level - exact) < 1).all()
        assert (level - exact).mean() == pytest.approx(0, abs=5 * 0.5 / math.sqrt(number))


def test_who_was_paid_more_than_the_budget_gets_no_coupons():
    envs = vector(500, budget=30.0)
    observation, _ = envs.reset(seed=5)
    spend = np.zeros(500)
    for _ in range(30):
        over = observation[:, 9] > 1
        observation, _, _, _, info = envs.step(offers(envs, 9, 3))
        assert not info["reward_terms"]["spend"][over].any()
        assert np.array_equal(observation[:, 7], np.where(over, 0, 15))
        assert np.array_equal(observation[:, 6], np.where(over, 0, 9))
        spend -= 0.4 * info["reward_terms"]["spend"]
        assert observation[:, 9] == pytest.approx(spend / 30)
    # Exactly the budget is not more: the third bonus of 15 ends it.
    assert spend.max() == 45
    assert (spend == 45).mean() > 0.9


def test_beyond_the_data_there_is_only_a_penalty():
    envs, bounded = vector(200), vector(200)
    beyond = np.tile(np.array([[1.0, 0.5]], np.float32), (200, 1))
    # The box is 1.2 times as wide as the data: 1 is a tenth of the width beyond, which 20 * 5 / 10 are lost for.
    for actions, loss in ((beyond, 10.0), (np.full((200, 2), -1.0, np.float32), 20.0)):
        envs.reset(seed=6)
        bounded.reset(seed=6)
        for _ in range(5):
            shown, _, _, _, info = envs.step(actions)
            expected, _, _, _, info_inside = bounded.step(np.clip(actions, -1 / 1.2, 1 / 1.2))
            assert np.array_equal(shown, expected)
            assert info["reward_terms"]["penalty"] == pytest.approx(-loss)
            assert np.abs(info_inside["reward_terms"]["penalty"]).max() < 1e-4
            assert np.array_equal(info["reward_terms"]["orders"], info_inside["reward_terms"]["orders"])


def test_moments_of_drivers():
    number = 20_000
    envs = vector(number)
    cues = envs.reset(seed=0)[0][:, :2]
    drivers = envs.unwrapped.hidden_drivers()
    demand, response, fatigue = city_means((0, 0, 0))
    uniform = {
        "propensity": (0.5 * demand, 1.5 * demand),
        "responsiveness": (0.25 * response, 1.75 * response),
        "tiring": (0.5 * fatigue, 1.5 * fatigue),
        "tilt": (-0.3, 0.3),
        "discouragement": (0.3, 1.2),
    }
    for name, (low, high) in uniform.items():
        values = getattr(drivers, name)
        assert low <= values.min() < values.max() <= high
        deviation = (high - low) / math.sqrt(12)
        assert values.mean() == pytest.approx((low + high) / 2, abs=5 * deviation / math.sqrt(number))
        assert values.std() == pytest.approx(deviation, rel=0.02)
    together = np.corrcoef([getattr(drivers, name) for name in uniform])
    assert np.abs(together - np.eye(5)).max() < 5 / math.sqrt(number)
    for cue, values, std in zip(cues.T, (drivers.propensity, drivers.responsiveness), (1.5, 1.0), strict=True):
        assert (cue - values).std() == pytest.approx(std, rel=5 / math.sqrt(2 * number))
    assert np.bincount(drivers.level, minlength=11)[6:] == pytest.approx(number / 5, abs=5 * math.sqrt(number * 0.16))


# -- cities -------------------------------------------------------------------------------------------------


def test_training_cities_are_further_from_the_target_than_the_gap():
    for gap in (0.0, 0.5, 0.95):
        positions = training_positions(40, gap, 3)
        assert positions.shape == (40, 3)
        assert np.abs(positions).max() <= 1
        assert np.linalg.norm(positions, axis=1).min() > gap
    assert np.array_equal(training_positions(5, 0.5, 1), training_positions(5, 0.5, 1))
    assert not np.array_equal(training_positions(5, 0.5, 1), training_positions(5, 0.5, 2))
    train, test = DriverProgram(gap=0.9), DriverProgram(split="test", gap=0.9)
    assert test.positions.tolist() == [[0, 0, 0]]
    assert train.observation_space == test.observation_space
    assert train.action_space == test.action_space


def test_drivers_of_a_city_tell_it():
    """The mean of the cues over a city's drivers is that of the city."""
    envs = vector(20_000, split="train", cities=6)
    cues = envs.reset(seed=0)[0][:, :2]
    city = envs.unwrapped.hidden_drivers().city
    means = envs.unwrapped.family.params.cities
    assert set(city) == set(range(6))
    for k in range(6):
        seen = cues[city == k].mean(axis=0)
        assert seen == pytest.approx([means.propensity[k], means.responsiveness[k]], rel=0.05)
    # Cities differ by more than that.
    assert means.propensity.max() / means.propensity.min() > 1.3
    assert means.responsiveness.max() / means.responsiveness.min() > 1.5


# -- references ---------------------------------------------------------------------------------------------


def followed(envs, solution, table):
    """A policy of the solution, as actions."""
    family = envs.unwrapped.family

    def policy(_, day):
        return family.offers(solution.chosen(table, day, envs.unwrapped.hidden_drivers()))

    return policy


@pytest.mark.parametrize("arguments", [{}, {"action": "grid", "budget": 45.0}])
def test_references_are_what_simulated_drivers_earn(arguments):
    """Many rollouts of one driver, by each policy, within four standard errors."""
    number = 8_000
    one, envs = vector(1, **arguments), vector(number, **arguments)
    one.reset(seed=7)
    family, driver = one.unwrapped.family, one.unwrapped.hidden_drivers()
    solution = optimum.solve(family, driver)
    repeated = optimum.Solution(*(np.broadcast_to(v, (number, *v.shape[1:])) for v in vars(solution).values()))
    hidden = {name: getattr(driver, name)[0] for name in ("propensity", "responsiveness", "tilt", "tiring")}
    hidden |= {"discouragement": driver.discouragement[0], "level": driver.level[0]}
    space, coupons = envs.action_space, family.coupons()
    space.seed(0)
    constant = int(solution.constants[0].argmax())

    def earned(policy):
        envs.reset(seed=100)
        alike(envs, **hidden)
        total = 0.0
        for day in range(30):
            total = total + envs.step(policy(None, day))[1]
        return total

    expected = {
        "optimum": (solution.optimum, followed(envs, repeated, repeated.optimal_coupons)),
        "myopic": (solution.myopic, followed(envs, repeated, repeated.myopic_coupons)),
        "random": (solution.random, lambda *_: space.sample()),
        "constant": (solution.constants[:, constant], lambda *_: family.offers(np.full(number, constant))),
        "most": (solution.constants[:, -1], lambda *_: family.offers(np.full(number, len(coupons) - 1))),
    }
    for name, (value, policy) in expected.items():
        returns = earned(policy)
        # Positions of float32 are up to 1e-7 beyond the bounds, and pay 1e-5 for it.
        assert returns.mean() == pytest.approx(value[0], abs=4 * returns.std() / math.sqrt(number) + 1e-3), name


def test_the_optimum_is_above_everything_that_was_tried():
    envs = vector(40, action="grid")
    envs.reset(seed=0)
    family, drivers = envs.unwrapped.family, envs.unwrapped.hidden_drivers()
    solution = optimum.solve(family, drivers)
    assert not solution.constants[:, 0].any()
    assert (solution.optimum[:, None] >= solution.constants).all()
    assert (solution.optimum > np.maximum(solution.myopic, solution.random)).all()
    # More coupons to choose from, more money, fewer days: no worse, no worse, and no better.
    assert (optimum.solve(DriverProgram(split="test", action="grid", budget=300.0), drivers).optimum
            >= solution.optimum - 1e-9).all()  # fmt: skip
    assert (optimum.solve(DriverProgram(split="test", action="grid", horizon=20), drivers).optimum
            <= solution.optimum).all()  # fmt: skip
    last = optimum.solve(DriverProgram(split="test", action="grid", horizon=1), drivers)
    assert last.optimum == pytest.approx(last.constants.max(axis=1))
    assert last.optimum == pytest.approx(last.myopic)


def rested(envs):
    """A policy of what is observed: a coupon within reach of the driver on every other day, two at the end."""

    def policy(observation, day):
        usual = observation[:, 0]
        reach = np.sqrt(np.maximum(observation[:, 1], 0.5) * 25)
        return offers(envs, usual + 0.7 * reach, np.where((observation[:, 7] == 0) | (day > 27), 5, 0))

    return policy


def test_no_simple_policy_is_near_the_optimum():
    """The exploit gate: shares of the optimum that blind and short-sighted policies stay below."""
    envs = vector(24)
    envs.reset(seed=0)
    family = envs.unwrapped.family
    reference = optimum.references_of(family, optimum.solve(family, envs.unwrapped.hidden_drivers()))
    limits = {"random": 0.1, "most": 0.2, "best_constant": 0.35, "myopic": 0.55, "best_driver_constant": 0.75}
    for name, limit in limits.items():
        assert reference.score(getattr(reference, name)) < limit, name
    # And what is observed helps, over many more drivers.
    many = vector(5000)
    target, bonus = reference.best_constant_coupon
    blind = play(many, lambda *_: offers(many, target, round(bonus / 5))).mean()
    assert 0 < 1.5 * blind < play(many, rested(many)).mean() < 0.6 * reference.optimum


# -- faces --------------------------------------------------------------------------------------------------


def test_a_continuous_action_must_be_in_its_box():
    env = gym.make("DriverProgram-v0").unwrapped
    env.reset(seed=0)
    for bad in ([1.01, 0.0], [0.0, -1.5], [np.nan, 0.0]):
        with pytest.raises(ValueError, match=r"environment 0 is not in Box.*ClipAction"):
            env.step(np.array(bad, np.float32))
    envs = vector(3)
    envs.reset(seed=0)
    with pytest.raises(ValueError, match="environment 1 is not in Box"):
        envs.step(np.array([[0, 0], [0, 2], [3, 0]], np.float32))
    with pytest.raises(ValueError, match="shape"):
        envs.step(np.zeros((3, 1), np.float32))


def test_hidden_drivers_are_copies():
    env = gym.make("DriverProgram-v0")
    env.reset(seed=1)
    drivers = env.unwrapped.hidden_drivers()
    first = drivers.propensity.copy()
    drivers.propensity[:] = 99.0
    assert np.array_equal(env.unwrapped.hidden_drivers().propensity, first)


def test_a_picture():
    env = gym.make("DriverProgram-v0", action="grid", render_mode="ansi")
    env.reset(seed=0)
    assert env.render().startswith(
        "day 0  no coupon: 0 orders  paid 0 so far  (hidden: 0 orders without coupons, energy"
    )
    env.step(1)
    assert env.render().startswith("day 1  10 for 5 orders: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "validation"}, "'validation' is unknown: choose 'train' or 'test'"),
        ({"action": "slate"}, "'slate' is unknown: choose 'continuous' or 'grid'"),
        ({"gap": 1.0}, r"gap in \[0, 1\)"),
        ({"cities": 0}, "cities must be at least 1"),
        ({"budget": 0.0}, "budget must be above 0"),
        ({"coupon_ratio": float("nan")}, "coupon_ratio must be above 0"),
        ({"penalty": -1.0}, "penalty must be at least 0"),
        ({"max_bonus": 12.0}, "times bonus_step"),
        ({"target_bounds": (9, 4)}, "the smaller first"),
        ({"cue_std": (1.0,)}, "cue_std must be two numbers"),
        ({"horizon": 0}, "horizon must be from 1"),
    ],
)
def test_bad_arguments_are_told(arguments, message):
    with pytest.raises(ValueError, match=message):
        gym.make("DriverProgram-v0", **arguments)
