"""Messages: who hears what, when, and at what price."""

import dataclasses
import os
import pickle
import subprocess
import sys
import warnings
from typing import Literal

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from pettingzoo.test import parallel_api_test

from telos.envs.crafter.env import CrafterParallelVectorEnv, parallel_env
from telos.envs.crafter.names import ACTIONS, GRASS, LAVA, NOOP
from telos.envs.crafter.teamwork import (
    Channel,
    ChannelParallelEnv,
    ChannelParallelVectorEnv,
    Fate,
    Schema,
    Symbols,
    Text,
    Vectors,
)

MOVE_RIGHT = ACTIONS.index("move_right")
SMALL = {"size": (20, 20), "hostile": False}


@dataclasses.dataclass
class Plan:
    goal: Literal["wood", "diamond"]
    needs: dict[str, int]
    cells: list[tuple[int, int]]


def make(channel, agents=3, **arguments):
    env = ChannelParallelEnv(parallel_env(num_agents=agents, **SMALL, **arguments), channel)
    env.reset(seed=0)
    return env


def say(env, **messages):
    """A step in which agents stand still and say these; each is a message, or a pair of message and "to"."""
    actions = {agent: {"action": NOOP} for agent in env.agents}
    for agent, message in messages.items():
        message, to = message if isinstance(message, tuple) else (message, 0)
        actions[agent] |= {"message": message, "to": to}
    return env.step(actions)


def heard(observations):
    """What each agent hears of whom, without silence."""
    return {
        agent: {k: str(np.asarray(said).tolist()) for k, said in enumerate(seen["messages"]) if np.asarray(said).any()}
        for agent, seen in observations.items()
    }


@pytest.mark.parametrize("obs", ["symbolic", "flat"])
@pytest.mark.parametrize("kind", [Symbols(5, 2), Vectors(3), Text(40), Schema(200, record=Plan)])
def test_pettingzoo_api(kind, obs):
    env = ChannelParallelEnv(
        parallel_env(num_agents=3, obs=obs, **SMALL), Channel(kind, 6, delay=1, loss=0.2, price=0.1, addressed=True)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parallel_api_test(env, num_cycles=40)
    observations, infos = env.reset(seed=1)
    for _ in range(30):
        for agent, seen in observations.items():
            assert seen in env.observation_space(agent)
            assert "action_mask" in infos[agent]
        observations, _, _, _, infos = env.step({agent: env.action_space(agent).sample() for agent in env.agents})


def test_everyone_else_hears_a_message_in_the_same_step():
    env = make(Channel(Symbols(9, 2)))
    observations, _, _, _, infos = say(env, player_1=[3, 0], player_2=[1, 9])
    assert heard(observations) == {
        "player_0": {1: "[3, 0]", 2: "[1, 9]"},
        "player_1": {2: "[1, 9]"},
        "player_2": {1: "[3, 0]"},
    }
    assert [infos[agent]["message_size"] for agent in env.agents] == [0, 1, 2]
    assert heard(say(env)[0]) == {"player_0": {}, "player_1": {}, "player_2": {}}


@pytest.mark.parametrize("kind", [Vectors(2), Text(30)])
def test_other_kinds(kind):
    said = "wood, 3 left" if isinstance(kind, Text) else [0.5, -1.0]
    observations, *_ = say(make(Channel(kind)), player_0=said)
    assert heard(observations) == {"player_0": {}, "player_1": {0: str(said)}, "player_2": {0: str(said)}}


def test_schema():
    schema = Schema(200, record=Plan)
    plan = Plan("diamond", {"iron": 1}, [(3, -4)])
    assert schema.decode(schema.encode(plan)) == plan
    assert set(schema.json_schema()["properties"]) == {"goal", "needs", "cells"}
    env = make(Channel(schema))
    wrong = '{"goal":"gold","needs":{},"cells":[]}'
    observations, *_, infos = say(env, player_0=schema.encode(plan), player_1=wrong, player_2="no JSON")
    assert [schema.decode(text) for text in observations["player_1"]["messages"]] == [plan, None, None]
    assert heard(observations)["player_0"] == {}
    assert [infos[agent]["message_size"] for agent in env.agents] == [len(schema.encode(plan)), 0, 0]
    fates = {message.sender: set(message.fates.values()) for message in env.traffic}
    assert fates == {"player_0": {"delivered"}, "player_1": {"malformed"}, "player_2": {"malformed"}}
    assert pickle.loads(pickle.dumps(schema)) == schema
    with pytest.raises(TypeError, match="dataclass"):
        Schema(200, record=dict)


@pytest.mark.parametrize("delay", [0, 1, 4])
def test_delay_is_exact(delay):
    env = make(Channel(Symbols(50), delay=delay))
    for step in range(1, 20):
        observations, *_ = say(env, player_2=[step])
        expected = step - delay
        assert heard(observations)["player_0"] == ({2: f"[{expected}]"} if expected >= 1 else {})
    steps = [(message.step, message.content.item(), set(message.fates.values())) for message in env.traffic]
    done = [(step, step, {"delivered"}) for step in range(1, 20 - delay)]
    assert steps == done + [(step, step, {"under way"}) for step in range(20 - delay, 20)]


def test_messages_go_no_farther_than_their_range():
    env = make(Channel(Symbols(9), range=4), agents=6)
    rng = np.random.default_rng(0)
    counts = {True: 0, False: 0}
    for _ in range(60):
        places = env.unwrapped.positions.astype(int)
        observations, *_ = env.step(
            {agent: {"action": int(rng.integers(1, 5)), "message": [1]} for agent in env.possible_agents}
        )
        for k, agent in enumerate(env.possible_agents):
            for other in range(6):
                near = bool(np.abs(places[k] - places[other]).sum() <= 4) and other != k
                assert (observations[agent]["messages"][other, 0] == 1) == near
                counts[near] += 1
    assert min(counts.values()) > 100
    assert {fate for message in env.traffic for fate in message.fates.values()} == {"delivered", "out of range"}


def test_an_addressed_message_goes_to_one_agent():
    env = make(Channel(Text(20), addressed=True))
    observations, *_ = say(env, player_0=("psst", 3), player_1=("all", 0), player_2=("me", 3))
    assert heard(observations) == {"player_0": {1: "all"}, "player_1": {}, "player_2": {0: "psst", 1: "all"}}
    assert [message.fates for message in env.traffic] == [
        {"player_2": "delivered"},
        {"player_0": "delivered", "player_2": "delivered"},
    ]


def test_bandwidth():
    env = make(Channel(Symbols(9, 3), bandwidth=2, price=1.0))
    observations, rewards, *_ = say(env, player_0=[1, 1, 1], player_1=[1, 0, 1])
    assert heard(observations)["player_2"] == {1: "[1, 0, 1]"}
    assert rewards == {"player_0": 0.0, "player_1": -2.0, "player_2": 0.0}
    env = make(Channel(Text(10), bandwidth=5))
    observations, *_ = say(env, player_0="123456", player_1="12345", player_2="more than ten")
    assert heard(observations)["player_2"] == {1: "12345"}
    assert [set(message.fates.values()) for message in env.traffic] == [{"too long"}, {"delivered"}, {"too long"}]


@pytest.mark.parametrize("delay", [0, 2])
def test_the_log_says_what_was_said_and_heard(delay):
    """In a dangerous world, in which agents die; every message is another one."""
    channel = Channel(Text(30), range=9, delay=delay, loss=0.2, bandwidth=12, addressed=True)
    env = ChannelParallelEnv(parallel_env(num_agents=8, size=(16, 16), friendly_fire=True), channel)
    env.reset(seed=3)
    for name, values in (("inventory", 1), ("health_before", 1)):
        getattr(env.unwrapped._batch.state, name)[0, :, 0] = values  # they die soon
    rng = np.random.default_rng(delay)
    said, came, step = {}, set(), 0
    while env.agents and step < 120:
        step += 1
        acting = list(env.agents)
        actions = {}
        for agent in acting:
            text = f"{agent[7:]} at {step}" + "!" * int(rng.integers(0, 9)) if rng.random() < 0.8 else ""
            to = int(rng.integers(0, 9))
            others = [other for k, other in enumerate(env.possible_agents) if to in (0, k + 1)]
            if text and (to_whom := {other for other in others if other in acting and other != agent}):
                said[text] = (step, agent, to_whom)
            actions[agent] = {"action": int(rng.choice([1, 2, 3, 4, 5])), "message": text, "to": to}
        observations, *_ = env.step(actions)
        for agent, seen in observations.items():
            for sender, text in zip(env.possible_agents, seen["messages"], strict=True):
                if text:
                    assert said[text][:2] == (step - delay, sender)
                    came.add((text, agent))
    log = env.traffic
    assert {m.content: (m.step, m.sender, set(m.fates)) for m in log} == said
    assert {(m.content, agent) for m in log for agent, fate in m.fates.items() if fate == "delivered"} == came
    assert all((len(m.content) > 12) == ("too long" in m.fates.values()) for m in log)
    fates = {fate for m in log for fate in m.fates.values()}
    assert fates >= {"delivered", "gone", "lost", "out of range", "too long"}


def test_prices_are_paid_for_each_unit_and_are_terms():
    """The same game, silent and talking at a price."""
    rng = np.random.default_rng(3)
    silent = parallel_env(num_agents=3, **SMALL)
    env = make(Channel(Symbols(3, 4), price=0.25, loss=0.5))
    silent.reset(seed=0)
    paid = 0.0
    for _ in range(40):
        actions = {agent: int(rng.integers(17)) for agent in env.agents}
        said = {agent: rng.integers(0, 4, 4) for agent in env.agents}
        _, without, *_ = silent.step(actions)
        _, rewards, _, _, infos = env.step(
            {agent: {"action": actions[agent], "message": said[agent]} for agent in said}
        )
        for agent, reward in rewards.items():
            cost = 0.25 * np.count_nonzero(said[agent])
            assert reward == pytest.approx(without[agent] - cost)
            assert infos[agent]["reward_terms"]["message_price"] == pytest.approx(-cost)
            assert sum(infos[agent]["reward_terms"].values()) == pytest.approx(reward)
            paid += cost
    assert paid == 0.25 * sum(message.size for message in env.traffic)


def test_the_dead_neither_speak_nor_hear():
    env = make(Channel(Symbols(9), delay=2))
    state = env.unwrapped._batch.state
    state.material[...], state.object_at[...] = GRASS, 0
    state.kind[:, 3:], state.count[...] = 0, 3
    for k in range(3):
        state.object_at[0, state.x[0, k], state.y[0, k]] = k + 1
    state.material[0, state.x[0, 0] + 1, state.y[0, 0]] = LAVA
    _, _, terminated, *_ = env.step(
        {
            "player_0": {"action": MOVE_RIGHT, "message": [7]},
            "player_1": {"action": NOOP, "message": [8]},
            "player_2": {"action": NOOP},
        }
    )
    assert terminated["player_0"]
    assert heard(say(env, player_1=[1])[0]) == {"player_1": {}, "player_2": {}}
    assert heard(say(env)[0]) == {"player_1": {0: "[7]"}, "player_2": {0: "[7]", 1: "[8]"}}
    fates = [message.fates for message in env.traffic]
    assert fates[0] == {"player_1": "delivered", "player_2": "delivered"}
    assert fates[1] == {"player_0": "gone", "player_2": "delivered"}
    assert fates[2] == {"player_2": "under way"}
    # An action of an agent that is gone is ignored, and so is what it says.
    env.step({agent: {"action": NOOP, "message": [3]} for agent in env.possible_agents})
    assert [message.sender for message in env.traffic if message.step == 4] == ["player_1", "player_2"]


def test_a_new_episode_begins_in_silence():
    env = make(Channel(Symbols(9), delay=1))
    say(env, player_0=[5])
    env.reset()
    assert env.traffic == []
    assert heard(say(env)[0])["player_1"] == {}


def batch(channel, worlds=3, agents=3, **arguments):
    return ChannelParallelVectorEnv(CrafterParallelVectorEnv(worlds, num_agents=agents, **SMALL, **arguments), channel)


def test_loss_rate():
    """Within four standard errors, of each pair, and as often as not of one recipient alone."""
    env = batch(Channel(Vectors(1), loss=0.3), worlds=40, agents=4)
    env.reset(seed=5)
    lost = np.zeros((4, 4))
    alone, steps = 0.0, 25
    for _ in range(steps):
        *_, infos = env.step({"action": np.zeros((40, 4), int), "message": np.ones((40, 4, 1), np.float32)})
        gone = infos["message_fate"] == Fate.LOST
        lost += gone.sum(axis=0)
        alone += (gone[:, 0, 1] & ~gone[:, 0, 2]).mean() / steps
    rates = lost / (40 * steps)
    others = ~np.eye(4, dtype=bool)
    assert np.abs(rates[others] - 0.3).max() < 4 * np.sqrt(0.21 / (40 * steps))
    assert not rates[~others].any()
    assert abs(alone - 0.21) < 4 * np.sqrt(0.21 * 0.79 / (40 * steps))


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_a_batch_goes_through_the_same_messages(mode):
    channel = Channel(Symbols(6, 2), range=7, delay=2, loss=0.3, price=0.5, addressed=True)
    envs = batch(channel, max_episode_steps=9, autoreset_mode=mode)
    singles = [ChannelParallelEnv(parallel_env(num_agents=3, max_episode_steps=9, **SMALL), channel) for _ in range(3)]
    observation, _ = envs.reset(seed=7)
    alone = [single.reset(seed=7 + k)[0] for k, single in enumerate(singles)]
    rng = np.random.default_rng(1)
    for _ in range(32):
        assert observation in envs.observation_space
        for k in range(3):
            for a, agent in enumerate(singles[k].possible_agents):
                for name, values in alone[k][agent].items():
                    assert (values == observation[name][k, a]).all(), name
        actions = {
            "action": rng.integers(0, 17, (3, 3)),
            "message": rng.integers(0, 7, (3, 3, 2)),
            "to": rng.integers(0, 4, (3, 3)),
        }
        observation, rewards, terminated, truncated, infos = envs.step(actions)
        for k, single in enumerate(singles):
            if not single.agents:  # NEXT_STEP: the batch began an episode in this step
                alone[k], _ = single.reset()
                assert not infos["message_size"][k].any()
                continue
            parts = {a: {name: values[k, i] for name, values in actions.items()} for i, a in enumerate(single.agents)}
            alone[k], own, _, ended, own_infos = single.step(parts)
            assert [own[agent] for agent in single.possible_agents] == rewards[k].tolist()
            told = infos["final_info"] if all(ended.values()) and "final_info" in infos else infos
            for a, agent in enumerate(single.possible_agents):
                assert told["message_size"][k, a] == own_infos[agent]["message_size"]
                assert told["reward_terms"]["message_price"][k, a] == own_infos[agent]["reward_terms"]["message_price"]
            if not single.agents and mode is AutoresetMode.SAME_STEP:
                for a, agent in enumerate(single.possible_agents):
                    assert (infos["final_obs"]["messages"][k, a] == alone[k][agent]["messages"]).all()
                alone[k], _ = single.reset()
        over = (terminated | truncated).all(axis=1)
        if mode is AutoresetMode.DISABLED and over.any():
            observation, _ = envs.reset(options={"reset_mask": over})
            for k in np.flatnonzero(over):
                alone[k], _ = singles[k].reset()


def test_copies_hold_the_messages_under_way():
    channel = Channel(Symbols(9), delay=3, loss=0.4)
    env = make(channel, agents=4)
    rng = np.random.default_rng(0)
    actions = [{agent: {"action": 0, "message": rng.integers(0, 9, 1)} for agent in env.agents} for _ in range(12)]
    for step in actions[:4]:
        env.step(step)
    snapshot = env.clone_state()

    def go_on():
        env.restore_state(snapshot)
        return repr([(heard(env.step(step)[0]), env.traffic) for step in actions[4:]])

    assert go_on() == go_on()
    envs = batch(channel)
    envs.reset(seed=0)
    said = [{"action": np.zeros((3, 3), int), "message": rng.integers(0, 9, (3, 3, 1))} for _ in range(9)]
    envs.step(said[0])
    kept = envs.clone_state()
    first = [envs.step(step)[0]["messages"] for step in said[1:]]
    envs.restore_state(kept)
    assert all((envs.step(step)[0]["messages"] == seen).all() for step, seen in zip(said[1:], first, strict=True))


_PLAY = """
from test_channel import *
env = make(Channel(Text(20), range=5, delay=1, loss=0.5), agents=4)
for step in range(20):
    env.step({agent: {"action": 1 + step % 4, "message": f"{agent} {step}"} for agent in env.agents})
print(env.traffic)
"""


def test_processes_agree():
    def play(hash_seed):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        run = subprocess.run([sys.executable, "-c", _PLAY], capture_output=True, text=True, check=True, env=environment)
        return run.stdout

    first = play("1")
    assert first == play("2")
    assert "lost" in first


def test_seeds_and_episodes_differ_in_what_is_lost():
    def losses(env):
        for _ in range(20):
            env.step({agent: {"action": NOOP, "message": [1]} for agent in env.agents})
        return [list(message.fates.values()) for message in env.traffic]

    env = make(Channel(Symbols(1), loss=0.5))
    first = losses(env)
    env.reset()
    second = losses(env)
    env.reset(seed=1)
    third = losses(env)
    env.reset(seed=0)
    assert losses(env) == first
    assert first != second != third != first


def test_the_game_is_the_same_with_a_channel():
    plain, talking = parallel_env(num_agents=3, **SMALL), make(Channel(Vectors(2), loss=0.5, delay=1, range=3))
    plain.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(30):
        actions = {agent: int(rng.integers(17)) for agent in plain.agents}
        seen, *_ = plain.step(actions)
        said = {agent: {"action": action, "message": rng.uniform(-1, 1, 2)} for agent, action in actions.items()}
        other, *_ = talking.step(said)
        assert all((other[agent][name] == values).all() for agent in seen for name, values in seen[agent].items())


def test_a_reset_of_one_world_leaves_the_messages_of_the_others():
    envs = batch(Channel(Symbols(3)), worlds=2, autoreset_mode=AutoresetMode.DISABLED)
    envs.reset(seed=0)
    envs.step({"action": np.zeros((2, 3), int), "message": np.full((2, 3, 1), 2)})
    observation, _ = envs.reset(options={"reset_mask": np.array([True, False])})
    others = ~np.eye(3, dtype=bool)
    assert not observation["messages"][0].any()
    assert (observation["messages"][1, ..., 0] == 2 * others).all()


def test_flat_actions_are_the_same_actions():
    """And the mask covers all options of the one ``MultiDiscrete``."""
    channel = Channel(Symbols(4, 2), addressed=True)
    rng = np.random.default_rng(0)
    for batched in (False, True):
        game = (
            [CrafterParallelVectorEnv(1, num_agents=3, **SMALL) for _ in range(2)]
            if batched
            else [parallel_env(num_agents=3, **SMALL) for _ in range(2)]
        )
        face = ChannelParallelVectorEnv if batched else ChannelParallelEnv
        plain, flat = face(game[0], channel), face(game[1], channel, flat_actions=True)
        plain.reset(seed=0)
        _, infos = flat.reset(seed=0)
        for _ in range(10):
            chosen = rng.integers(0, [17, 4, 5, 5], (3, 4))
            if batched:
                assert chosen[None] in flat.action_space
                mask = infos["action_mask"]
                assert (mask.shape, mask[..., 29:].all()) == ((1, 3, 29 + 4 + 5 + 5), True)
                parts = {"action": chosen[None, :, 0], "to": chosen[None, :, 1], "message": chosen[None, :, 2:]}
                first, (*second, infos) = plain.step(parts), flat.step(chosen[None])
            else:
                space = flat.action_space("player_1")
                assert space.nvec.tolist() == [29, 4, 5, 5]
                assert infos["player_1"]["action_mask"].shape == (space.nvec.sum(),)
                named = dict(zip(flat.agents, chosen, strict=True))
                parts = {a: {"action": c[0], "to": c[1], "message": c[2:]} for a, c in named.items()}
                first, (*second, infos) = plain.step(parts), flat.step(named)
            assert repr(first[:-1]) == repr(tuple(second))
    with pytest.raises(ValueError, match="flat_actions"):
        ChannelParallelEnv(parallel_env(num_agents=2, **SMALL), Channel(Text()), flat_actions=True)


def test_every_part_of_observations_and_infos_is_tagged():
    for obs in ("symbolic", "flat"):
        env = make(Channel(Symbols(3)), obs=obs)
        observations, *_, infos = say(env)
        for agent in env.agents:
            assert {*observations[agent], *infos[agent], "state"} <= env.visibility.keys()
    assert set(env.visibility.values()) == {"local", "team", "privileged"}
    assert env.visibility["messages"] == "team"
    envs = batch(Channel(Symbols(3)))
    observation, _ = envs.reset(seed=0)
    *_, infos = envs.step(envs.action_space.sample())
    assert {*observation, *(name for name in infos if name[0] != "_")} <= envs.visibility.keys()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"range": 0}, "range"), ({"delay": -1}, "delay"), ({"loss": 1.5}, "loss"), ({"price": -1.0}, "price")],
)
def test_wrong_channels(arguments, message):
    with pytest.raises(ValueError, match=message):
        Channel(Symbols(3), **arguments)


def test_wrong_messages():
    env = make(Channel(Symbols(3)))
    for message, error in (([4], "from 0"), ([0.5], "whole"), ([1, 1], "shape")):
        with pytest.raises(ValueError, match=error):
            say(env, player_0=message)
    with pytest.raises(ValueError, match="everyone"):
        say(make(Channel(Symbols(3), addressed=True)), player_0=([1], 4))
    with pytest.raises(ValueError, match="action"):
        env.step(dict.fromkeys(env.agents, NOOP))
    with pytest.raises(ValueError, match="-1 to 1"):
        say(make(Channel(Vectors(1))), player_0=[np.nan])
    with pytest.raises(ValueError, match="text"):
        say(make(Channel(Text())), player_0=3)
    with pytest.raises(ValueError, match="ChannelParallelEnv"):
        batch(Channel(Text()))
    with pytest.raises(ValueError, match="length"):
        Symbols(3, 0)
