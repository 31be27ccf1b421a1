"""Worlds: noise against OpenSimplex's own, statistics against the original's, and every size."""

import numpy as np
import opensimplex
import pytest

from telos.envs.crafter.env import CrafterParallelVectorEnv, CrafterVectorEnv
from telos.envs.crafter.names import COW, GRASS, MATERIALS, SKELETON, ZOMBIE
from telos.envs.crafter.noise import PRECISION, add_noise, noise, shuffle


def table(seed):
    permutation = np.zeros((1, 256), np.uint8)
    with np.errstate(over="ignore"):
        shuffle(0, np.uint64(seed), permutation)
    return permutation


def test_anchors():
    """Of the specification, for the seed 12345."""
    permutation = table(12345)
    assert noise(0, permutation, 0, 0, 0) == pytest.approx(0.0, abs=1e-12)
    assert noise(0, permutation, 10 / 15, 20 / 15, 3) == pytest.approx(-0.295593, abs=1e-6)
    assert noise(0, permutation, 63 / 15, 1 / 15, 7) == pytest.approx(-0.254036, abs=1e-6)


@pytest.mark.parametrize("seed", [0, 7, 2**31 - 2, 2**64 - 3])
def test_noise_is_opensimplex(seed):
    peer, permutation = opensimplex.OpenSimplex(seed), table(seed)
    rng = np.random.default_rng(seed % 1000)
    places = rng.uniform(-40, 40, (1500, 3))
    places[:800] = np.round(places[:800] * 5) / 5  # on edges and corners of the lattice, too
    places[:300, 1] = places[:300, 0]
    for x, y, z in places.tolist():
        assert noise(0, permutation, x, y, z) == pytest.approx(peer.noise3(x, y, z), abs=1e-12)


@pytest.mark.parametrize("size", [3, 15])
def test_strips_are_the_noise(size):
    permutation, field = table(3), np.zeros((1, 2, 8, 30), np.float32)
    add_noise(0, permutation, field, 1, 40, 48, 4, 30, size, 3, 0.5)
    assert (field[0, 0] == 0.0).all()
    assert (field[0, 1, :, :4] == 0.0).all()
    for x in range(40, 48):
        for y in range(4, 30):
            expected = 0.5 * noise(0, permutation, x / size, y / size, 3)
            assert field[0, 1, x - 40, y] == pytest.approx(expected, abs=0.5 * PRECISION)


#: Mean cells and creatures of the original's worlds, over its seeds 0 to 59 (measured with version 1.8.3).
MEANS = {
    **{"water": 878, "grass": 1724, "stone": 606, "path": 365, "sand": 227, "tree": 184, "lava": 36, "coal": 55},
    **{"iron": 17, "diamond": 3.5},
}
CREATURES = {COW: 25.5, ZOMBIE: 14.3, SKELETON: 10.7}


def test_means_are_the_originals():
    """Within 3 standard errors of the difference between 400 of our worlds and 60 of its."""
    env = CrafterVectorEnv(400)
    env.reset(seed=1000)
    state = env._batch.state
    counts = {MATERIALS.index(name): mean for name, mean in MEANS.items()}
    for number, mean in counts.items():
        check_mean((state.material == number).sum(axis=(1, 2)), mean)
    for kind, mean in CREATURES.items():
        check_mean((state.kind == kind).sum(axis=1), mean)


def check_mean(values, expected):
    error = values.std() * np.sqrt(1 / len(values) + 1 / 60)
    assert abs(values.mean() - expected) < 3 * error + 0.5 * (expected > 100)  # the means are rounded


@pytest.mark.parametrize(("size", "agents"), [((9, 9), 1), ((13, 50), 5), ((256, 256), 64)])
def test_sizes(size, agents):
    env = CrafterParallelVectorEnv(1, num_agents=agents, size=size)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(12):
        env.step(rng.integers(0, env.family.action_space.n, (1, agents)))
    state = env._batch.state
    assert set(np.unique(state.material)) <= set(range(1, 13))
    places = {tuple(place) for place in zip(state.x[0, :agents].tolist(), state.y[0, :agents].tolist(), strict=True)}
    assert len(places) == agents
    assert (state.material[0] == GRASS).any()
    filled = np.argwhere(state.object_at[0] > 0)
    slots = state.object_at[0][tuple(filled.T)] - 1
    assert (state.x[0, slots] == filled[:, 0]).all()
    assert (state.y[0, slots] == filled[:, 1]).all()
    assert (state.kind[0, slots] > 0).all()
    assert (state.kind[0] > 0).sum() == len(filled)
