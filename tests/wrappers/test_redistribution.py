"""Moved rewards: sums that are kept, models that find what earned the return, and their losses by enumeration."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from episodes import play
from hypothesis import given
from hypothesis import strategies as st
from probes import number
from reward_envs import ScriptedEnv, TermsEnv, rollout, same

from telos.wrappers import Episode, env_face, relabel
from telos.wrappers.redistribution import EpisodicRewardTransform, RewardRedistributionTransform

EpisodicReward = env_face(EpisodicRewardTransform, __name__)
RewardRedistribution = env_face(RewardRedistributionTransform, __name__)

STEPS = [{"outcome": 0.0, "tool": 0.5}, {"outcome": 0.25, "tool": 1.0}, {"outcome": 1.0, "tool": 0.0}]
METHODS = [
    {},
    {"method": "rrd", "subsequence": 2},
    {"method": "lare", "factors": "telos.wrappers.redistribution:flat_features"},
    {"method": "random"},
]


def only_action(obs, action, next_obs):
    return np.eye(3)[action]


def one_axis(obs, action, next_obs):
    return np.zeros(len(obs))


def numbered(obs, action, next_obs):
    return np.stack([number(obs), number(next_obs), action], axis=1)


def test_episodic_reward_by_hand():
    paid, info = play(EpisodicReward(ScriptedEnv(STEPS)))
    assert paid == [0.0, 0.0, 2.75]
    assert info["reward_terms"] == {"outcome": 1.25, "tool": 1.5}
    assert play(EpisodicReward(ScriptedEnv(STEPS, truncated=True)))[0] == [0.0, 0.0, 2.75]
    assert play(EpisodicReward(ScriptedEnv(STEPS), terms=["tool"]))[0] == [0.0, 0.25, 2.5]


def test_episodic_reward_of_a_failure_is_lost():
    env = ScriptedEnv(STEPS, truncated=True, last_info={"trainable": False})
    assert play(EpisodicReward(env))[0] == [0.0, 0.0, 0.0]


@given(st.lists(st.integers(-64, 64).map(lambda n: n / 16), min_size=1, max_size=12))
def test_episodic_reward_keeps_the_return(values):
    paid, _ = play(EpisodicReward(ScriptedEnv([{"tool": value} for value in values])))
    assert sum(paid) == sum(values)


def test_uniform_by_hand():
    paid, info = play(RewardRedistribution(ScriptedEnv(STEPS)))
    assert paid == [0.0, 0.0, pytest.approx(2.75)]
    hindsight = info["hindsight"]
    assert hindsight.reward == pytest.approx([2.75 / 3] * 3)
    assert hindsight.terms["tool"] == pytest.approx([0.5] * 3)
    assert hindsight.raw_terms["tool"].tolist() == [0.5, 1.0, 0.0]
    assert info["reward_redistribution"] == {"return": 2.75, "predicted": 0.0}
    paid, info = play(RewardRedistribution(ScriptedEnv(STEPS), terms=["tool"]))
    assert paid == [0.0, 0.25, 2.5]
    assert info["hindsight"].reward == pytest.approx([0.5, 0.75, 1.5])


@pytest.mark.parametrize("kwargs", METHODS, ids=lambda kwargs: kwargs.get("method", "uniform"))
def test_every_method_keeps_the_return(kwargs):
    env = RewardRedistribution(TermsEnv(), hidden=[4], updates=3, **kwargs)
    rng = np.random.default_rng(0)
    env.reset(seed=0)
    total, ends = 0.0, 0
    while ends < 12:
        _, reward, terminated, truncated, info = env.step(int(rng.integers(3)))
        total += info["raw_reward"]
        assert reward == (pytest.approx(total, abs=1e-9) if terminated or truncated else 0.0)
        if terminated or truncated:
            assert info["hindsight"].reward.sum() == pytest.approx(total, abs=1e-9)
            assert info["reward_redistribution"]["return"] == pytest.approx(total)
            assert np.isfinite(info["hindsight"].reward).all()
            total, ends = 0.0, ends + 1
            env.reset()


class CountingEnv(TermsEnv):
    """Pays 1 for each action 1, and lasts eight steps."""

    def __init__(self):
        super().__init__(limit=8)

    def step(self, action):
        obs, _, _, truncated, _ = super().step(int(action) % 2)
        reward = float(action == 1)
        return obs, reward, False, truncated, {"reward_terms": {"outcome": reward}}


@pytest.mark.parametrize(
    "kwargs",
    [
        {"method": "lare", "factors": only_action},
        {"method": "rrd", "factors": only_action, "subsequence": 4},
    ],
    ids=["lare", "rrd"],
)
def test_models_find_the_steps_that_earned_the_return(kwargs):
    """The return is linear in the actions: in the end each step is credited with its own reward."""
    options = {"hidden": [], "learning_rate": 0.03, "updates": 6}
    env = RewardRedistribution(EpisodicReward(CountingEnv()), **{**options, **kwargs})
    rng = np.random.default_rng(0)
    errors = []
    for episode in range(60):
        env.reset(seed=episode)
        actions = rng.integers(0, 2, 8)
        for action in actions:
            info = env.step(int(action))[4]
        errors.append(np.abs(info["hindsight"].reward - actions).mean())
    uniform = 0.5
    assert np.mean(errors[:2]) > 0.3 * uniform
    assert np.mean(errors[-10:]) < 0.15 * uniform


def test_without_its_correction_rrd_is_pulled_towards_equal_shares():
    """For K = 4 of 8 steps with chances of one half the minimum is at half the contrast: 2 (1 - c)^2 + 2 c^2."""
    pytest.importorskip("torch")
    from telos.wrappers.return_decomposition import ReturnDecomposition

    contrasts = []
    for unbiased in (False, True):
        model = ReturnDecomposition(hidden=(), learning_rate=0.02, subsequence=4, unbiased=unbiased, batch_size=64)
        for actions in itertools.product([0.0, 1.0], repeat=8):
            model.add(np.array(actions)[:, None], sum(actions))
        model.fit(60)
        seen = []
        for _ in range(10):
            model.fit(8)
            seen.append(np.diff(model.predict(np.array([[0.0], [1.0]]))))
        contrasts.append(float(np.mean(seen)))
    assert contrasts == pytest.approx([0.5, 1.0], abs=0.1)


def test_without_spreading_the_residual_predictions_are_paid():
    env = RewardRedistribution(ScriptedEnv(STEPS), method="rrd", updates=5, hidden=[4], spread_residual=False)
    _, first = play(env)
    assert not first["hindsight"].reward.any()
    _, second = play(env)
    report = second["reward_redistribution"]
    assert second["hindsight"].reward.sum() == pytest.approx(report["predicted"])
    assert report["predicted"] != report["return"]


def as_logged(actions):
    """An episode of ``CountingEnv`` whose reward comes at the end."""
    rewards = np.zeros(len(actions))
    rewards[-1] = np.sum(actions)
    return Episode(np.zeros((len(actions) + 1, 2)), np.array(actions), {"outcome": rewards})


def test_rewrite_learns_from_all_episodes_that_it_is_given():
    transform = RewardRedistributionTransform(
        method="lare", factors=only_action, hidden=[], learning_rate=0.03, updates=6
    )
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(60):
        actions = rng.integers(0, 2, 8)
        rewards = transform.rewrite(as_logged(actions))
        assert rewards.sum() == pytest.approx(actions.sum())
        errors.append(np.abs(rewards - actions).mean())
    assert np.mean(errors[:2]) > 0.15
    assert np.mean(errors[-10:]) < 0.075
    state = transform.state_dict()
    other = RewardRedistributionTransform(method="lare", factors=only_action, hidden=[], learning_rate=0.03, updates=6)
    other.begin(1)
    other.load_state_dict(state)
    for _ in range(2):
        episode = as_logged(rng.integers(0, 2, 8))
        assert np.array_equal(transform.rewrite(episode), other.rewrite(episode))


@pytest.mark.parametrize("method", ["uniform", "rrd"])
def test_rewrite_says_what_the_wrapper_says(method):
    steps = {name: np.array([step[name] for step in STEPS]) for name in STEPS[0]}
    obs, actions = np.arange(4.0)[:, None], np.zeros(3, int)
    options = {"method": method, "terms": ["tool"], "hidden": [4], "updates": 2}
    transform = RewardRedistributionTransform(**options)
    env = RewardRedistribution(ScriptedEnv(STEPS), **options)
    for _ in range(3):
        assert np.array_equal(transform.rewrite(Episode(obs, actions, steps)), play(env)[1]["hindsight"].reward)
    failed = Episode(obs, actions, steps, infos=[{}, {}, {"trainable": False}])
    assert transform.rewrite(failed).tolist() == [0.0, 0.25, 0.0]
    if method == "rrd":
        with pytest.raises(ValueError, match="needs an episode's obs and actions"):
            transform.rewrite(Episode(None, None, steps))


def test_an_even_spread_needs_no_observations():
    episode = Episode(None, None, {"outcome": [0.0, 0.0, 3.0]})
    (result,) = relabel([episode], RewardRedistributionTransform)
    assert result.info["hindsight"].reward.tolist() == [1.0, 1.0, 1.0]
    assert RewardRedistributionTransform().rewrite(episode).tolist() == [1.0, 1.0, 1.0]


def test_a_seed_reproduces_a_model():
    def run(seed):
        env = RewardRedistribution(TermsEnv(), method="rrd", hidden=[4], updates=2, seed=seed)
        infos = []
        for episode in range(4):
            env.reset(seed=episode)
            while True:
                _, _, terminated, truncated, info = env.step(1)
                if terminated or truncated:
                    break
            infos.append(info["hindsight"].reward)
        return infos

    assert same(run(1), run(1))
    assert not same(run(1), run(2))


def test_the_subsequence_loss_by_enumeration():
    torch = pytest.importorskip("torch")
    from telos.wrappers.return_decomposition import subsequence_loss

    steps = np.array([0.5, -1.0, 2.0, 0.25, 1.5, -0.75])
    total = 2.0
    for drawn in range(2, 7):
        sets = torch.tensor(np.array([steps[list(chosen)] for chosen in itertools.combinations(range(6), drawn)]))
        length, counts = torch.full((len(sets),), 6.0, dtype=torch.float64), torch.full((len(sets),), drawn)
        returns = torch.full_like(length, total)
        plain, unbiased = (
            subsequence_loss(returns, sets.flatten(), counts, length, flag).mean() for flag in (False, True)
        )
        exact = (total - steps.sum()) ** 2
        assert unbiased.item() == pytest.approx(exact)
        assert plain.item() == pytest.approx(exact) if drawn == 6 else plain.item() > exact


def test_the_subsequence_loss_of_episodes_is_each_ones_own():
    torch = pytest.importorskip("torch")
    from telos.wrappers.return_decomposition import subsequence_loss

    steps = torch.tensor([0.5, -1.0, 2.0, 0.25, 1.5, -0.75], dtype=torch.float64)
    returns, length = torch.tensor([[1.0, -2.0, 0.5], [4.0, 5.0, 2.0]], dtype=torch.float64)
    drawn = torch.tensor([1, 3, 2])
    together = subsequence_loss(returns, steps, drawn, length, True)
    for k, part in enumerate(steps.split(drawn.tolist())):
        row = slice(k, k + 1)
        assert together[row] == subsequence_loss(returns[row], part, drawn[row], length[row], True)
    assert together[0] == (1.0 - 4.0 * 0.5) ** 2  # One step has no variance.
    assert together[2].item() == pytest.approx((0.5 - 1.5 + 0.75) ** 2)  # All steps were drawn.


def test_a_model_continues_from_its_state():
    pytest.importorskip("torch")
    from telos.wrappers.return_decomposition import ReturnDecomposition

    rng = np.random.default_rng(0)
    episodes = [(rng.normal(size=(5, 3)), rng.normal()) for _ in range(6)]
    options = {"hidden": (4,), "subsequence": 3, "capacity": 4, "batch_size": 2}
    one, other = ReturnDecomposition(**options), ReturnDecomposition(**options, seed=9)
    fresh = ReturnDecomposition(**options)
    assert not fresh.predict(np.zeros((2, 3))).any()
    fresh.load_state_dict(ReturnDecomposition(**options).state_dict())
    for features, total in episodes[:3]:
        one.add(features, total)
        one.fit(2)
    state = one.state_dict()
    other.load_state_dict(state)
    for features, total in episodes[3:]:
        for model in (one, other):
            model.add(features, total)
            model.fit(2)
        assert np.array_equal(one.predict(features), other.predict(features))
    assert same(one.state_dict(), other.state_dict())
    assert not same(one.state_dict(), state)
    with pytest.raises(ValueError, match="had 3 numbers, now they have 2"):
        one.add(np.zeros((4, 2)), 0.0)


def test_learning_leaves_the_global_random_state_alone():
    torch = pytest.importorskip("torch")
    before = torch.random.get_rng_state()
    env = RewardRedistribution(ScriptedEnv(STEPS), method="rrd", updates=2)
    play(env)
    play(env)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("face", "kwargs", "match"),
    [
        (EpisodicReward, {"terms": "tool"}, "must be a list"),
        (RewardRedistribution, {"terms": "tool"}, "must be a list"),
        (RewardRedistribution, {"method": "rdd"}, "Did you mean 'rrd'"),
        (RewardRedistribution, {"method": "lare"}, "needs factors"),
        (RewardRedistribution, {"subsequence": 0}, "subsequence=0.0 must be a whole number, at least 2"),
        (RewardRedistribution, {"updates": 1.5}, "updates=1.5 must be a whole number, at least 0"),
        (RewardRedistribution, {"learning_rate": 0.0}, "learning_rate=0.0 must be above 0"),
        (RewardRedistribution, {"learning_rate": math.nan}, "must be a finite number"),
        (RewardRedistribution, {"hidden": [0]}, "at least 1"),
        (RewardRedistribution, {"factors": "nowhere:z"}, "could not be imported"),
    ],
)
def test_bad_arguments_are_refused(face, kwargs, match):
    with pytest.raises(ValueError, match=match):
        face(TermsEnv(), **kwargs)


@pytest.mark.parametrize(
    ("env", "kwargs", "match"),
    [
        (TermsEnv(kind="text"), {}, "batch of tuple; give a function that makes features"),
        (ScriptedEnv(STEPS), {"factors": one_axis}, r"returned shape \(3,\), not \(3, d\)"),
        (TermsEnv(), {"terms": ["tools"]}, "Did you mean 'tool'"),
    ],
)
def test_what_does_not_fit_is_refused_in_the_first_episode(env, kwargs, match):
    env = RewardRedistribution(env, method="rrd", **kwargs)
    with pytest.raises(ValueError, match=match):
        rollout(env, [0] * 9)


@pytest.mark.parametrize("kind", ["box", "discrete", "text", "dict"])
def test_factors_see_an_episode_as_a_batch(kind):
    arguments = {"method": "lare", "factors": numbered, "hidden": []}
    env, logged = RewardRedistribution(TermsEnv(kind=kind), **arguments), RewardRedistributionTransform(**arguments)
    for seed, actions in enumerate([[0, 1, 2], [1] * 9, [1, 2]]):
        steps = rollout(env, actions, seed=seed)
        hindsight, taken = steps[-1][4]["hindsight"], actions[: len(steps) - 1]
        episode = Episode([step[0] for step in steps], taken, hindsight.raw_terms)
        assert logged.rewrite(episode).tolist() == hindsight.reward.tolist()
    assert steps[-1][4]["reward_redistribution"]["predicted"] != 0


def test_the_model_does_not_depend_on_the_learners_settings():
    torch = pytest.importorskip("torch")

    def predictions():
        env = RewardRedistribution(TermsEnv(), method="rrd", subsequence=2, hidden=[4], updates=2)
        found = [rollout(env, [1] * 9, seed)[-1][4]["reward_redistribution"]["predicted"] for seed in range(3)]
        other = RewardRedistribution(TermsEnv(), method="rrd", subsequence=2, hidden=[4], updates=2)
        other.load_state_dict(env.state_dict())
        return [*found, rollout(other, [1] * 9, 3)[-1][4]["reward_redistribution"]["predicted"]]

    expected = predictions()
    assert 0.0 not in expected[1:]
    for mode in (torch.no_grad(), torch.inference_mode(), torch.device("meta")):
        with mode:
            assert predictions() == expected
    torch.set_default_dtype(torch.float64)
    try:
        assert predictions() == expected
    finally:
        torch.set_default_dtype(torch.float32)
