"""Bonuses by distance: by hand, and against independent computations from each environment's whole history."""

from __future__ import annotations

import math

import numpy as np
import pytest
from episodes import play, term, transition
from reward_envs import ScriptedEnv, TermsEnv

from telos.wrappers import env_face
from telos.wrappers.intrinsic_episodic import E3BTransform, NGUTransform, RE3Transform

E3B, NGU, RE3 = (env_face(t, __name__, t.public_name()) for t in (E3BTransform, NGUTransform, RE3Transform))
TERMS = {E3B: "e3b_bonus", NGU: "ngu_bonus", RE3: "re3_bonus"}

every_face = pytest.mark.parametrize("face", TERMS, ids=lambda face: face.__name__)


def line(*positions):
    """An environment whose observations are these numbers, through ``visited``."""
    env = ScriptedEnv([{"outcome": 0.0}] * (len(positions) - 1))
    _PATH[:] = positions
    return env


_PATH: list[float] = []


def visited(obs):
    return np.array([_PATH[int(t)] for t in obs[:, 0]])


def one_hot(obs):
    return np.eye(4)[obs[:, 0].astype(int) % 2]


def growing(obs):
    return np.zeros((len(obs), int(obs.max()) + 1))


def bonus(face, env, **options):
    return term(face(env, **{"features": visited, "encoder_size": 0, **options}), TERMS[face])


def test_e3b_by_hand():
    assert bonus(E3B, line(1.0, 2.0, 0.0, 3.0), ridge=0.5) == pytest.approx([4 / 1.5, 0.0, 9 / 5.5])
    assert bonus(E3B, line(0.0, 2.0, 2.0), ridge=1.0, weight=-0.5) == pytest.approx([-2.0, -0.5 * 4 / 5])


def test_e3b_of_one_hot_features_counts():
    paid = bonus(E3B, ScriptedEnv([{"outcome": 0.0}] * 6), features=one_hot, ridge=0.1)
    assert paid == pytest.approx([1 / (0.1 + n) for n in (0, 1, 1, 2, 2, 3)])


def test_ngu_by_hand():
    """Squared distances are 4; then 1 and 9, with a mean of 14 / 3; the last observation equals the first."""
    options = {"epsilon": 0.1, "cluster": 0.05, "constant": 0.01}
    paid = bonus(NGU, line(0.0, 2.0, 3.0, 0.0), **options)

    def kernel(ratio):
        return 0.1 / (max(ratio - 0.05, 0.0) + 0.1)

    mean, last = 14 / 3, 27 / 6
    assert paid == pytest.approx(
        [
            1 / (math.sqrt(kernel(1.0)) + 0.01),
            1 / (math.sqrt(kernel(1 / mean) + kernel(9 / mean)) + 0.01),
            1 / (math.sqrt(kernel(0.0) + kernel(4 / last) + kernel(9 / last)) + 0.01),
        ]
    )


def test_ngu_pays_nothing_for_what_is_too_similar():
    assert bonus(NGU, line(0.0, 0.0, 0.0), max_similarity=1.2) == pytest.approx([1 / 1.001, 0.0])


def test_re3_by_hand():
    path = (0.0, 1.0, 5.0, 5.5, 5.0)
    nearest, second = (bonus(RE3, line(*path), k=k) for k in (1, 2))
    assert nearest == pytest.approx([math.log(1 + d) for d in (1.0, 4.0, 0.5, 0.0)])
    assert second == pytest.approx([math.log(1 + d) for d in (1.0, 5.0, 4.5, 0.5)])


def test_old_observations_are_forgotten():
    assert bonus(RE3, line(0.0, 1.0, 2.0, 0.0), k=1, capacity=2)[-1] == pytest.approx(math.log(2.0))
    assert bonus(RE3, line(0.0, 1.0, 2.0, 0.0), k=1, capacity=3)[-1] == 0.0


def brute_e3b(history, phi):
    return phi @ np.linalg.inv(0.1 * np.eye(len(phi)) + np.einsum("ti,tj->ij", history, history)) @ phi


def brute_re3(history, phi):
    distances = np.sort(np.linalg.norm(np.array(history[-30:]) - phi, axis=1))
    return math.log(1 + distances[: min(3, len(history))][-1])


@pytest.mark.parametrize("memory", ["lifelong", "episodic"])
@pytest.mark.parametrize(
    ("make", "brute"),
    [(E3BTransform, brute_e3b), (lambda **kwargs: RE3Transform(capacity=30, **kwargs), brute_re3)],
    ids=["E3B", "RE3"],
)
def test_many_steps_against_the_whole_history(make, brute, memory):
    rng, num_envs, width = np.random.default_rng(0), 4, 3
    transform = make(encoder_size=0, memory=memory, weight=2.0)
    transform.begin(num_envs)
    history = [[] for _ in range(num_envs)]
    fresh = np.ones(num_envs, bool)
    obs = rng.normal(size=(num_envs, width))
    for _ in range(150):
        following = rng.normal(size=(num_envs, width))
        active, trainable = rng.random((2, num_envs)) < 0.9
        live = active & trainable
        step = transition(num_envs, obs=obs, next_obs=following, active=active, trainable=trainable)
        (paid,) = (value for name, value in transform.update(step).items() if name != "outcome")
        for row in range(num_envs):
            if live[row]:
                if fresh[row]:
                    history[row].append(obs[row])
                assert paid[row] == pytest.approx(2.0 * brute(history[row], following[row]), rel=1e-9)
                history[row].append(following[row])
            else:
                assert paid[row] == 0.0
        ends = rng.random(num_envs) < 0.05
        transform.reset(ends)
        fresh = fresh & ~live | ends
        if memory == "episodic":
            history = [[] if ends[row] else history[row] for row in range(num_envs)]
        obs = following


@every_face
def test_terms_stay(face):
    env = ScriptedEnv([{"outcome": 0.0}, {"outcome": 1.0}])
    paid, info = play(face(env, weight=0.5))
    terms = info["reward_terms"]
    assert terms["outcome"] == info["raw_reward"] == 1.0
    assert paid[-1] == 1.0 + terms[TERMS[face]] > 1.0


@every_face
def test_what_a_new_episode_forgets(face):
    """The random encoder's features of an episode that repeats the first one."""
    options = {"features": None, "encoder_size": 8, "seed": 3, "k": 1} if face is RE3 else {"features": None}
    for memory in ("episodic", "lifelong"):
        env = face(ScriptedEnv([{"outcome": 0.0}] * 5), memory=memory, **options)
        first, second = (term(env, TERMS[face]) for _ in range(2))
        if memory == "lifelong":
            assert max(second) < min(first)
        elif face is not NGU:  # Its mean distance outlives episodes.
            assert first == second


def test_the_mean_distance_of_ngu_outlives_episodes():
    env = NGU(line(0.0, 1.0, 1.5), features=visited, encoder_size=0)
    first = term(env, "ngu_bonus")
    _PATH[:] = [0.0, 0.01, 0.02]
    assert max(term(env, "ngu_bonus")) < 0.05 * min(first)


def test_seeds_make_the_encoder():
    paid = [
        bonus(RE3, ScriptedEnv([{"outcome": 0.0}] * 3), features=None, encoder_size=4, seed=seed) for seed in (0, 0, 1)
    ]
    assert paid[0] == paid[1] != paid[2]


@pytest.mark.parametrize(
    ("face", "kwargs", "match"),
    [
        (E3B, {"ridge": 0.0}, "must be above 0"),
        (E3B, {"encoder_size": -1}, "at least 0"),
        (NGU, {"k": 0}, "at least 1"),
        (NGU, {"epsilon": 0.0}, "must be above 0"),
        (NGU, {"cluster": -0.1}, "must be at least 0"),
        (RE3, {"capacity": 0}, "at least 1"),
        (RE3, {"weight": math.nan}, "must be a finite number"),
    ],
)
def test_bad_arguments_are_refused(face, kwargs, match):
    with pytest.raises(ValueError, match=match):
        face(TermsEnv(), **kwargs)


@every_face
def test_features_must_keep_their_number(face):
    env = face(ScriptedEnv([{"outcome": 0.0}] * 3), features=growing, encoder_size=0)
    env.reset()
    with pytest.raises(ValueError, match="but had 1 before"):
        env.step(0)
