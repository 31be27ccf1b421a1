"""Several agents: PettingZoo's contract, seeds, ends, roles, and what the number of agents leaves alone."""

import warnings

import numpy as np
import pytest
from crafter_scenes import scramble
from pettingzoo.test import parallel_api_test

from telos.envs.crafter.env import CrafterEnv, CrafterParallelVectorEnv, CrafterVectorEnv, parallel_env
from telos.envs.crafter.names import ACHIEVEMENTS, ACTIONS, DIAMONDS, DO, GRASS, HEALTH, LAVA, NOOP, TREE, WOOD
from telos.envs.crafter.text import describe

MOVE_RIGHT = ACTIONS.index("move_right")


def play(env, seed, steps=150):
    """Everything that a seeded random team sees and earns in full episodes."""
    seen = []
    rng = np.random.default_rng(0)
    observations, infos = env.reset(seed=seed)
    for _ in range(steps):
        seen.append((observations, infos))
        if not env.agents:
            observations, infos = env.reset()
            continue
        actions = {agent: int(rng.integers(env.action_space(agent).n)) for agent in env.agents}
        observations, rewards, terminated, truncated, infos = env.step(actions)
        seen.append((rewards, terminated, truncated))
    return seen


def test_pettingzoo_api():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parallel_api_test(parallel_env(num_agents=4, size=(24, 24)), num_cycles=300)


def test_seeds():
    first, again, other = (repr(play(parallel_env(num_agents=3), seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_episodes_of_a_seed_differ():
    env = parallel_env(num_agents=2)
    env.reset(seed=3)
    first = env._batch.state.material.copy()
    env.reset()
    assert (env._batch.state.material != first).any()


def test_the_world_does_not_depend_on_the_number_of_agents():
    """But for the cells on which agents stand, which are grass."""
    worlds = {}
    for agents in (1, 2, 16, 64):
        env = CrafterParallelVectorEnv(2, num_agents=agents)
        env.reset(seed=5)
        state = env._batch.state
        places = [list(zip(state.x[row].tolist(), state.y[row].tolist(), strict=True)) for row in range(2)]
        creatures = [
            {places[row][slot]: state.kind[row, slot] for slot in range(agents, state.count[row])} for row in range(2)
        ]
        worlds[agents] = state.material.copy(), creatures, [set(cells[:agents]) for cells in places]
    for material, creatures, players in worlds.values():
        for row in range(2):
            differ = set(zip(*map(np.ndarray.tolist, np.nonzero(material[row] != worlds[1][0][row])), strict=True))
            assert differ <= players[row]
            assert all(material[row][cell] == GRASS for cell in players[row])
            missing = {cell: kind for cell, kind in worlds[1][1][row].items() if cell not in players[row]}
            assert creatures[row] == missing


def test_parallel_vector_and_single_splits_agree():
    envs = CrafterParallelVectorEnv(3, num_agents=2, size=(24, 24), autoreset_mode="Disabled", num_threads=2)
    singles = [parallel_env(num_agents=2, size=(24, 24)) for _ in range(3)]
    observations, _ = envs.reset(seed=7)
    for k, single in enumerate(singles):
        single.reset(seed=7 + k)
    rng = np.random.default_rng(1)
    for _ in range(40):
        actions = rng.integers(0, envs.family.action_space.n, (3, 2))
        observations, rewards, *_ = envs.step(actions)
        for k, single in enumerate(singles):
            own, own_rewards, *_ = single.step(dict(zip(single.agents, actions[k].tolist(), strict=True)))
            for a, agent in enumerate(single.possible_agents):
                assert own_rewards[agent] == rewards[k, a]
                assert all((own[agent][name] == observations[name][k, a]).all() for name in own[agent])


def lonely(env, agent=0):
    """A meadow with the agents on it and nothing else; returns the state."""
    state = env._batch.state
    state.material[...] = GRASS
    state.object_at[...] = 0
    agents = state.inventory.shape[1]
    state.kind[:, agents:], state.count[...] = 0, agents
    for k in range(agents):
        state.object_at[0, state.x[0, k], state.y[0, k]] = k + 1
    return state


def idle(env, **actions):
    return {agent: actions.get(agent, NOOP) for agent in env.agents}


def test_death_ends_the_agent_and_not_the_team():
    env = parallel_env(num_agents=2, size=(20, 20), hostile=False)
    env.reset(seed=0)
    state = lonely(env)
    x, y = int(state.x[0, 0]), int(state.y[0, 0])
    state.material[0, x + 1, y] = LAVA
    _, rewards, terminated, truncated, infos = env.step(idle(env, player_0=MOVE_RIGHT))
    assert terminated == {"player_0": True, "player_1": False}
    assert truncated == {"player_0": False, "player_1": False}
    assert rewards["player_0"] == pytest.approx(-0.9)
    assert infos["player_0"]["discount"] == 0.0
    assert infos["player_1"]["discount"] == 1.0
    assert env.agents == ["player_1"]
    assert state.object_at[0, x + 1, y] == 0


def test_respawn():
    env = parallel_env(num_agents=2, size=(20, 20), hostile=False, respawn=True)
    env.reset(seed=0)
    state = lonely(env)
    x, y = int(state.x[0, 0]), int(state.y[0, 0])
    state.material[0, x + 1, y] = LAVA
    state.inventory[0, 0, WOOD] = 5
    _, rewards, terminated, *_ = env.step(idle(env, player_0=MOVE_RIGHT))
    assert not any(terminated.values())
    assert rewards["player_0"] == pytest.approx(-0.9)
    assert state.inventory[0, 0].tolist() == [9] * 4 + [0] * 12
    assert state.material[0, state.x[0, 0], state.y[0, 0]] == GRASS
    _, rewards, *_ = env.step(idle(env))
    assert rewards["player_0"] == 0.0


def test_goal_ends_the_episode_for_all():
    env = parallel_env(num_agents=3, size=(20, 20), goal="collect_wood")
    env.reset(seed=0)
    state = lonely(env)
    state.material[0, state.x[0, 1], state.y[0, 1] + 1] = TREE
    state.facing[0, 1] = (0, 1)
    _, rewards, terminated, _, infos = env.step(idle(env, player_1=DO))
    assert all(terminated.values())
    assert rewards == {"player_0": 1.0, "player_1": 2.0, "player_2": 1.0}
    assert infos["player_1"]["reward_terms"]["goal"] == infos["player_1"]["reward_terms"]["collect_wood"] == 1.0


def test_team_reward_is_the_mean():
    env = parallel_env(num_agents=4, size=(20, 20), team_reward=True)
    env.reset(seed=0)
    state = lonely(env)
    state.material[0, state.x[0, 1], state.y[0, 1] + 1] = TREE
    state.facing[0, 1] = (0, 1)
    _, rewards, *_ = env.step(idle(env, player_1=DO))
    assert set(rewards.values()) == {0.25}


def test_roles_limit_what_agents_can_do():
    roles = [["collect_*"], ["make_*", "place_*"]]
    env = parallel_env(num_agents=2, size=(20, 20), roles=roles)
    env.reset(seed=0)
    state = lonely(env)
    for agent in range(2):
        state.material[0, state.x[0, agent], state.y[0, agent] + 1] = TREE
        state.facing[0, agent] = (0, 1)
    *_, infos = env.step(idle(env, player_0=DO, player_1=DO))
    assert state.inventory[0, :, WOOD].tolist() == [1, 0]
    assert infos["player_1"]["action_mask"][DO] == 0
    state.inventory[0, :, WOOD] = 3
    state.material[0] = GRASS
    *_, infos = env.step(idle(env))
    assert [infos[agent]["action_mask"][ACTIONS.index("place_table")] for agent in env.agents] == [0, 1]


def test_friendly_fire():
    for fire in (False, True):
        env = parallel_env(num_agents=2, size=(20, 20), friendly_fire=fire, hostile=False)
        env.reset(seed=0)
        state = lonely(env)
        x, y = int(state.x[0, 0]), int(state.y[0, 0])
        state.object_at[0, state.x[0, 1], state.y[0, 1]] = 0
        state.x[0, 1], state.y[0, 1], state.object_at[0, x + 1, y] = x + 1, y, 2
        state.facing[0, 0] = (1, 0)
        env.step(idle(env, player_0=DO))
        assert state.inventory[0, 1, HEALTH] == (8 if fire else 9)


def test_a_peaceful_world_has_no_zombies():
    env = CrafterParallelVectorEnv(8, num_agents=2, hostile=False)
    env.reset(seed=0)
    for _ in range(60):
        env.step(np.zeros((8, 2), int))
    assert set(np.unique(env._batch.state.kind)) <= {0, 13, 14}


def test_the_papers_costs():
    env = CrafterEnv(costs="damcs", size=(20, 20))
    env.reset(seed=0)
    state = lonely(env)
    state.inventory[0, 0, 4:10] = 20
    state.material[0, state.x[0, 0] - 1, state.y[0, 0]] = ACTIONS.index("place_table") + 4  # 12, a furnace
    *_, info = env.step(ACTIONS.index("make_iron_pickaxe"))
    assert info["reward_terms"]["make_iron_pickaxe"] == 1.0
    assert state.inventory[0, 0, DIAMONDS] == 20


def test_agents_act_in_random_order():
    """Two agents want one cell: each gets it about as often as the other, or the first always."""
    wins = {}
    for order in ("random", "fixed"):
        env = CrafterParallelVectorEnv(200, num_agents=2, size=(16, 16), order=order, hostile=False)
        env.reset(seed=0)
        state = env._batch.state
        state.material[...], state.object_at[...], state.kind[:, 2:] = GRASS, 0, 0
        state.count[...] = 2
        for agent, x in enumerate((5, 7)):
            state.x[:, agent], state.y[:, agent], state.object_at[:, x, 5] = x, 5, agent + 1
        env.step(np.tile([MOVE_RIGHT, MOVE_RIGHT - 1], (200, 1)))
        wins[order] = (state.x[:, 0] == 6).mean()
    assert wins["fixed"] == 1.0
    assert 0.35 < wins["random"] < 0.65


def test_fork_and_restore():
    env = parallel_env(num_agents=3, size=(24, 24))
    env.reset(seed=2)
    scramble(env, np.random.default_rng(0))
    snapshot = env.clone_state()
    rng = np.random.default_rng(4)
    actions = [idle(env, **{agent: int(rng.integers(17)) for agent in env.agents}) for _ in range(20)]

    def run():
        env.restore_state(snapshot)
        return repr([env.step({agent: step[agent] for agent in env.agents}) for step in actions if env.agents])

    assert run() == run()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_agents": 65}, "num_agents"),
        ({"size": (8, 64)}, "size"),
        ({"share": "both"}, "share"),
        ({"share": 0}, "share"),
        ({"goal": "collect_gold"}, "goal"),
        ({"roles": [["collect_*"]], "num_agents": 2}, "roles"),
        ({"roles": [["collect_irom"], []], "num_agents": 2}, "collect_iron"),
        ({"obs": "sound"}, "obs"),
        ({"view": (4, 4)}, "view"),
        ({"costs": "free"}, "costs"),
        ({"length": 0}, "length"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        parallel_env(**arguments)


def test_achievements_are_terms():
    assert parallel_env().family.terms[: len(ACHIEVEMENTS)] == ACHIEVEMENTS


def test_the_state_is_the_whole_map():
    env = parallel_env(num_agents=2, size=(20, 30))
    env.reset(seed=0)
    whole = env.state()
    assert whole in env.state_space
    assert (whole[..., 0] == env._batch.state.material[0]).all()
    players = {tuple(cell) for cell in np.argwhere(whole[..., 1] == 13).tolist()}
    assert players == {(int(env._batch.state.x[0, k]), int(env._batch.state.y[0, k])) for k in range(2)}
    assert env.family.visibility["state"] == "privileged"


def test_states_of_many_worlds_are_those_of_each():
    envs = CrafterParallelVectorEnv(3, num_agents=2, size=(20, 30))
    single = parallel_env(num_agents=2, size=(20, 30))
    envs.reset(seed=4)
    envs.step(np.full((3, 2), MOVE_RIGHT))
    whole = envs.state()
    assert whole.shape == (3, 20, 30, 2)
    assert envs.state_space == single.state_space
    for row in range(3):
        single.reset(seed=4 + row)
        single.step(dict.fromkeys(single.agents, MOVE_RIGHT))
        assert (single.state() == whole[row]).all()


def test_texts_are_those_of_each_agent_in_every_face():
    """Also the last one of an episode, where the next one begins at once."""
    arguments = {"num_agents": 2, "size": (20, 20), "obs": "text", "length": 4}
    single = parallel_env(**arguments)
    envs = CrafterParallelVectorEnv(2, autoreset_mode="SameStep", **arguments)
    observations, _ = envs.reset(seed=3)
    seen, _ = single.reset(seed=4)
    assert observations in envs.observation_space
    for step in range(1, 7):
        assert list(observations[1]) == [seen[agent] for agent in single.possible_agents]
        assert all(text in single.observation_space(agent) for agent, text in seen.items())
        text = describe(single._batch.state, 0, 1, single.family.params, single.family.action_names)
        assert seen["player_1"] == text
        observations, _, _, truncated, infos = envs.step(np.full((2, 2), MOVE_RIGHT))
        seen, *_, told = single.step(dict.fromkeys(single.agents, MOVE_RIGHT))
        assert truncated.all() == (step == 4)
        if step == 4:
            assert list(infos["final_obs"][1]) == list(seen.values())
            seen, told = single.reset()
        assert (infos["action_mask"][1] == [told[agent]["action_mask"] for agent in single.agents]).all()


def test_texts_of_one_agent():
    env, envs = CrafterEnv(obs="text", size=(20, 20)), CrafterVectorEnv(2, obs="text", size=(20, 20))
    observation, _ = env.reset(seed=6)
    observations, _ = envs.reset(seed=5)
    assert observation.startswith("You are player_0, awake, on grass")
    assert observation == observations[1]
    assert observations in envs.observation_space
    assert env.step(MOVE_RIGHT)[0] == envs.step([0, MOVE_RIGHT])[0][1]
    scramble(env, np.random.default_rng(0), creatures=20)
    assert env.step(NOOP)[0] in env.observation_space


def test_texts_are_made_on_the_host():
    with pytest.raises(ValueError, match="texts are made on the host"):
        CrafterVectorEnv(2, obs="text", device="cuda")


def test_what_measures_may_read():
    env, envs = parallel_env(num_agents=3, size=(20, 30)), CrafterParallelVectorEnv(2, num_agents=3, size=(20, 30))
    observations, _ = env.reset(seed=1)
    envs.reset(seed=0)
    assert (envs.positions[1] == env.positions).all()
    assert (env.positions == [observations[agent]["position"] + (10, 15) for agent in env.agents]).all()
    assert (env.inventories == [observations[agent]["inventory"] for agent in env.agents]).all()
    assert env.achievements.shape == (3, 22)
    assert not env.achievements.any()
