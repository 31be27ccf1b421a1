"""One agent, and the original beside it under the same luck: they agree in everything, at every step."""

import gymnasium as gym
import numpy as np
import pytest
from crafter_peer import Peer, summary_of
from crafter_scenes import mask_of, scramble

import telos  # noqa: F401


def together(size=(64, 64)):
    env = gym.make("Crafter-v0", size=size)
    env.reset(seed=0)
    return env, Peer(env)


def check_step(env, peer, action):
    """One step of both; returns whether it was the last."""
    reward, done = peer.step(action)
    _, our_reward, terminated, _, _ = env.step(action)
    ours, theirs = summary_of(env), peer.summary()
    assert ours == theirs
    assert (env.unwrapped._batch.state.material[0] == peer.env._world._mat_map).all()
    assert our_reward == pytest.approx(reward, abs=1e-9)
    assert terminated == done
    return done


def test_worlds_are_the_originals():
    env, peer = together()
    for seed in range(6):
        env.reset(seed=seed)
        peer.reset()
        assert (env.unwrapped._batch.state.material[0] == peer.env._world._mat_map).all()
        assert summary_of(env) == peer.summary()


@pytest.mark.parametrize("seed", range(3))
def test_whole_episodes_are_the_originals(seed):
    env, peer = together()
    rng = np.random.default_rng(seed)
    env.reset(seed=seed)
    peer.reset()
    for _ in range(400):
        # A player who walks and digs gets about, meets more, and lives through more nights than a random one.
        if check_step(env, peer, int(rng.choice(17, p=[0.02, *[0.12] * 4, 0.3, 0.05, *[0.015] * 10]))):
            break


def test_scenes_are_the_originals():
    """Crafting, placing, fighting, sleeping, eating, lava and arrows, in states that random play does not reach."""
    env, peer = together((24, 20))
    rng = np.random.default_rng(5)
    acted = np.zeros(17, int)
    for scene in range(1000):
        env.reset(seed=scene)
        scramble(env, rng)
        peer.load()
        for _ in range(3):
            action = int(rng.integers(17)) if rng.random() < 0.3 else int(rng.choice(np.flatnonzero(mask_of(env)[0])))
            acted[action] += 1
            if check_step(env, peer, action):
                break
    assert (acted >= 30).all()
