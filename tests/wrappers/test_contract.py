"""What every registered reward transform must do."""

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import RecordEpisodeStatistics
from reward_envs import ACTIONS, MODES, NativeEnv, ScriptedEnv, TermsEnv, maker, play, rollout, same

from telos import wrappers
from telos.wrappers.registry import TRANSFORMS
from telos.wrappers.terms import sum_terms

CASES = [
    pytest.param(name, dict(example), id=f"{name}-{i}")
    for name, entry in TRANSFORMS.items()
    for i, example in enumerate(entry.examples)
]

every_case = pytest.mark.parametrize(("name", "kwargs"), CASES)
every_mode = pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)


def single(name, env, kwargs):
    return getattr(wrappers, name)(env, **kwargs)


def vector(name, envs, kwargs):
    return getattr(wrappers.vector, name)(envs, **kwargs)


def rows_of(name):
    """How many environments to compare faces with: one where environments share what is learned."""
    return 1 if TRANSFORMS[name].load().pooled else 4


def paid_terms(infos, key="reward_terms"):
    """The terms of each row, wherever the step is described, as name -> (values, mask)."""
    parts = [infos, infos.get("final_info", {})]
    for part in parts:
        if key in part:
            yield {k: v for k, v in part[key].items() if not k.startswith("_")}, part[f"_{key}"]


@every_case
def test_terms_sum_to_the_reward(name, kwargs):
    env = single(name, TermsEnv(fail=0.05), kwargs)
    rng = np.random.default_rng(0)
    env.reset(seed=0)
    for _ in range(500):
        _, reward, terminated, truncated, info = env.step(int(rng.integers(3)))
        assert isinstance(reward, float)
        assert sum_terms(info["reward_terms"]) == reward
        assert sum(info["reward_terms"].values()) == pytest.approx(reward, abs=1e-15)
        assert "raw_reward" in info
        if terminated or truncated:
            env.reset()


@every_case
@every_mode
def test_terms_sum_to_the_reward_in_a_vector(name, kwargs, mode):
    envs = vector(name, SyncVectorEnv([maker(fail=0.05)] * 4, autoreset_mode=mode), kwargs)
    for result in play(envs, mode, ACTIONS):
        if len(result) == 5:
            _, rewards, _, _, infos = result
            seen = np.zeros(4, bool)
            for terms, mask in paid_terms(infos):
                assert np.array_equal(sum_terms(terms)[mask], rewards[mask])
                assert not (seen & mask).any()
                seen |= mask
            assert not rewards[~seen].any()


@every_case
@every_mode
@pytest.mark.parametrize("options", [{"fail": 0.1}, {"dtype": "f4"}], ids=["failing", "float32"])
def test_faces_agree(name, kwargs, mode, options):
    n = rows_of(name)
    inside = SyncVectorEnv([lambda: single(name, TermsEnv(**options), kwargs)] * n, autoreset_mode=mode)
    outside = vector(name, SyncVectorEnv([maker(**options)] * n, autoreset_mode=mode), kwargs)
    for a, b in zip(play(inside, mode, ACTIONS[:, :n]), play(outside, mode, ACTIONS[:, :n]), strict=True):
        assert same(a, b)


@pytest.mark.parametrize("name", [name for name, entry in TRANSFORMS.items() if entry.neutral is not None])
def test_faces_agree_without_named_terms(name):
    kwargs, n = TRANSFORMS[name].neutral, rows_of(name)
    inside = SyncVectorEnv([lambda: single(name, TermsEnv(named=False), kwargs)] * n)
    outside = vector(name, SyncVectorEnv([maker(named=False)] * n), kwargs)
    for a, b in zip(play(inside, None, ACTIONS[:, :n]), play(outside, None, ACTIONS[:, :n]), strict=True):
        assert same(a, b)


@every_case
def test_async_vector_agrees(name, kwargs):
    mode = AutoresetMode.SAME_STEP
    a = vector(name, AsyncVectorEnv([maker()] * 4, autoreset_mode=mode), kwargs)
    b = vector(name, SyncVectorEnv([maker()] * 4, autoreset_mode=mode), kwargs)
    for x, y in zip(play(a, mode, ACTIONS[:30]), play(b, mode, ACTIONS[:30]), strict=True):
        assert same(x[:4], y[:4])
        if len(x) == 5:
            for key in ("reward_terms", "raw_reward"):
                assert same(x[4].get(key), y[4].get(key))
    a.close()


@every_case
def test_dummy_steps_pay_nothing_and_touch_nothing(name, kwargs):
    envs = vector(name, SyncVectorEnv([maker(limit=3)], autoreset_mode=AutoresetMode.NEXT_STEP), kwargs)
    envs.reset(seed=0)
    dummies = 0
    done = False
    for _ in range(60):
        before = envs.state_dict()["transform"]
        _, rewards, terminated, truncated, infos = envs.step(np.array([1]))
        if done:
            dummies += 1
            assert rewards == [0.0]
            assert "raw_reward" not in infos
            assert "reward_terms" not in infos
            assert same(envs.state_dict()["transform"], before)
        done = bool(terminated[0] or truncated[0])
    assert dummies == 15


@every_case
def test_state_round_trips_in_mid_episode(name, kwargs):
    env = single(name, TermsEnv(limit=20), kwargs)
    env.reset(seed=1)
    for action in (0, 1, 0):
        env.step(action)
    state = env.state_dict()
    frozen = copy.deepcopy(state["transform"])
    other = single(name, copy.deepcopy(env.env), kwargs)
    other.load_state_dict(state)
    for action in (1, 0, 1, 1, 2):
        assert same(env.step(action), other.step(action))
    assert same(pickle.loads(pickle.dumps(state["transform"])), frozen)
    with pytest.raises(ValueError, match="2 environments"):
        other.load_state_dict({**state, "transform": {**state["transform"], "num_envs": 2}})
    with pytest.raises(ValueError, match="expected state"):
        other.load_state_dict({**state, "transform": {"num_envs": 1, "nonsense": 0}})


@every_case
@every_mode
def test_state_round_trips_in_a_vector(name, kwargs, mode):
    envs = vector(name, SyncVectorEnv([maker()] * 4, autoreset_mode=mode), kwargs)
    envs.reset(seed=2)
    for action in ACTIONS[:25]:
        done = np.logical_or(*envs.step(action)[2:4])
        if mode is AutoresetMode.DISABLED and done.any():
            envs.reset(options={"reset_mask": done})
    other = vector(name, copy.deepcopy(envs.env), kwargs)
    other.load_state_dict(envs.state_dict())
    for action in ACTIONS[25:60]:
        a, b = envs.step(action), other.step(action)
        assert same(a, b)
        done = a[2] | a[3]
        if mode is AutoresetMode.DISABLED and done.any():
            assert same(envs.reset(options={"reset_mask": done}), other.reset(options={"reset_mask": done}))


@every_case
def test_equal_prefixes_are_paid_equally(name, kwargs):
    prefix = [{"outcome": 0.0, "tool": 0.1 * i, "format": -0.3} for i in range(5)]
    futures = [
        [{"outcome": 1.0, "tool": 0.0, "format": 0.0}],
        [{"outcome": -1.0, "tool": 9.0, "format": 9.0}],
        [{"outcome": 0.0, "tool": -2.0, "format": 0.0}] * 4,
    ]
    runs = [rollout(single(name, ScriptedEnv(prefix + future), kwargs), [0] * 20) for future in futures]
    for run in runs[1:]:
        for a, b in zip(runs[0][1:6], run[1:6], strict=True):
            assert same(a, b)


@every_case
def test_truncation_stays_truncation(name, kwargs):
    steps = [{"outcome": 0.0, "tool": 0.1 * i, "format": -0.3} for i in range(5)]
    cut, over = (rollout(single(name, ScriptedEnv(steps, truncated=t), kwargs), [0] * 9) for t in (True, False))
    assert [step[2:4] for step in cut[1:]] == [(False, False)] * 4 + [(False, True)]
    assert [step[2:4] for step in over[1:]] == [(False, False)] * 4 + [(True, False)]
    for a, b in zip(cut[1:-1], over[1:-1], strict=True):
        assert same(a, b)


@pytest.mark.parametrize("name", [name for name, entry in TRANSFORMS.items() if entry.neutral is not None])
@pytest.mark.parametrize("options", [{}, {"named": False}, {"dtype": "f4"}], ids=["named", "unnamed", "float32"])
def test_neutral_settings_pay_the_raw_reward(name, options):
    kwargs = dict(TRANSFORMS[name].neutral)
    plain = SyncVectorEnv([maker(**options)] * 4)
    wrapped = vector(name, SyncVectorEnv([maker(**options)] * 4), kwargs)
    one, other = TermsEnv(**options), single(name, TermsEnv(**options), kwargs)
    for a, b in zip(play(plain, None, ACTIONS), play(wrapped, None, ACTIONS), strict=True):
        assert same(a[:4], b[:4]) if len(a) == 5 else same(a, b)
    for a, b in zip(rollout(one, [0, 1, 1, 2]), rollout(other, [0, 1, 1, 2]), strict=True):
        assert a[1] == b[1]


@every_case
def test_spec_round_trips(name, kwargs):
    env = single(name, gym.make("TelosTestTerms-v0", limit=9), kwargs)
    spec = gym.envs.registration.EnvSpec.from_json(env.spec.to_json())
    assert spec == env.spec
    again = gym.make(spec)
    assert type(again) is type(env)
    assert again.spec == env.spec
    assert same(rollout(env, [0, 1, 1, 0, 2]), rollout(again, [0, 1, 1, 0, 2]))
    assert isinstance(env, gym.utils.RecordConstructorArgs)


@every_case
def test_pickles_in_mid_episode(name, kwargs):
    env = single(name, TermsEnv(), kwargs)
    env.reset(seed=4)
    env.step(1)
    other = pickle.loads(pickle.dumps(env))
    for action in (1, 0, 1, 2):
        assert same(env.step(action), other.step(action))


@every_case
def test_vector_face_pickles(name, kwargs):
    envs = vector(name, NativeEnv(), kwargs)
    envs.reset(seed=4)
    envs.step(np.zeros(3, int))
    other = pickle.loads(pickle.dumps(envs))
    for _ in range(6):
        assert same(envs.step(np.zeros(3, int)), other.step(np.zeros(3, int)))


@every_case
@every_mode
def test_statistics_inside_are_untouched(name, kwargs, mode):
    plain = gym.wrappers.vector.RecordEpisodeStatistics(SyncVectorEnv([maker()] * 4, autoreset_mode=mode))
    inner = gym.wrappers.vector.RecordEpisodeStatistics(SyncVectorEnv([maker()] * 4, autoreset_mode=mode))
    envs = vector(name, inner, kwargs)
    for _ in zip(play(plain, mode, ACTIONS), play(envs, mode, ACTIONS), strict=True):
        pass
    assert list(plain.return_queue) == list(inner.return_queue)
    assert len(inner.return_queue) > 20 or mode is AutoresetMode.DISABLED


@every_case
def test_raw_reward_is_the_environments_own(name, kwargs):
    raw = rollout(RecordEpisodeStatistics(TermsEnv()), [0, 1, 1, 2])
    inner = single(name, RecordEpisodeStatistics(TermsEnv()), kwargs)
    stacked = wrappers.AccumulatedReward(inner, weights={"tool": -3.0})
    for a, b in zip(raw[1:], rollout(stacked, [0, 1, 1, 2])[1:], strict=True):
        assert b[4]["raw_reward"] == a[1]
        assert sum_terms(b[4]["reward_terms"]) == b[1]
    assert raw[-1][4]["episode"]["r"] == b[4]["episode"]["r"]


@every_case
def test_stacks_agree_between_faces(name, kwargs):
    weights, n = {"weights": {"tool": -3.0}}, rows_of(name)
    for mode in MODES:
        inside = [lambda: single("AccumulatedReward", single(name, TermsEnv(), kwargs), weights)] * n
        a = SyncVectorEnv(inside, autoreset_mode=mode)
        b = vector(
            "AccumulatedReward",
            SyncVectorEnv([lambda: single(name, TermsEnv(), kwargs)] * n, autoreset_mode=mode),
            weights,
        )
        c = vector(
            "AccumulatedReward", vector(name, SyncVectorEnv([maker()] * n, autoreset_mode=mode), kwargs), weights
        )
        runs = [play(envs, mode, ACTIONS[:30, :n]) for envs in (a, b, c)]
        for x, y, z in zip(*runs, strict=True):
            assert same(x, y)
            assert same(x, z)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_registry_tells_the_truth(name):
    entry = TRANSFORMS[name]
    transform = entry.load()
    assert transform.public_name() == name
    assert (transform.timing, transform.invariance) == (entry.timing, entry.invariance)
    assert "\n" not in entry.summary
    assert set(transform(**entry.examples[0]).arguments) == set(inspect.signature(transform).parameters)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_faces_are_good_to_look_at(name):
    transform = TRANSFORMS[name].load()
    for module, text in ((wrappers, "environment to wrap"), (wrappers.vector, "vector environment to wrap")):
        face = getattr(module, name)
        assert name in module.__all__
        assert (face.__module__, face.__name__) == (module.__name__, name)
        assert list(inspect.signature(face).parameters) == ["env", *inspect.signature(transform).parameters]
        assert text in inspect.getdoc(face)
    assert repr(single(name, TermsEnv(), {})) == f"<{name}()<TermsEnv instance>>"
    with pytest.raises(TypeError, match=r"telos\.wrappers\.vector"):
        single(name, NativeEnv(), {})
    with pytest.raises(TypeError, match="wraps a VectorEnv"):
        vector(name, TermsEnv(), {})


@pytest.mark.parametrize("module", [wrappers, wrappers.vector, wrappers.parallel])
def test_every_module_has_every_wrapper(module):
    assert set(TRANSFORMS) <= {*dir(module)}
    for name in TRANSFORMS:
        face = getattr(module, name)
        assert face is getattr(module, name)
        assert pickle.loads(pickle.dumps(face)) is face
    with pytest.raises(AttributeError, match=r"'GatdReward'\. Did you mean 'GatedReward'"):
        module.GatdReward  # noqa: B018
    with pytest.raises(ImportError):
        from telos.wrappers import no_such_name  # noqa: F401


def test_import_is_light():
    code = "import telos.wrappers, sys; print([m for m in ('torch', 'numba', 'docker') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
