"""The face for PettingZoo's parallel environments."""

from __future__ import annotations

import copy
import inspect
import pickle

import numpy as np
import pytest
from agents_env import AloneEnv, TeamEnv
from pettingzoo.test import parallel_api_test
from reward_envs import NativeEnv, TermsEnv, same

from telos import wrappers
from telos.wrappers import sum_terms
from telos.wrappers.registry import TRANSFORMS

CASES = [
    pytest.param(name, dict(example), id=f"{name}-{i}")
    for name, entry in TRANSFORMS.items()
    for i, example in enumerate(entry.examples)
]
ACTIONS = np.random.default_rng(2).choice(3, (40, 3), p=[0.4, 0.45, 0.15])

every_case = pytest.mark.parametrize(("name", "kwargs"), CASES)


def team(name, kwargs, **options):
    return getattr(wrappers.parallel, name)(TeamEnv(**options), **kwargs)


def play(env, actions, seed=0):
    """Plays two episodes, of all agents; yields what ``reset`` and ``step`` return."""
    for episode in range(2):
        yield env.reset(seed=seed if episode == 0 else None)
        for row in actions:
            if not env.agents:
                break
            yield env.step({agent: int(row[env.possible_agents.index(agent)]) for agent in env.agents})


@every_case
def test_each_agent_is_paid_as_if_it_were_alone(name, kwargs):
    pooled = TRANSFORMS[name].load().pooled
    together = list(play(team(name, kwargs, fail=0.05), ACTIONS))
    for k, agent in enumerate(TeamEnv().possible_agents):
        if pooled:  # What an agent is paid depends on the others: a team of one.
            together = list(play(team(name, kwargs, fail=0.05, agents=1, first=k), ACTIONS[:, [k]]))
        single = getattr(wrappers, name)(AloneEnv(k, fail=0.05), **kwargs)
        expected = [single.reset(seed=0)]
        for row in ACTIONS:
            expected.append(single.step(int(row[k])))
            if expected[-1][2] or expected[-1][3]:
                break
        for step, result in zip(expected, together, strict=False):
            assert same(step, tuple(part[agent] for part in result))
        assert len(expected) > 1


@pytest.mark.parametrize("kwargs", TRANSFORMS["RewardRedistribution"].examples[1:], ids=str)
def test_each_agent_has_a_model_of_its_own(kwargs):
    together = team("RewardRedistribution", kwargs, lag=0)
    alone = [wrappers.RewardRedistribution(AloneEnv(k, lag=0), **kwargs) for k in range(3)]
    predicted = set()
    for episode, actions in enumerate(ACTIONS[:18].reshape(3, 6, 3) % 2):
        for env in (together, *alone):
            env.reset(seed=None if episode else 0)
        for row in actions:
            results = together.step(dict(zip(together.possible_agents, row.tolist(), strict=True)))
            for agent, env, action in zip(together.possible_agents, alone, row.tolist(), strict=True):
                assert same(env.step(action), tuple(part[agent] for part in results))
        predicted |= {info["reward_redistribution"]["predicted"] for info in results[4].values()}
    assert len(predicted) == 7  # 0 in the first episode


@every_case
def test_terms_sum_to_the_reward_of_each_agent(name, kwargs):
    steps = 0
    for result in play(team(name, kwargs, fail=0.05), ACTIONS):
        if len(result) == 5:
            _, rewards, _, _, infos = result
            assert rewards.keys() == infos.keys()
            for agent, reward in rewards.items():
                assert isinstance(reward, float)
                assert sum_terms(infos[agent]["reward_terms"]) == reward
                assert "raw_reward" in infos[agent]
                steps += 1
    assert steps > 10


@every_case
def test_state_round_trips_in_mid_episode(name, kwargs):
    env = team(name, kwargs, limit=20)
    env.reset(seed=1)
    for row in ([0, 1, 1], [1, 2, 0]):
        env.step({agent: row[env.possible_agents.index(agent)] for agent in env.agents})
    other = getattr(wrappers.parallel, name)(copy.deepcopy(env.env), **kwargs)
    other.load_state_dict(env.state_dict())
    third = pickle.loads(pickle.dumps(env))
    for row in ([1, 0, 1], [0, 0, 1], [2, 0, 2]):
        actions = {agent: row[env.possible_agents.index(agent)] for agent in env.agents}
        result = env.step(actions)
        assert same(result, other.step(actions))
        assert same(result, third.step(actions))
    wrong = env.state_dict()
    wrong["transform"]["num_envs"] = 2
    with pytest.raises(ValueError, match="2 environments"):
        env.load_state_dict(wrong)


@every_case
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_pettingzoos_own_test_accepts_a_wrapped_environment(name, kwargs):
    parallel_api_test(team(name, kwargs, limit=4), num_cycles=30)


@pytest.mark.parametrize("name", [name for name, entry in TRANSFORMS.items() if entry.neutral is not None])
@pytest.mark.parametrize("named", [True, False])
def test_neutral_settings_pay_the_raw_reward(name, named):
    plain, wrapped = TeamEnv(named=named), team(name, TRANSFORMS[name].neutral, named=named)
    for a, b in zip(play(plain, ACTIONS), play(wrapped, ACTIONS), strict=True):
        assert same(a[:4], b[:4]) if len(a) == 5 else same(a, b)


def test_stacks_run_as_one_and_pay_the_same():
    class Between(type(wrappers.parallel.AccumulatedReward(TeamEnv()))):
        """Overrides ``step``, so that the stack is cut here."""

        def step(self, actions):
            return super().step(actions)

    inside = [face(TeamEnv(), weights={"tool": 2.0}) for face in (wrappers.parallel.AccumulatedReward, Between)]
    as_one, apart = (list(play(wrappers.parallel.GatedReward(env, threshold=-1.0), ACTIONS)) for env in inside)
    assert same(as_one, apart)
    last_info = next(iter(as_one[-1][4].values()))
    assert {"accumulated_reward", "gated_reward", "raw_reward"} <= last_info.keys()


def test_one_agents_infrastructure_failure_is_its_own():
    env = team("GatedReward", {"threshold": -1.0}, fail=0.3)
    opened = {False: [], True: []}
    for result in play(env, np.ones((40, 3), int)):
        for info in result[4].values() if len(result) == 5 else ():
            if "gated_reward" in info:
                opened["trainable" in info].append(info["gated_reward"]["open"]["tool"])
                if "trainable" in info:
                    assert set(info["reward_terms"].values()) == {0.0}
    assert opened[True]
    assert not any(opened[True])
    assert all(opened[False])


@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_class_is_good_to_look_at(name):
    face = getattr(wrappers.parallel, name)
    assert (face.__module__, face.__name__) == ("telos.wrappers.parallel", name)
    assert "parallel environment to wrap" in inspect.getdoc(face)
    assert pickle.loads(pickle.dumps(face)) is face


def test_what_is_no_parallel_environment_is_refused():
    for env in (TermsEnv(), NativeEnv()):
        with pytest.raises(TypeError, match="wraps a PettingZoo ParallelEnv"):
            wrappers.parallel.GatedReward(env)
