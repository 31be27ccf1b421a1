"""Costs, limits and the guardian: by hand, by coverage, and by what they do to an episode."""

from __future__ import annotations

import math

import gymnasium as gym
import numpy as np
import pytest
from episodes import InfoEnv, play
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st
from reward_envs import ScriptedEnv, TermsEnv, rollout
from scipy.stats import gaussian_kde

from telos.wrappers import env_face
from telos.wrappers.safety import OODGuardianTransform, SafetyCostTransform
from telos.wrappers.support import KernelSupport

SafetyCost = env_face(SafetyCostTransform, __name__)
OODGuardian = env_face(OODGuardianTransform, __name__)


def tool_use(step):
    return np.maximum(step.terms["tool"], 0.0)


def rows_of_data():
    return np.array([[0.0], [1.0]])


def test_costs_by_hand():
    env = InfoEnv([{"cost": 1.0}, {"cost": 0.5}, {"cost": 0.0}], outcome=2.0)
    paid, info = play(SafetyCost(env, weights={"cost": 0.5}, limits={"cost": 1.0}))
    assert paid == [-0.5, -0.25, 2.0]
    assert info["safety_cost"] == {"cost": {"cost": 1.5}, "exceeded": {"cost": True}}
    assert not play(SafetyCost(env, limits={"cost": 1.5}))[1]["safety_cost"]["exceeded"]["cost"]
    paid, info = play(SafetyCost(env, weights={"cost": 0.0}))
    assert paid == [0.0, 0.0, 2.0]
    assert info["safety_cost"] == {"cost": {"cost": 1.5}, "exceeded": {"cost": False}}


def test_costs_of_every_kind():
    env = ScriptedEnv([{"outcome": 1.0, "tool": 0.5}, {"outcome": 0.0, "tool": -1.0}])
    wrapped = SafetyCost(env, costs={"used": tool_use, "tool": "tool"})
    paid, info = play(wrapped)
    assert paid == [1.5 - 0.5 - 0.5, -1.0 + 1.0]
    assert info["reward_terms"] == {"outcome": 0.0, "tool": -1.0, "cost.used": 0.0, "cost.tool": 1.0}
    assert info["safety_cost"]["cost"] == {"used": 0.5, "tool": -0.5}
    several = SafetyCost(InfoEnv([{"cost": np.array([1.0, 2.0])}]))
    assert play(several)[0] == [-3.0]


def test_costs_start_anew_with_each_episode():
    env = SafetyCost(InfoEnv([{"cost": 1.0}, {"cost": 0.5}]))
    assert play(env)[1]["safety_cost"] == play(env)[1]["safety_cost"]


def test_failed_steps_cost_nothing_and_missing_costs_are_reported():
    env = InfoEnv([{"cost": 1.0}, {"cost": 5.0, "trainable": False}], truncated=True)
    paid, info = play(SafetyCost(env))
    assert paid == [-1.0, 0.0]
    assert info["safety_cost"]["cost"] == {"cost": 1.0}
    with pytest.raises(ValueError, match=r"info\['cost'\] is missing"):
        play(SafetyCost(InfoEnv([{}])))


def test_support_is_a_level_set_of_the_density():
    rng = np.random.default_rng(0)
    data, points = rng.uniform(-3, 7, (60, 2)), rng.uniform(-6, 10, (200, 2))
    support = KernelSupport("test", data, 0.1, 0.3)
    low, high = data.min(axis=0), data.max(axis=0)
    scaled, at = (2 * (part - low) / (high - low) - 1 for part in (data, points))
    exact = np.log(np.exp(-0.5 * ((at[:, None] - scaled) ** 2).sum(axis=2) / 0.3**2).mean(axis=1))
    assert support.log_density(points) == pytest.approx(exact)
    assert np.array_equal(support.contains(points), exact >= support.threshold - 1e-12)


def test_density_is_scipys_in_one_dimension():
    data = np.random.default_rng(1).normal(size=(40, 1))
    low, high = data.min(), data.max()
    scaled = 2 * (data[:, 0] - low) / (high - low) - 1
    kde = gaussian_kde(scaled, bw_method=0.4 / scaled.std(ddof=1))
    points = np.linspace(low - 1, high + 1, 30)
    ours = KernelSupport("test", data, 0.05, 0.4).log_density(points[:, None])
    theirs = np.log(kde(2 * (points - low) / (high - low) - 1))
    assert ours - math.log(0.4 * math.sqrt(2 * math.pi)) == pytest.approx(theirs)


@pytest.mark.parametrize("quantile", [0.0, 0.05, 0.3])
def test_coverage_of_the_data_and_of_new_data(quantile):
    rng = np.random.default_rng(2)
    data, new = rng.normal(size=(800, 2)), rng.normal(size=(2000, 2))
    support = KernelSupport("test", data, quantile, 0.2)
    assert support.contains(data).mean() == pytest.approx(1 - quantile, abs=2 / 800)
    assert support.contains(new).mean() == pytest.approx(1 - quantile, abs=0.04)
    assert not support.contains(np.array([[30.0, 0.0]])).any()


def test_support_does_not_depend_on_units():
    rng = np.random.default_rng(3)
    data, points = rng.normal(size=(50, 2)), rng.normal(size=(100, 2)) * 3
    units = np.array([1e6, 1e-3])
    one = KernelSupport("test", data, 0.1, 0.3).contains(points)
    assert np.array_equal(one, KernelSupport("test", data * units + 5, 0.1, 0.3).contains(points * units + 5))


def test_a_feature_that_never_varies_supports_its_value_alone():
    data = np.column_stack([np.linspace(0, 1, 20), np.full(20, 3.0)])
    support = KernelSupport("test", data, 0.0, 0.5)
    assert support.contains(np.array([[0.5, 3.0], [0.5, 3.1]])).tolist() == [True, False]


class LineEnv(gym.Env):
    """Adds the action to the position; pays the position."""

    observation_space = spaces.Box(-100, 100, (1,), np.float64)
    action_space = spaces.Box(-100, 100, (1,), np.float64)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x, self.t = np.zeros(1), 0
        return self.x, {}

    def step(self, action):
        self.x = self.x + action
        self.t += 1
        return self.x, float(self.x[0]), False, self.t == 4, {}


DATA = [[x, a] for x in (0.0, 1.0, 2.0) for a in (-1.0, 0.0, 1.0)]
WALK = [np.array([a]) for a in (1.0, 9.0, -9.0, 0.0)]


def guarded(**options):
    steps = rollout(OODGuardian(LineEnv(), data=DATA, quantile=0.0, bandwidth=0.3, **options), WALK)[1:]
    return [step[1] for step in steps], steps[-1][4]["ood_guardian"]


def test_the_guardian_by_hand():
    """Step 2 leaves the support by its action, step 3 by its state and action; step 4 is back inside."""
    paid, report = guarded(penalty=5.0, cost=2.0)
    assert paid == [1.0, -5.0, -5.0, -5.0]
    assert report == {"cost": 6.0, "outside": 2, "first": 1}
    paid, report = guarded(penalty=5.0, cost=2.0, mode="penalize")
    assert paid == [1.0, 10.0 - 5.0, 1.0 - 5.0, 1.0]
    assert report == {"cost": 4.0, "outside": 2, "first": 1}


def test_the_guardian_forgets_with_the_episode():
    env = OODGuardian(LineEnv(), data=DATA, quantile=0.0, bandwidth=0.3)
    for _ in range(2):
        rewards = [step[1] for step in rollout(env, WALK)[1:]]
        assert rewards == [1.0, -25.0, -25.0, -25.0]
    inside = rollout(env, [np.array([1.0]), np.zeros(1), np.zeros(1), np.array([-1.0])])
    assert [step[1] for step in inside[1:]] == [1.0, 1.0, 1.0, 0.0]
    assert inside[-1][4]["ood_guardian"] == {"cost": 0.0, "outside": 0, "first": -1}


@given(st.sampled_from([0.1, 0.5, 2.0]), st.integers(0, 3))
def test_penalised_rewards_are_never_above_the_raw_ones(bandwidth, seed):
    env = OODGuardian(LineEnv(), data=DATA, bandwidth=bandwidth, mode="penalize")
    actions = np.random.default_rng(seed).normal(scale=2, size=(4, 1))
    raw = [step[1] for step in rollout(LineEnv(), actions)[1:]]
    paid = [step[1] for step in rollout(env, actions)[1:]]
    assert all(p in (r, pytest.approx(r - 25.0)) for p, r in zip(paid, raw, strict=True))


def test_data_from_files_and_functions(tmp_path):
    path = str(tmp_path / "data.npy")
    np.save(path, rows_of_data())
    options = {"features": "telos.wrappers.safety:actions_only", "quantile": 0.0, "bandwidth": 0.2}
    sources = [[[0.0], [1.0]], path, rows_of_data, f"{__name__}:rows_of_data"]
    runs = [rollout(OODGuardian(TermsEnv(), data=data, **options), [0, 1, 2]) for data in sources]
    for run in runs:
        assert [step[4]["reward_terms"]["guardian"] for step in run[1:]] == [0.0, 0.0, -25.0]
        assert run[-1][4]["ood_guardian"]["first"] == 2


@pytest.mark.parametrize(
    ("face", "kwargs", "match"),
    [
        (SafetyCost, {"costs": ["cost"]}, "must map names"),
        (SafetyCost, {"weights": {"csot": 1.0}}, "Did you mean 'cost'"),
        (SafetyCost, {"limits": {"cost": math.nan}}, "must be a finite number"),
        (OODGuardian, {"mode": "absorbing"}, "Did you mean 'absorb'"),
        (OODGuardian, {"penalty": -25.0}, "must be at least 0"),
        (OODGuardian, {"quantile": 1.0}, r"must be in \[0, 1\)"),
        (OODGuardian, {"bandwidth": 0.0}, "must be above 0"),
        (OODGuardian, {"data": [[1.0]]}, "2 or more rows"),
        (OODGuardian, {"data": [[1.0], [math.nan]]}, "finite numbers"),
        (OODGuardian, {"data": "nowhere:data"}, "could not be imported"),
    ],
)
def test_bad_arguments_are_refused(face, kwargs, match):
    with pytest.raises(ValueError, match=match):
        face(TermsEnv(), **kwargs)


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [({}, "give data"), ({"data": [[0.0], [1.0]]}, "the data have 1 numbers")],
)
def test_data_that_do_not_fit_are_refused_at_the_first_step(kwargs, match):
    env = OODGuardian(TermsEnv(), **kwargs)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=match):
        env.step(0)
