"""Multi-agent families: PettingZoo's face, the vector face with an axis of agents, and Gymnasium's with one agent."""

import pickle
import warnings

import gymnasium as gym
import numpy as np
import pytest
import team
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from pettingzoo.test import parallel_api_test, parallel_seed_test

from telos.envs.bandits.restless import RestlessBandit
from telos.envs.engine.parallel import SimulatedParallelEnv


def same(left, right):
    """Equality of nested dicts of numbers and arrays."""
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return np.array_equal(left, right)


@pytest.mark.parametrize("num_agents", [1, 2, 64])
def test_pettingzoos_own_tests(num_agents):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parallel_api_test(team.TeamParallelEnv(num_agents=num_agents), num_cycles=60)
        parallel_seed_test(lambda: team.TeamParallelEnv(num_agents=num_agents), num_cycles=60)


def test_a_walk_by_hand():
    env = team.TeamParallelEnv(num_agents=2, length=4, pits=0.0)
    assert env.agents == []
    observations, infos = env.reset(seed=4)
    starts = [int(observations[agent]["place"][0]) for agent in env.possible_agents]
    for agent, start in zip(env.agents, starts, strict=True):
        assert infos[agent]["action_mask"].tolist() == [1, 1, 1 - start]
    first, second = env.agents
    observations, rewards, terminated, truncated, infos = env.step({first: 1, second: 0})
    assert rewards == {first: -0.25, second: 0.0}
    assert observations[second]["others"].tolist() == [starts[0] + 1]
    assert infos[first]["place"] == starts[0] + 1
    for _ in range(3 - starts[0]):
        assert not any(terminated.values())
        _, rewards, terminated, truncated, infos = env.step({first: 1, second: 0})
    assert rewards == {first: 0.75, second: 1.0}
    assert infos[first]["reward_terms"] == {"effort": -0.25, "goal": 1.0}
    assert terminated == {first: True, second: True}
    assert truncated == {first: False, second: False}
    assert env.agents == []
    with pytest.raises(gym.error.ResetNeeded):
        env.step({})


def test_an_agent_that_falls_leaves_and_the_others_go_on():
    env = team.TeamParallelEnv(num_agents=5, length=9, pits=0.3)
    sizes = set()
    for seed in range(20):
        env.reset(seed=seed)
        while env.agents:
            before = list(env.agents)
            # The team's rule pays the fallen, too, and the engine must not let it through.
            results = env.step(dict.fromkeys(env.possible_agents, 1))
            assert all(list(part) == before for part in results)
            _, rewards, terminated, _, infos = results
            assert all(sum(infos[agent]["reward_terms"].values()) == rewards[agent] for agent in before)
            assert env.agents == [agent for agent in before if not terminated[agent]]
            sizes.add(len(env.agents))
    assert sizes == {0, 1, 2, 3, 4, 5}


def test_agents_that_are_left_are_truncated_together():
    env = team.TeamParallelEnv(num_agents=6, pits=0.3, max_episode_steps=3)
    env.reset(seed=1)
    fallen = set()
    for _ in range(3):
        acting = list(env.agents)
        _, _, terminated, truncated, _ = env.step(dict.fromkeys(acting, 1))
        fallen |= {agent for agent in acting if terminated[agent]}
    assert 0 < len(fallen) < 6
    assert {agent for agent in acting if truncated[agent]} == set(env.possible_agents) - fallen
    assert env.agents == []


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_the_vector_face_agrees(mode):
    """Row by row and agent by agent, over several episodes that also end by truncation."""
    count, rng = 4, np.random.default_rng(0)
    envs = team.TeamParallelVectorEnv(count, num_agents=3, max_episode_steps=5, autoreset_mode=mode)
    singles = [team.TeamParallelEnv(num_agents=3, max_episode_steps=5) for _ in range(count)]
    names = envs.possible_agents
    observations, _ = envs.reset(seed=7)
    assert observations in envs.observation_space
    for row, env in enumerate(singles):
        first, _ = env.reset(seed=7 + row)
        assert all(same(first[a], {k: v[row, n] for k, v in observations.items()}) for n, a in enumerate(names))
    ends = early = 0
    for _ in range(30):
        actions = rng.integers(3, size=(count, 3))
        was_over = [not env.agents for env in singles]
        observations, rewards, terminated, truncated, infos = envs.step(actions)
        over = (terminated | truncated).all(axis=1)
        for row, env in enumerate(singles):
            if was_over[row]:
                assert mode is AutoresetMode.NEXT_STEP
                fresh, _ = env.reset()
                assert all(same(fresh[a]["place"], observations["place"][row, n]) for n, a in enumerate(names))
                assert not infos["_reward_terms"][row].any()
                assert not terminated[row].any()
                assert not rewards[row].any()
                continue
            acting = list(env.agents)
            seen, earned, died, cut, told = env.step(dict(zip(names, actions[row], strict=True)))
            at_end = mode is AutoresetMode.SAME_STEP and over[row]
            shown = infos["final_obs"] if at_end else observations
            source = infos["final_info"] if at_end else infos
            for n, agent in enumerate(names):
                assert source["_reward_terms"][row, n] == (agent in acting)
                if agent not in acting:
                    assert terminated[row, n]
                    assert rewards[row, n] == 0.0
                    assert source["place"][row, n] == 0.0
                    early += 1
                    continue
                assert same(seen[agent], {key: values[row, n] for key, values in shown.items()})
                assert (earned[agent], died[agent], cut[agent]) == (
                    rewards[row, n],
                    terminated[row, n],
                    truncated[row, n],
                )
                assert all(
                    source["reward_terms"][name][row, n] == value for name, value in told[agent]["reward_terms"].items()
                )
                if not at_end:
                    assert np.array_equal(infos["action_mask"][row, n], told[agent]["action_mask"])
            assert over[row] == (not env.agents)
            if over[row]:
                ends += 1
                if mode is not AutoresetMode.NEXT_STEP:
                    env.reset()
        if mode is AutoresetMode.DISABLED and over.any():
            with pytest.raises(gym.error.ResetNeeded):
                envs.step(actions)
            envs.reset(options={"reset_mask": over})
    assert ends >= 8
    assert early > 0


def test_one_agent_is_gymnasiums_environment():
    single, parallel = team.TeamEnv(num_agents=1), team.TeamParallelEnv(num_agents=1)
    check_env(single, skip_render_check=True)
    envs = team.TeamVectorEnv(2, num_agents=1, autoreset_mode=AutoresetMode.SAME_STEP)
    assert envs.single_action_space == gym.spaces.Discrete(3)
    (agent,) = parallel.possible_agents
    for seed in range(5):
        one, info = single.reset(seed=seed)
        other, infos = parallel.reset(seed=seed)
        rows, _ = envs.reset(seed=seed)
        assert same(one, other[agent])
        assert same(one, {key: values[0] for key, values in rows.items()})
        assert same(info, infos[agent])
        while parallel.agents:
            left, right = single.step(1), [part[agent] for part in parallel.step({agent: 1})]
            assert all(same(a, b) for a, b in zip(left, right, strict=True))
            _, rewards, terminated, _, _ = envs.step(np.ones(2, np.int64))
            assert (rewards[0], terminated[0]) == left[1:3]
            assert rewards.shape == (2,)


def test_states_are_copied_with_the_agents_that_are_left():
    env = team.TeamParallelEnv(num_agents=6, pits=0.4, length=30)
    env.reset(seed=2)
    env.step(dict.fromkeys(env.agents, 1))
    kept, agents = env.clone_state(), list(env.agents)
    assert 0 < len(agents) < 6
    twin = pickle.loads(pickle.dumps(env))

    def play(env):
        results = []
        while env.agents:
            results.append(env.step(dict.fromkeys(env.agents, 1)))
        return results

    futures = [play(env)]
    env.restore_state(pickle.loads(pickle.dumps(kept)))
    assert env.agents == agents
    futures += [play(env), play(twin)]
    assert len(futures[0]) > 0
    for future in futures[1:]:
        for left, right in zip(futures[0], future, strict=True):
            assert all(same(a, b) for a, b in zip(left, right, strict=True))


def test_seeds_and_spaces_are_each_agents_own():
    env = team.TeamParallelEnv(num_agents=2)
    first, second = env.possible_agents
    env.action_space(first).seed(1)
    env.action_space(second).seed(2)
    drawn = [[env.action_space(agent).sample() for _ in range(20)] for agent in (first, second)]
    assert drawn[0] != drawn[1]
    starts = {tuple(int(o["place"][0]) for o in env.reset()[0].values()) for _ in range(40)}
    assert len(starts) == 4


def test_misuse_is_told():
    env = team.TeamParallelEnv(num_agents=2)
    with pytest.raises(gym.error.ResetNeeded):
        env.step({})
    env.reset(seed=0)
    first, second = env.agents
    with pytest.raises(ValueError, match="missing of \\['walker_1'\\]"):
        env.step({first: 0})
    with pytest.raises(ValueError, match="unknown agents \\['runner'\\]"):
        env.step({first: 0, second: 0, "runner": 1})
    with pytest.raises(ValueError, match="'walker_1' must have shape"):
        env.step({first: 0, second: [0, 1]})
    with pytest.raises(ValueError, match="must be integers"):
        env.step({first: 0, second: 0.5})
    with pytest.raises(ValueError, match="is not in Discrete"):
        env.step({first: 0, second: 3})
    with pytest.raises(ValueError, match="render_mode 'films'"):
        team.TeamParallelEnv(render_mode="films")
    with pytest.raises(TypeError, match="did you mean 'num_agents'"):
        team.TeamParallelEnv(num_agent=2)
    with pytest.raises(ValueError, match="has 2 agents"):
        team.TeamEnv(num_agents=2)

    class Alone(SimulatedParallelEnv):
        family_type = RestlessBandit

    with pytest.raises(ValueError, match="declares no agents"):
        Alone()
    shown = team.TeamParallelEnv(num_agents=2, render_mode="ansi")
    observations, _ = shown.reset(seed=0)
    assert shown.render() == " ".join(str(int(o["place"][0])) for o in observations.values())
