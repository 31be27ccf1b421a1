"""Bonuses of networks that learn: by hand from their weights, and what they are there for."""

from __future__ import annotations

import copy
import math

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from reward_envs import NativeEnv, TermsEnv, maker, rollout, same

from telos import wrappers
from telos.wrappers.registry import TRANSFORMS

torch = pytest.importorskip("torch")

NAMES = ["RND", "ICM", "Disagreement", "RIDE"]
SMALL = {"hidden": 16, "size": 8, "warmup": 0, "batch_size": 4}
every_bonus = pytest.mark.parametrize("name", NAMES)


def arguments(name, **more):
    return SMALL | ({} if name == "RND" else {"num_actions": 3}) | more


def term(name):
    return f"{name.lower()}_bonus"


class WalkEnv(gym.Env):
    """Shows points of a list, one after the other; the action is not looked at."""

    action_space = spaces.Discrete(3)

    def __init__(self, points):
        self.points = np.asarray(points)
        low, high = (0, 255) if self.points.dtype == np.uint8 else (-np.inf, np.inf)
        self.observation_space = spaces.Box(low, high, self.points.shape[1:], self.points.dtype)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return self.points[0], {}

    def step(self, action):
        self.t += 1
        return self.points[self.t], 0.0, False, self.t == len(self.points) - 1, {}


def bonuses(name, points, actions=None, **kwargs):
    env = getattr(wrappers, name)(WalkEnv(points), **kwargs)
    actions = [0] * (len(points) - 1) if actions is None else actions
    return np.array([step[4]["reward_terms"][term(name)] for step in rollout(env, actions)[1:]]), env


def dense(state, prefix, values):
    """A network with one hidden layer, from saved weights."""
    layers = sorted({key.rsplit(".", 1)[0] for key in state if key.startswith(prefix)}, key=lambda key: key.split("."))
    for at, layer in enumerate(layers):
        weight, bias = (state[f"{layer}.{kind}"].double().numpy() for kind in ("weight", "bias"))
        values = values @ weight.T + bias
        values = np.maximum(values, 0.0) if at == 0 else values
    return values


def whitened(points):
    """Each observation as the networks see it at its own step, by the moments of all arrivals so far."""
    arrivals = points[1:].astype(np.float64)
    out = []
    for t in range(len(arrivals)):
        mean, std = arrivals[: t + 1].mean(axis=0), np.maximum(arrivals[: t + 1].std(axis=0), 1e-8)
        out.append([((points[k] - mean) / std).clip(-5, 5) for k in (t, t + 1)])
    return np.array(out)


POINTS = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
FROZEN = {"learning_rate": 0.0, "normalise": False}


def weights_of(env):
    return env.state_dict()["transform"]["learner"]["model"]


def test_rnd_by_hand():
    found, env = bonuses("RND", POINTS, **SMALL, **FROZEN, weight=2.0)
    after, state = whitened(POINTS)[:, 1], weights_of(env)
    error = dense(state, "predictor", after) - dense(state, "target", after)
    assert np.allclose(found, 2.0 * (error**2).mean(axis=1), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["ICM", "RIDE"])
def test_icm_and_ride_by_hand(name):
    actions = np.arange(39) % 3
    found, env = bonuses(name, POINTS, actions.tolist(), **SMALL, **FROZEN, num_actions=3)
    state = weights_of(env)
    before, after = (dense(state, "encoder", values) for values in whitened(POINTS).swapaxes(0, 1))
    if name == "ICM":
        guess = dense(state, "forward_model", np.concatenate([before, np.eye(3)[actions]], axis=1))
        expected = 0.5 * ((guess - after) ** 2).sum(axis=1)
    else:
        expected = np.linalg.norm(after - before, axis=1)
    assert np.allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_ride_pays_less_for_what_the_episode_has_seen():
    points = np.array([[0.0], [1.0], [0.0], [1.0], [0.0], [1.0]], np.float32)
    found, env = bonuses("RIDE", points, **SMALL, **FROZEN, num_actions=3)
    state = weights_of(env)
    before, after = (dense(state, "encoder", values) for values in whitened(points).swapaxes(0, 1))
    moved = np.linalg.norm(after - before, axis=1)
    assert np.allclose(found, moved / np.sqrt([1, 2, 2, 3, 3]), rtol=1e-4, atol=1e-5)
    again = [step[4]["reward_terms"]["ride_bonus"] for step in rollout(env, [0] * 5)[1:]]
    assert again[1] > found[1] > 0.0 or math.isclose(again[1], found[1], rel_tol=0.5)


def test_disagreement_by_hand():
    found, env = bonuses("Disagreement", POINTS, **SMALL, **FROZEN, num_actions=3, members=4)
    state = weights_of(env)
    before = dense(state, "encoder", whitened(POINTS)[:, 0])
    inputs = np.concatenate([before, np.tile([1.0, 0.0, 0.0], (39, 1))], axis=1)
    first, second = (state[f"models.weights.{i}"].double().numpy() for i in (0, 1))
    guesses = np.maximum(inputs @ first, 0.0) @ second
    assert np.allclose(found, guesses.var(axis=0).mean(axis=1), rtol=1e-4, atol=1e-6)


def test_normalisation_by_hand():
    raw, _ = bonuses("RND", POINTS, **SMALL | FROZEN)
    found, _ = bonuses("RND", POINTS, **SMALL, learning_rate=0.0, discount=0.9)
    sums = np.array([(raw[: t + 1] * 0.9 ** np.arange(t, -1, -1)).sum() for t in range(len(raw))])
    std = np.array([sums[: t + 1].std() for t in range(len(raw))])
    assert np.allclose(found[1:], (raw / np.maximum(std, 1e-8))[1:], rtol=1e-4)


@pytest.mark.parametrize("episodic", [False, True])
def test_the_sums_go_on_over_the_end_of_an_episode(episodic):
    raw, _ = bonuses("RND", POINTS[:6], **SMALL | FROZEN)
    env = bonuses("RND", POINTS[:6], **SMALL, learning_rate=0.0, discount=0.5, episodic_returns=episodic)[1]
    sums = env.state_dict()["transform"]["learner"]["sums"]
    assert sums.item() == pytest.approx(0.0 if episodic else (raw * 0.5 ** np.arange(4, -1, -1)).sum(), rel=1e-4)


@every_bonus
def test_what_was_seen_is_less_new(name):
    rng = np.random.default_rng(1)
    points = rng.normal(size=(4, 5)).astype(np.float32)[rng.integers(4, size=400)]
    found, _ = bonuses(name, points, **arguments(name, learning_rate=1e-2, normalise=False))
    early, late = found[5:40].mean(), found[-35:].mean()
    assert late < 0.3 * early


def test_only_disagreement_gets_used_to_a_noisy_television():
    """Action 1 switches to a random channel, action 0 switches off."""
    rng = np.random.default_rng(2)
    actions = rng.integers(2, size=2000)
    points = np.concatenate([[[0.0, 0.0]], actions[:, None] * rng.normal(size=(2000, 2))]).astype(np.float32)
    kwargs = arguments("ICM", learning_rate=3e-3, normalise=False)
    left = {}
    for name in ("ICM", "Disagreement"):
        found, _ = bonuses(name, points, actions.tolist(), **kwargs)
        on = found[actions == 1]
        left[name] = on[-200:].mean() / on[:20].mean()
    assert left["Disagreement"] < 0.1
    assert left["ICM"] > 2 * left["Disagreement"]


@every_bonus
def test_the_warm_up_pays_nothing_and_teaches_nothing(name):
    found, env = bonuses(name, POINTS, **arguments(name, warmup=30))
    assert not found[:30].any()
    assert found[30:].all()
    fresh = bonuses(name, POINTS[:31], **arguments(name, warmup=30))[1]
    never = bonuses(name, POINTS[:31], **arguments(name, warmup=30, learning_rate=0.0))[1]
    assert same(weights_of(fresh), weights_of(never))
    assert not same(weights_of(env), weights_of(fresh))


@every_bonus
def test_seeds_reproduce_and_leave_pytorchs_own_alone(name):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = bonuses(name, POINTS, **arguments(name))[0]
    assert torch.equal(torch.rand(3), expected)
    assert bonuses(name, POINTS, **arguments(name))[0].tolist() == first.tolist()
    assert bonuses(name, POINTS, **arguments(name, seed=1))[0].tolist() != first.tolist()


@every_bonus
def test_a_learners_own_settings_do_not_matter(name):
    expected = bonuses(name, POINTS, **arguments(name))[0].tolist()
    for mode in (torch.no_grad(), torch.inference_mode(), torch.device("meta")):
        with mode:
            assert bonuses(name, POINTS, **arguments(name))[0].tolist() == expected
    torch.set_default_dtype(torch.float64)
    try:
        assert bonuses(name, POINTS, **arguments(name))[0].tolist() == expected
    finally:
        torch.set_default_dtype(torch.float32)


@every_bonus
def test_other_environments_teach_and_dead_ones_do_not(name):
    """An environment that only resets, and one whose steps are not trainable, leave everything as it is."""
    kwargs = arguments(name)
    alone = getattr(wrappers.vector, name)(SyncVectorEnv([maker(limit=30)]), **kwargs)
    together = getattr(wrappers.vector, name)(SyncVectorEnv([maker(limit=30), maker(fail=1.0)]), **kwargs)
    alone.reset(seed=0)
    together.reset(seed=0)
    for _ in range(20):
        one, two = alone.step(np.array([1])), together.step(np.array([1, 1]))
        assert np.allclose(one[1], two[1][:1], rtol=1e-4, atol=1e-6)
    learned = (env.state_dict()["transform"]["learner"] for env in (alone, together))
    assert len({state["seen"] for state in learned}) == 1


@every_bonus
def test_networks_learn_from_whole_batches(name):
    """Of one environment, when as many steps have come together; the state in between goes on exactly."""
    never = weights_of(bonuses(name, POINTS[:9], **arguments(name, learning_rate=0.0))[1])
    for steps, batch, learned in ((7, 8, False), (8, 8, True), (8, 5, True)):
        env = bonuses(name, POINTS[: steps + 1], **arguments(name, batch_size=batch))[1]
        assert same(weights_of(env), never) != learned


@every_bonus
def test_more_environments_than_a_batch(name):
    envs = getattr(wrappers.vector, name)(SyncVectorEnv([maker()] * 6), **arguments(name, batch_size=2))
    envs.reset(seed=0)
    for _ in range(10):
        rewards = envs.step(np.ones(6, int))[1]
    assert np.isfinite(rewards).all()
    assert len(set(rewards.tolist())) > 1


@every_bonus
@pytest.mark.parametrize("shape", [(40, 36, 3), (3, 40, 36)])
def test_images_go_through_convolutions(name, shape):
    points = np.random.default_rng(0).integers(0, 256, (4, *shape), dtype=np.uint8)
    found, env = bonuses(name, points, **arguments(name))
    assert np.isfinite(found).all()
    assert found[1:].all()
    assert any(value.ndim == 4 for value in weights_of(env).values())
    small = bonuses(name, points[:, :2, :2, :2], **arguments(name))[1]
    assert not any(value.ndim == 4 for value in weights_of(small).values())


def test_the_layout_of_images_does_not_matter():
    points = np.random.default_rng(0).integers(0, 256, (4, 36, 36, 3), dtype=np.uint8)
    last, first = (bonuses("RND", p, **SMALL)[0] for p in (points, points.transpose(0, 3, 1, 2)))
    assert np.allclose(last, first, rtol=1e-3)


def test_actions_may_be_numbers():
    class Push(WalkEnv):
        action_space = spaces.Box(-1, 1, (2,))

    env = wrappers.ICM(Push(POINTS), **SMALL)
    env.reset(seed=0)
    for _ in range(5):
        assert math.isfinite(env.step(np.array([0.5, -0.5]))[1])
    assert weights_of(env)["inverse.2.bias"].shape == (2,)


def first_column(obs):
    return obs[:, :1]


def not_finite(obs):
    return np.full((len(obs), 1), np.nan)


def test_features():
    found, _ = bonuses("RND", POINTS, **SMALL, features=first_column)
    expected, _ = bonuses("RND", POINTS[:, :1], **SMALL)
    assert found.tolist() == expected.tolist()
    with pytest.raises(ValueError, match="not finite"):
        bonuses("RND", POINTS, **SMALL, features=not_finite)


@every_bonus
@pytest.mark.parametrize("mode", list(AutoresetMode), ids=lambda mode: mode.name)
def test_a_checkpoint_goes_on_exactly_after_training(name, mode):
    """Weights, optimiser, statistics and draws, in another wrapper of the same arguments."""
    kwargs = arguments(name, batch_size=5, warmup=4)
    envs = getattr(wrappers.vector, name)(NativeEnv(autoreset_mode=AutoresetMode.NEXT_STEP), **kwargs)
    envs.reset(seed=0)
    for _ in range(12):
        envs.step(np.zeros(3, int))
    other = getattr(wrappers.vector, name)(copy.deepcopy(envs.env), **kwargs | {"seed": 0})
    other.load_state_dict(envs.state_dict())
    for _ in range(12):
        assert same(envs.step(np.zeros(3, int)), other.step(np.zeros(3, int)))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"hidden": 0}, "hidden=0 must be a whole number, at least 1"),
        ({"learning_rate": -1.0}, "learning_rate=-1.0 must be at least 0"),
        ({"discount": 1.0}, r"discount=1.0 must be in \[0, 1\)"),
        ({"beta": 1.5}, r"beta=1.5 must be in \[0, 1\]"),
        ({"device": "tpu9"}, "device='tpu9' cannot be used here"),
        ({"num_actions": 0}, "num_actions=0 must be a whole number"),
    ],
)
def test_bad_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        wrappers.ICM(TermsEnv(), **kwargs)


def test_bad_actions():
    env = wrappers.ICM(TermsEnv(), **SMALL)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"say how many there are, as in num_actions=env\.action_space\.n"):
        env.step(1)
    env = wrappers.ICM(TermsEnv(), **SMALL, num_actions=2)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="num_actions=2, but there is an action 2"):
        env.step(2)


def test_every_learned_bonus_is_tested_here():
    pooled = {name for name, entry in TRANSFORMS.items() if entry.load().pooled}
    assert pooled == set(NAMES)
