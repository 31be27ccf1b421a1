"""The faces themselves: what a transform sees, and what environments of every kind get back."""

from __future__ import annotations

from typing import ClassVar

import gymnasium as gym
import numpy as np
import pytest
from episodes import transition
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given
from hypothesis import strategies as st
from probes import ProbeReward, VectorProbeReward
from reward_envs import MODES, NativeEnv, ScriptedEnv, TermsEnv, same

from telos import wrappers
from telos.wrappers import sum_terms
from telos.wrappers.hindsight import EpisodeLog


@pytest.mark.parametrize("kind", ["box", "discrete", "text", "dict"])
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
@pytest.mark.parametrize("copy", [True, False])
def test_observing_transforms_see_the_same_through_both_faces(kind, mode, copy):
    inside = SyncVectorEnv([lambda: ProbeReward(TermsEnv(kind=kind), scale=0.5)] * 3, autoreset_mode=mode, copy=copy)
    plain = SyncVectorEnv([lambda: TermsEnv(kind=kind)] * 3, autoreset_mode=mode, copy=copy)
    outside = VectorProbeReward(plain, scale=0.5)
    for envs in (inside, outside):
        envs.action_space.seed(0)
    assert same(inside.reset(seed=0), outside.reset(seed=0))
    ends = 0
    for _ in range(60):
        a, b = inside.step(inside.action_space.sample()), outside.step(outside.action_space.sample())
        assert same(a, b)
        done = a[2] | a[3]
        ends += done.sum()
        if mode is AutoresetMode.DISABLED and done.any():
            mask = {"reset_mask": done}
            assert same(inside.reset(options=dict(mask)), outside.reset(options=mask))
            assert "reset_mask" in mask
    assert ends > 10


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_native_environments_that_reuse_their_buffers(mode):
    envs = wrappers.vector.AccumulatedReward(NativeEnv(autoreset_mode=mode), weights={"tool": 2.0})
    envs.reset()
    lengths, totals = [], []
    length, total = np.zeros(3, int), np.zeros(3)
    dummy = np.zeros(3, bool)
    kept = []
    for _ in range(25):
        _, rewards, terminated, _, infos = envs.step(np.zeros(3, int))
        kept.append((rewards, rewards.copy(), infos["raw_reward"], infos["raw_reward"].copy()))
        assert rewards.dtype == np.float32
        assert not rewards[dummy].any()
        assert np.array_equal(infos["_reward_terms"], ~dummy)
        assert np.array_equal(sum_terms({k: v for k, v in infos["reward_terms"].items() if k[0] != "_"}), rewards)
        length += ~dummy
        total += rewards
        for i in np.flatnonzero(terminated):
            lengths.append((i, length[i]))
            totals.append((i, total[i]))
            assert infos["accumulated_reward"]["raw"]["tool"][i] == 0.25 * (2 + i)
            length[i] = total[i] = 0
        dummy = terminated.copy() if mode is AutoresetMode.NEXT_STEP else dummy
        if mode is AutoresetMode.DISABLED and terminated.any():
            envs.reset(options={"reset_mask": terminated.copy()})
    assert set(lengths) == {(0, 2), (1, 3), (2, 4)}
    assert set(totals) == {(i, 1 + 0.5 * (2 + i)) for i in range(3)}
    assert all(np.array_equal(a, b) and np.array_equal(c, d) for a, b, c, d in kept)


def test_rows_left_waiting_under_disabled_pay_nothing():
    envs = wrappers.vector.GatedReward(NativeEnv(autoreset_mode=AutoresetMode.DISABLED))
    envs.reset()
    paid = [envs.step(np.zeros(3, int))[1].tolist() for _ in range(5)]
    assert paid == [[0, 0, 0], [1.5, 0, 0], [0, 1.75, 0], [0, 0, 2.0], [0, 0, 0]]
    envs.reset(options={"reset_mask": np.array([True, False, False])})
    assert [envs.step(np.zeros(3, int))[1].tolist() for _ in range(2)] == [[0, 0, 0], [1.5, 0, 0]]


def test_reset_in_mid_episode_forgets_the_episode():
    env = wrappers.GatedReward(ScriptedEnv([{"outcome": 0.0, "tool": 1.0}] * 3))
    env.reset()
    env.step(0)
    env.reset()
    for _ in range(3):
        reward = env.step(0)[1]
    assert reward == 3.0


def test_the_environments_own_info_is_left_alone():
    class Stubborn(ScriptedEnv):
        info: ClassVar[dict] = {"reward_terms": {"outcome": 1.0}}

        def step(self, action):
            return (*super().step(action)[:4], self.info)

    env = wrappers.AccumulatedReward(Stubborn([{"outcome": 1.0}] * 3), weights={"outcome": 2.0})
    env.reset()
    for _ in range(3):
        assert env.step(0)[4]["raw_reward"] == 1.0
    assert Stubborn.info == {"reward_terms": {"outcome": 1.0}}


@pytest.mark.parametrize(
    "face", [wrappers.AccumulatedReward, lambda e: wrappers.vector.AccumulatedReward(SyncVectorEnv([lambda: e]))]
)
def test_a_reward_changed_behind_the_terms_is_refused(face):
    env = face(gym.wrappers.TransformReward(ScriptedEnv([{"outcome": 1.0, "tool": 1.0}]), lambda r: r / 3))
    env.reset()
    with pytest.raises(ValueError, match=r"sums to 2\.0, but the reward is 0\.666.*put that wrapper outside"):
        env.step(np.zeros(1, int))


def test_any_gymnasium_environment_has_one_term():
    env = wrappers.AccumulatedReward(gym.make("CartPole-v1"), weights={"reward": 0.5})
    env.reset(seed=0)
    _, reward, _, _, info = env.step(0)
    assert (reward, info["raw_reward"], info["reward_terms"]) == (0.5, 1.0, {"reward": 0.5})
    envs = wrappers.vector.GatedReward(gym.make_vec("CartPole-v1", 2), priorities={})
    envs.reset(seed=0)
    assert envs.step(np.zeros(2, int))[1].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("name", ["AccumulatedReward", "GatedReward"])
def test_integer_terms_are_paid_as_floats(name):
    steps = [[{"outcome": 0, "tool": 1}] * n + [{"outcome": 1, "tool": np.float32(0.5)}] for n in (1, 2)]
    kwargs = {"weights": {"tool": 0.3}}
    inside = SyncVectorEnv([lambda s=s: getattr(wrappers, name)(ScriptedEnv(s), **kwargs) for s in steps])
    outside = getattr(wrappers.vector, name)(SyncVectorEnv([lambda s=s: ScriptedEnv(s) for s in steps]), **kwargs)
    inside.reset()
    outside.reset()
    for _ in range(4):
        a, b = inside.step(np.zeros(2, int)), outside.step(np.zeros(2, int))
        assert np.allclose(a[1], b[1])
        assert b[4]["reward_terms"]["tool"].dtype.kind == "f"
        for _, _, _, _, infos in (a, b):
            values = {k: v for k, v in infos["reward_terms"].items() if k[0] != "_"}
            assert np.array_equal(sum_terms(values), a[1] if infos is a[4] else b[1])


@pytest.mark.filterwarnings("ignore:.*is different from the unwrapped version")
def test_gymnasiums_checker_accepts_a_wrapped_environment():
    from gymnasium.utils.env_checker import check_env

    check_env(wrappers.AccumulatedReward(gym.make("TelosTestTerms-v0").unwrapped), skip_render_check=True)


def test_missing_autoreset_mode():
    envs = NativeEnv()
    envs.metadata = {}
    with pytest.warns(UserWarning, match=r"assumes AutoresetMode\.NEXT_STEP"):
        wrappers.vector.AccumulatedReward(envs)
    envs.metadata = {"autoreset_mode": "NextStep"}
    with pytest.raises(TypeError, match="to be an AutoresetMode"):
        wrappers.vector.AccumulatedReward(envs)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8))
def test_sum_terms_adds_from_left_to_right(values):
    expected = values[0]
    for value in values[1:]:
        expected = expected + value
    terms = {str(i): value for i, value in enumerate(values)}
    assert sum_terms(terms) == expected
    batch = sum_terms({name: np.array([value, 0.0]) for name, value in terms.items()})
    assert batch.tolist() == [expected, 0.0]


def test_sum_terms_is_never_one_of_the_terms():
    term = np.ones(2)
    assert not np.shares_memory(sum_terms({"a": term}), term)
    with pytest.raises(ValueError, match="no reward terms"):
        sum_terms({})


def test_the_log_grows_and_forgets():
    log = EpisodeLog(2, capacity=2)

    def add(terms, active, into=log):
        step = transition(2, terms={name: np.array(v, float) for name, v in terms.items()}, active=np.array(active))
        into.append(step)
        return step

    def steps(env, name="a", of=log):
        return of.episode(env, transition(2)).terms[name].tolist()

    for t in range(5):
        add({"a": [t, -t]}, [True, t % 2 == 0])
    add({"b": [9.0, 9.0]}, [False, True])
    assert steps(0) == [0, 1, 2, 3, 4]
    assert steps(1) == [0, -2, -4, 0]
    assert steps(1, "b") == [0, 0, 0, 9]
    other = EpisodeLog(2, capacity=2)
    other.load_state_dict(log.state_dict())
    for each in (log, other):
        each.reset(np.array([True, False]))
        add({"a": [7.0, 7.0]}, [True, True], each)
        assert steps(0, of=each) == [7.0]
        assert steps(1, of=each) == [0, -2, -4, 0, 7]
