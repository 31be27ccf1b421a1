"""Masks are exact: an allowed action changes the world as no other does, a masked one is a noop."""

import copy

import numpy as np
import pytest
from crafter_scenes import mask_of, scramble

from telos.envs.crafter.env import CrafterEnv, parallel_env
from telos.envs.crafter.names import ACTIONS, DO, GIVE, GRASS, NOOP
from telos.envs.engine.batch import WhenDone

#: Scratch, and what says nothing about the world.
SCRATCH = ("order", "noise")


def after(batch, snapshot, actions):
    """The state after a step from a snapshot, and what the agents were given."""
    batch.restore(snapshot)
    step = batch.step(actions, WhenDone.NOTHING)
    state = copy.deepcopy(batch.state)
    return state, step


def same(one, other):
    return all((getattr(one, name) == getattr(other, name)).all() for name in one._fields if name not in SCRATCH)


@pytest.mark.parametrize("share", ["adjacent", 3, "any"])
@pytest.mark.parametrize("strict", [True, False])
def test_masks_by_brute_force(strict, share):
    env = parallel_env(num_agents=3, size=(20, 18), share=share, strict=strict, friendly_fire=strict, order="fixed")
    env.reset(seed=0)
    batch, actions = env._batch, env.family.action_space.n
    rng = np.random.default_rng(3)
    effects = np.zeros((2, actions), int)
    for scene in range(60):
        env.reset(seed=scene)
        scramble(env, rng, creatures=4)
        mask, snapshot = mask_of(env), batch.clone()
        agent = int(rng.integers(3))
        joint = np.full((1, 3), NOOP)
        still, _ = after(batch, snapshot, joint)
        for action in range(1, actions):
            joint[0, agent] = action
            changed, step = after(batch, snapshot, joint)
            allowed = mask[agent, action]
            effects[int(allowed), action] += 1
            if not allowed:
                assert same(changed, still), (scene, agent, ACTIONS[action] if action < GIVE else action)
            elif not (action == DO and faces(snapshot.state, agent) == GRASS):  # which has a sapling now and then
                assert not same(changed, still), (scene, agent, action)
            if action >= GIVE:
                assert (step.metrics[0, agent, 2] > 0) == allowed
        batch.restore(snapshot)
    # Agents seldom stand in front of each other; see test_who_gets_a_gift.
    assert (effects[:, 1 : GIVE if share == "adjacent" else actions] > 0).all()


def faces(state, agent):
    x, y = (state.x[0, agent] + state.facing[0, agent, 0], state.y[0, agent] + state.facing[0, agent, 1])
    inside = 0 <= x < state.material.shape[1] and 0 <= y < state.material.shape[2]
    return state.material[0, x, y] if inside else 0


def test_a_mask_of_play_is_that_of_the_state():
    env = CrafterEnv(size=(20, 20))
    _, info = env.reset(seed=1)
    rng = np.random.default_rng(0)
    for _ in range(60):
        assert (info["action_mask"] == mask_of(env)[0]).all()
        _, _, terminated, _, info = env.step(rng.choice(np.flatnonzero(info["action_mask"])))
        if terminated:
            _, info = env.reset()


def test_gifts_conserve_items():
    """Whatever three agents do, what one gives another gets, and nothing else moves between them."""
    env = parallel_env(num_agents=3, size=(20, 18), share="any", hostile=False)
    env.reset(seed=0)
    batch, rng = env._batch, np.random.default_rng(8)
    given = 0
    for scene in range(200):
        env.reset(seed=scene)
        scramble(env, rng, creatures=0)
        mask = mask_of(env)
        batch.state.sleeping[...] = False
        before = batch.state.inventory[0, :, 4:].astype(int).sum(axis=0)
        actions = rng.integers(GIVE, GIVE + 12, (1, 3))
        step = batch.step(actions, WhenDone.NOTHING)
        assert (batch.state.inventory[0, :, 4:].astype(int).sum(axis=0) == before).all()
        given += int((step.metrics[0, :, 2] > 0).sum())
        assert mask.shape == (3, GIVE + 12)
    assert given > 100


def test_who_gets_a_gift():
    """The one in front; or the nearest within range."""
    for share, reached in (("adjacent", 1), (1, 1), (4, 1), ("any", 1)):
        env = parallel_env(num_agents=3, size=(20, 18), share=share, order="fixed")
        env.reset(seed=0)
        state = env._batch.state
        state.material[...] = GRASS
        state.object_at[...] = 0
        state.count[...] = 3
        for agent, (x, y) in enumerate([(5, 5), (6, 5), (5, 8)]):
            state.x[0, agent], state.y[0, agent], state.object_at[0, x, y] = x, y, agent + 1
        state.facing[0, 0] = (1, 0)
        state.inventory[0, 0, 5] = 2
        give_wood = env.family.action_names.index("give_wood")
        *_, infos = env.step({"player_0": give_wood, "player_1": NOOP, "player_2": NOOP})
        assert state.inventory[0, :, 5].tolist() == [1, reached, 0]
        assert infos["player_0"]["given_to"] == 2
        assert infos["player_1"]["given_to"] == 0
        state.facing[0, 0] = (0, 1)
        env.step({"player_0": give_wood, "player_1": NOOP, "player_2": NOOP})
        assert state.inventory[0, :, 5].tolist() == ([1, 1, 0] if share == "adjacent" else [0, 2, 0])


def test_without_sharing_there_are_no_gifts():
    assert parallel_env(num_agents=2, share="off").action_space("player_0").n == len(ACTIONS)
    assert CrafterEnv().action_space.n == len(ACTIONS)
