"""Environments with several agents as rows: against environments stepped by hand, native against single, names."""

import sys
from functools import partial
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

torch = pytest.importorskip("torch")

from agents_envs import Differ, Mortal  # noqa: E402
from pettingzoo.test import parallel_api_test  # noqa: E402

from telos.baselines.agent_envs import BatchedAgentEnvs  # noqa: E402
from telos.baselines.parallel_agent_envs import ParallelAgentEnvs  # noqa: E402
from telos.baselines.team_envs import find_parallel_env, make_agent_envs, make_training_teams  # noqa: E402
from telos.baselines.team_totals import TeamTotals, evaluate_team  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))
from team import TeamParallelEnv, TeamParallelVectorEnv  # noqa: E402


def allowed_actions(rng, infos, rows, options=3):
    masks = infos.get("action_mask", np.ones((rows, options), np.bool_))
    return np.array([rng.choice(np.flatnonzero(mask)) for mask in masks])


class ByHand:
    """One environment, stepped agent by agent, as PettingZoo describes it."""

    def __init__(self, env, seed):
        self.env = env
        self.observations, self.infos = env.reset(seed=seed)

    def own(self, agent, observations):
        seen = observations[agent]
        return seen["observation"] if isinstance(seen, dict) else seen

    def mask(self, agent):
        seen = self.observations[agent]
        return seen["action_mask"] if isinstance(seen, dict) else self.infos[agent].get("action_mask")

    def state(self, observations, alive):
        if hasattr(self.env, "_state") and "state" in vars(self.env):
            return self.env.state()
        zero = np.zeros(2)
        return np.concatenate([self.own(a, observations) if a in alive else zero for a in self.env.possible_agents])


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    ("mask", "stateful", "late"), [("info", True, False), ("obs", False, False), ("none", False, True)]
)
def test_the_view_is_environments_stepped_by_hand(mask, stateful, late, seed):
    make = partial(Mortal, mask=mask, stateful=stateful, late=late)
    count, agents, rng = 4, Mortal().possible_agents, np.random.default_rng(seed)
    envs = ParallelAgentEnvs(make, count)
    observations, infos = envs.reset(seed=100 * seed)
    hands = [ByHand(make(), 100 * seed + n) for n in range(count)]
    ends = {"terminated": 0, "truncated": 0, "over": 0, "untrainable": 0}
    for _ in range(60):
        assert envs.observation_space.contains(observations)
        for n, hand in enumerate(hands):
            for k, agent in enumerate(agents):
                row, there = 3 * n + k, agent in hand.env.agents
                assert infos["acting"][row] == there
                assert observations["agent"][row] == k
                assert observations["alive"][row].tolist() == [a in hand.env.agents for a in agents]
                assert np.allclose(observations["state"][row], hand.state(hand.observations, hand.env.agents))
                expected = hand.own(agent, hand.observations) if there else np.zeros(2)
                assert np.array_equal(observations["observation"][row], expected)
                if mask != "none":
                    assert infos["action_mask"][row].tolist() == (list(hand.mask(agent) != 0) if there else [True] * 3)
        actions = allowed_actions(rng, infos, 3 * count)
        observations, rewards, terminated, truncated, infos = envs.step(actions)
        for n, hand in enumerate(hands):
            acted = hand.env.agents
            seen, paid, dead, cut, told = hand.env.step({a: actions[3 * n + agents.index(a)] for a in acted})
            for k, agent in enumerate(agents):
                row = 3 * n + k
                assert rewards[row] == paid.get(agent, 0.0)
                assert terminated[row] == dead.get(agent, False)
                assert truncated[row] == cut.get(agent, False)
                assert infos["_reward_terms"][row] == (agent in acted)
                for name, values in infos["reward_terms"].items():
                    assert values[row] == told.get(agent, {}).get("reward_terms", {}).get(name, 0.0)
                trainable = told.get(agent, {}).get("trainable", True)
                assert infos.get("trainable", np.ones(3 * count))[row] == trainable
                ends["untrainable"] += not trainable
                assert infos["episode_over"][row] == (not hand.env.agents)
                if dead.get(agent) or cut.get(agent):
                    assert infos["_final_obs"][row]
                    final = infos["final_obs"]
                    assert np.array_equal(final["observation"][row], hand.own(agent, seen))
                    still = [a for a in agents if (a in acted or a in hand.env.agents) and not dead.get(a)]
                    assert final["alive"][row].tolist() == [a in still for a in agents]
                    assert np.allclose(final["state"][row], hand.state(seen, still))
                    ends["terminated" if dead[agent] else "truncated"] += 1
            hand.observations, hand.infos = seen, told
            if not hand.env.agents:
                hand.observations, hand.infos = hand.env.reset()
                ends["over"] += 1
    assert all(count > 5 for count in ends.values()), ends


@pytest.mark.parametrize("central", [True, False])
def test_the_native_batch_is_the_loop(central):
    kwargs = {"num_agents": 3, "length": 6, "pits": 0.2, "max_episode_steps": 9}
    native = make_agent_envs("team:TeamParallelEnv", kwargs, 5, central=central)
    looped = ParallelAgentEnvs(partial(TeamParallelEnv, **kwargs), 5, central)
    assert isinstance(native, BatchedAgentEnvs)
    assert isinstance(make_agent_envs("team:TeamParallelVectorEnv", kwargs, 5), BatchedAgentEnvs)
    assert native.single_observation_space == looped.single_observation_space
    rng, alone = np.random.default_rng(0), 0
    ours, theirs = native.reset(seed=7), looped.reset(seed=7)
    for _ in range(80):
        same(ours, theirs)
        infos = ours[-1]
        assert native.observation_space.contains(ours[0])
        alone += int((~infos["acting"]).sum())
        actions = allowed_actions(rng, infos, native.num_envs)
        ours, theirs = native.step(actions), looped.step(actions)
    assert alone > 20


def same(ours, theirs):
    assert len(ours) == len(theirs)
    for one, other in zip(ours[:-1], theirs[:-1], strict=True):
        same_value(one, other)
    infos, others = ours[-1], theirs[-1]
    assert infos.keys() == others.keys()
    rows = infos.get("_final_obs")
    for key, value in infos.items():
        if key == "final_obs":
            same_value(row_of(value, rows), row_of(others[key], rows))
        else:
            same_value(value, others[key])


def row_of(value, rows):
    return {k: row_of(v, rows) for k, v in value.items()} if isinstance(value, dict) else value[rows]


def same_value(one, other):
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            same_value(one[key], other[key])
    else:
        assert np.array_equal(one, other)


def test_images_are_joined_along_their_channels():
    class Seers(Differ):
        def __init__(self):
            super().__init__(2, shape=(36, 40, 3))
            for agent in self.possible_agents:
                self.observation_spaces[agent] = spaces.Box(0, 255, (36, 40, 3), np.uint8)

        def look(self):
            self.seen = {a: self.rng.integers(0, 255, (36, 40, 3), np.uint8) for a in self.agents}
            return self.seen

    envs = ParallelAgentEnvs(Seers, 2)
    observations, _ = envs.reset(seed=3)
    assert observations["state"].shape == (4, 36, 40, 6)
    assert observations["state"].dtype == np.uint8
    for row in range(4):
        first = row - row % 2
        assert np.array_equal(observations["state"][row][..., :3], observations["observation"][first])
        assert np.array_equal(observations["state"][row][..., 3:], observations["observation"][first + 1])


def test_episodes_of_the_team_are_counted_below_and_above_wrappers():
    """Twice the work is paid; totals against sums by hand."""
    wrap = ("accumulated:weights.work=2,weights.death=1",)
    training = make_training_teams("agents_envs:Mortal", {}, 3, wrap)
    rng = np.random.default_rng(0)
    _, infos = training.envs.reset(seed=5)
    hands = [ByHand(Mortal(), 5 + n) for n in range(3)]
    expected, running = [], [[0, 0.0, 0.0] for _ in hands]
    agents = Mortal().possible_agents
    for _ in range(40):
        actions = allowed_actions(rng, infos, 9)
        *_, infos = training.envs.step(actions)
        for n, hand in enumerate(hands):
            _, _, _, _, told = hand.env.step({a: actions[3 * n + agents.index(a)] for a in hand.env.agents})
            running[n][0] += 1
            for info in told.values():
                # What is not to be learned from is not paid.
                terms, counts = info["reward_terms"], info.get("trainable", True)
                running[n][1] += terms["work"] + terms["death"]
                running[n][2] += (2 * terms["work"] + terms["death"]) * counts
            if not hand.env.agents:
                expected.append((n, *running[n]))
                running[n] = [0, 0.0, 0.0]
                hand.env.reset()
    raw, paid = training.raw.take(), training.paid.take()
    assert raw["row"].tolist() == paid["row"].tolist() == [episode[0] for episode in expected]
    assert raw["length"].tolist() == [episode[1] for episode in expected]
    assert np.allclose(raw["return"], [episode[2] for episode in expected])
    assert np.allclose(paid["return"], [episode[3] for episode in expected])
    assert np.allclose(raw["work"] + raw["death"], raw["return"])
    assert training.raw.take() == {}


def test_evaluation_plays_a_fixed_share_in_every_environment():
    """Against the same episodes played by hand, one environment after another."""
    envs = TeamTotals(make_agent_envs("agents_envs:Mortal", {}, 3))

    def first_allowed(observations, infos, begins):
        return 1 - begins  # 1 behind the first step: agents die at different times.

    found = evaluate_team(envs, first_allowed, 7, seed=50)
    expected = []
    for n, share in enumerate((3, 2, 2)):
        env = Mortal()
        env.reset(seed=50 + n)
        for _ in range(share):
            paid, length = dict.fromkeys(env.possible_agents, 0.0), 0
            while env.agents:
                _, rewards, *_ = env.step(dict.fromkeys(env.agents, int(length > 0)))
                length += 1
                for agent, reward in rewards.items():
                    paid[agent] += reward
            expected.append((length, *paid.values()))
            env.reset()
    expected = np.array(expected)
    assert found.lengths.tolist() == expected[:, 0].tolist()
    for k in range(3):
        assert np.allclose(found.terms[f"return_agent_{k}"], expected[:, 1 + k])
    assert np.allclose(found.returns, expected[:, 1:].sum(1))
    assert np.allclose(found.terms["work"] + found.terms["death"], found.returns)


def test_the_environments_of_these_tests_are_as_pettingzoo_has_them():
    parallel_api_test(Differ(), num_cycles=20)
    parallel_api_test(Mortal(mask="none"), num_cycles=20)


class Leaver(Differ):
    def step(self, actions):
        result = super().step(actions)
        self.agents = self.agents[:1]
        return result


class Unequal(Differ):
    def __init__(self):
        super().__init__()
        self.observation_spaces["agent_1"] = spaces.Box(-1.0, 1.0, (3,))


def test_environments_that_do_not_fit_are_told_so():
    with pytest.raises(ValueError, match="same observation space, but 'agent_0' has"):
        ParallelAgentEnvs(Unequal, 2)
    with pytest.raises(TypeError, match="no PettingZoo ParallelEnv"):
        ParallelAgentEnvs(partial(gym.make, "CartPole-v1"), 2)
    envs = ParallelAgentEnvs(Leaver, 2)
    envs.reset(seed=0)
    with pytest.raises(ValueError, match=r"'agent_1' of .* left without"):
        envs.step(np.zeros(4, np.int64))
    with pytest.raises(ValueError, match="SameStep"):
        BatchedAgentEnvs(TeamParallelVectorEnv(2))
    with pytest.raises(ValueError, match="3 entries for 2"):
        envs.reset(seed=[1, 2, 3])
    with pytest.raises(ValueError, match="reset option 'x'"):
        ParallelAgentEnvs(Differ, 2).reset(options={"x": 1})


def test_every_environment_is_closed_also_where_making_them_fails():
    closed = []

    class Fragile(Differ):
        def __init__(self):
            super().__init__()
            if Fragile.made == 2:
                raise OSError("no more")
            Fragile.made += 1

        def close(self):
            closed.append(self)

    Fragile.made = 0
    with pytest.raises(OSError, match="no more"):
        ParallelAgentEnvs(Fragile, 3)
    assert len(closed) == 2


@pytest.mark.parametrize(
    ("name", "message"),
    [("CartPole-v1", "has one agent"), ("CartPol-v1", "Did you mean 'CartPole-v1'"),
     ("agents_envs:Difer", "Did you mean 'Differ'"), ("pettingzoo.sisl.pursuit_v1", "Did you mean 'pursuit_v5'"),
     ("nowhere.at_all:env", "no module 'nowhere'"), ("agents_envs", "package.module:callable")],
)  # fmt: skip
def test_a_wrong_name_suggests_the_right_one(name, message):
    with pytest.raises(ValueError, match=message):
        find_parallel_env(name)


def test_modules_of_the_working_directory_are_found(tmp_path, monkeypatch):
    (tmp_path / "own_team_of_a_user.py").write_text("def parallel_env():\n    return 1\n")
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    monkeypatch.chdir(tmp_path)
    for name in ("own_team_of_a_user", "own_team_of_a_user:parallel_env"):
        assert find_parallel_env(name)() == 1


def test_a_registered_id_has_its_parallel_env(monkeypatch):
    monkeypatch.setattr(sys.modules["agents_envs"], "parallel_env", Differ, raising=False)
    gym.register("test_agent_envs/Differ-v0", "agents_envs:Alone")
    try:
        assert find_parallel_env("test_agent_envs/Differ-v0") is Differ
    finally:
        del gym.registry["test_agent_envs/Differ-v0"]


class TensorTeam(TeamParallelVectorEnv):
    """Hands out tensors, as batches on a GPU do."""

    def reset(self, **kwargs):
        return as_tensors(super().reset(**kwargs))

    def step(self, actions):
        return as_tensors(super().step(actions.numpy()))


def as_tensors(value):
    if isinstance(value, dict):
        return {key: as_tensors(part) for key, part in value.items()}
    return tuple(map(as_tensors, value)) if isinstance(value, tuple) else torch.as_tensor(value)


def test_a_batch_of_tensors_stays_one():
    kwargs = {"num_agents": 3, "length": 6, "pits": 0.2, "autoreset_mode": "SameStep"}
    envs = [TeamTotals(BatchedAgentEnvs(batch(5, **kwargs))) for batch in (TeamParallelVectorEnv, TensorTeam)]
    rng, (ours, theirs) = np.random.default_rng(0), (env.reset(seed=3) for env in envs)
    for _ in range(40):
        assert isinstance(theirs[0]["state"], torch.Tensor)
        same(ours, as_arrays(theirs))
        actions = allowed_actions(rng, ours[-1], 15)
        ours, theirs = envs[0].step(actions), envs[1].step(torch.as_tensor(actions))
    same_value(envs[0].take(), envs[1].take())


def as_arrays(value):
    if isinstance(value, dict):
        return {key: as_arrays(part) for key, part in value.items()}
    return tuple(map(as_arrays, value)) if isinstance(value, tuple) else value.numpy()
