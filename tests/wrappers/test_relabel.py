"""Logged episodes: what a wrapper would have paid, and rewards that are rewritten in hindsight."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv
from probes import ProbeReward, ProbeRewardTransform
from reward_envs import ACTIONS, MODES, TermsEnv, maker, play, rollout, same

from telos import wrappers
from telos.wrappers import Episode, Hindsight, HindsightTransform, env_face, relabel, sum_terms, vector_face
from telos.wrappers.gating import GatedRewardTransform
from telos.wrappers.registry import TRANSFORMS

CASES = [
    pytest.param(name, dict(example), id=f"{name}-{i}")
    for name, entry in TRANSFORMS.items()
    for i, example in enumerate(entry.examples)
]
every_case = pytest.mark.parametrize(("name", "kwargs"), CASES)


def play_alone(seed, env):
    """One episode of random actions: actions and what the environment returned."""
    rng = np.random.default_rng(seed)
    actions = [int(action) for action in rng.choice(3, 60, p=[0.45, 0.45, 0.1])]
    steps = rollout(env, actions, seed=seed)
    return actions[: len(steps) - 1], steps


def logged(seed, as_lists=False, **options):
    """The same episode as data."""
    actions, steps = play_alone(seed, TermsEnv(**options))
    obs, infos = [step[0] for step in steps], [step[4] for step in steps[1:]]
    names = infos[0]["reward_terms"]
    terms = {name: np.array([info["reward_terms"][name] for info in infos]) for name in names}
    if not as_lists:
        obs, actions = np.array(obs), np.array(actions)
    return Episode(obs, actions, terms, bool(steps[-1][2]), bool(steps[-1][3]), infos)


def paid_info(info):
    return {key: value for key, value in info.items() if key not in ("reward_terms", "raw_reward", "trainable")}


@every_case
@pytest.mark.parametrize("options", [{}, {"fail": 0.1}, {"dtype": "f4"}, {"limit": 30}])
def test_agrees_with_the_wrapper_step_by_step(name, kwargs, options):
    seeds = range(12)
    episodes = [logged(seed, **options) for seed in seeds]
    if TRANSFORMS[name].load().pooled:
        results = [result for episode in episodes for result in relabel([episode], name, **kwargs)]
    else:
        results = relabel(episodes, name, **kwargs)
    lengths = set()
    for seed, result in zip(seeds, results, strict=True):
        _, steps = play_alone(seed, getattr(wrappers, name)(TermsEnv(**options), **kwargs))
        assert result.reward.tolist() == [step[1] for step in steps[1:]]
        for t, step in enumerate(steps[1:]):
            assert same({key: values[t] for key, values in result.terms.items()}, step[4]["reward_terms"])
        assert same(result.info, paid_info(steps[-1][4]))
        lengths.add(len(result.reward))
    assert len(lengths) > 1


@pytest.mark.parametrize("kind", ["box", "discrete", "text", "dict"])
def test_observing_transforms_see_logged_observations(kind):
    episodes = [logged(seed, as_lists=True, kind=kind) for seed in range(6)]
    for seed, result in enumerate(relabel(episodes, ProbeReward, scale=0.5)):
        _, steps = play_alone(seed, ProbeReward(TermsEnv(kind=kind), scale=0.5))
        assert result.reward.tolist() == [step[1] for step in steps[1:]]


def test_a_transform_may_be_given_in_any_form():
    episodes = [logged(seed) for seed in range(4)]
    running = GatedRewardTransform(threshold=0.5)
    running.begin(1)
    forms = [
        ("gated", {"threshold": 0.5}),
        ("gated:threshold=0.5", {}),
        (GatedRewardTransform, {"threshold": 0.5}),
        (wrappers.GatedReward, {"threshold": 0.5}),
        (running, {}),
    ]
    rewards = [[result.reward.tolist() for result in relabel(episodes, form, **given)] for form, given in forms]
    assert all(each == rewards[0] for each in rewards)
    stacks = ("accumulated:weights.tool=2+gated:threshold=0.5", ["accumulated:weights.tool=2", running])
    a, b = ([result.reward.tolist() for result in relabel(episodes, form)] for form in stacks)
    env = wrappers.GatedReward(wrappers.AccumulatedReward(TermsEnv(), {"tool": 2.0}), threshold=0.5)
    assert a == b == [[step[1] for step in play_alone(seed, env)[1][1:]] for seed in range(4)]
    with pytest.raises(TypeError, match="need a class or a name"):
        relabel(episodes, running, threshold=1.0)
    with pytest.raises(TypeError, match="several transforms"):
        relabel(episodes, "gated+accumulated", threshold=1.0)
    with pytest.raises(ValueError, match="no wrapper 'gatd'"):
        relabel(episodes, "gatd")
    assert relabel([], "gated") == []


def test_more_episodes_than_a_batch_keep_their_order():
    lengths = np.random.default_rng(0).integers(1, 6, 2500)
    episodes = [Episode(None, None, {"a": np.arange(n) + k}) for k, n in enumerate(lengths)]
    for episode, result in zip(episodes, relabel(episodes, "accumulated:weights.a=2"), strict=True):
        assert result.reward.tolist() == (2.0 * episode.reward).tolist()


def test_an_episode_that_goes_on_is_paid_no_end():
    (result,) = relabel([Episode(None, None, {"outcome": [1.0], "tool": [0.5]}, terminated=False)], "gated")
    assert (result.reward.tolist(), result.info) == ([1.0], {})


def test_minaris_episodes_are_taken():
    episode = logged(3)
    infos = {"reward_terms": {name: np.r_[0.0, values] for name, values in episode.terms.items()}}
    ends = np.zeros((2, len(episode)), bool)
    ends[0, -1] = episode.terminated
    ends[1, -1] = episode.truncated
    data = {"observations": episode.obs, "actions": episode.actions, "rewards": episode.reward}
    minari = SimpleNamespace(**data, terminations=ends[0], truncations=ends[1], infos=infos)
    assert same(relabel([minari], "gated"), relabel([episode], "gated"))
    nameless = SimpleNamespace(**data, terminations=ends[0], truncations=ends[1], infos={})
    assert relabel([nameless], "accumulated:weights.reward=2")[0].reward.tolist() == (2 * episode.reward).tolist()
    with pytest.raises(TypeError, match="dict, which has no observations, actions"):
        relabel([{}], "gated")


def test_nested_infos_are_read_by_a_dotted_path():
    terms = {"outcome": [0.0, 1.0]}
    listed = [{"grade": {"resolved": 0.0}}, {"grade": {"resolved": 1.0}}]
    for infos in (listed, {"grade": {"resolved": np.array([0.0, 1.0])}}):
        episode = Episode(None, None, terms, infos=infos)
        (result,) = relabel([episode], "safety_cost", costs={"c": "info:grade.resolved"})
        assert result.reward.tolist() == [0.0, 0.0]
        with pytest.raises(ValueError, match=r"info\['grade.solved'\] is missing"):
            relabel([episode], "safety_cost", costs={"c": "info:grade.solved"})


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"terms": {}}, "at least one reward term"),
        ({"terms": {"a": [1.0], "b": [1.0, 2.0]}}, r"must have one shape \(T,\)"),
        ({"terms": {"a": []}}, "T at least 1"),
        ({"terms": {"a": [1.0]}, "obs": np.zeros((3, 2))}, "An episode of 1 steps needs 2 obs, not 3"),
        ({"terms": {"a": [1.0]}, "actions": [0, 1]}, "needs 1 actions, not 2"),
    ],
)
def test_bad_episodes_are_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        Episode(**{"obs": None, "actions": None, **arguments})


def test_missing_observations_are_missed():
    with pytest.raises(ValueError, match="ProbeReward looks at observations"):
        relabel([Episode(None, None, {"a": [1.0]})], ProbeRewardTransform)


@dataclass(eq=False, repr=False)
class SpreadRewardTransform(HindsightTransform):
    """Spreads the episode's tool reward over its steps, in proportion to the size of the action plus one.

    Args:
        scale: Factor.
    """

    invariance: ClassVar = "none"
    observes: ClassVar = True
    new_terms: ClassVar = ("travelled",)

    scale: float = 1.0

    def credit(self, episode, env):
        share = (np.asarray(episode.actions) + 1.0) / (np.asarray(episode.actions) + 1.0).sum()
        moved = np.abs(np.diff(np.asarray(episode.obs)[:, 1]))
        return {**episode.terms, "tool": self.scale * share * episode.terms["tool"].sum(), "travelled": moved}


SpreadReward = env_face(SpreadRewardTransform, __name__)
VectorSpreadReward = vector_face(SpreadRewardTransform, __name__, "VectorSpreadReward")


@pytest.mark.parametrize("seed", range(8))
def test_the_wrapper_pays_at_the_end_what_the_learner_gets_by_step(seed):
    env = SpreadReward(TermsEnv(), scale=0.5)
    _, steps = play_alone(seed, env)
    stream = [step[1] for step in steps[1:]]
    rewritten = SpreadRewardTransform(scale=0.5).rewrite(logged(seed))
    assert stream[:-1] == [0.0] * (len(stream) - 1)
    assert stream[-1] == pytest.approx(rewritten.sum(), abs=1e-12)
    hindsight = steps[-1][4]["hindsight"]
    assert isinstance(hindsight, Hindsight)
    assert hindsight.reward.tolist() == rewritten.tolist() == sum_terms(hindsight.terms).tolist()
    assert set(hindsight.terms) == {"outcome", "tool", "format", "travelled"}
    (result,) = relabel([logged(seed)], SpreadRewardTransform, scale=0.5)
    assert result.reward.tolist() == stream


@pytest.mark.parametrize("pay", ["terminal", "hindsight", "both"])
@pytest.mark.parametrize("seed", range(4))
def test_every_way_to_pay_is_worth_the_same(pay, seed):
    class Partly(SpreadRewardTransform):
        new_terms = ()

        def withheld(self, terms):
            return ["tool"]

        def credit(self, episode, env):
            return {"tool": super().credit(episode, env)["tool"]}

    Partly.pay = pay
    episode = logged(seed)
    (result,) = relabel([episode], Partly, scale=0.5)
    rewritten = Partly(scale=0.5).rewrite(episode)
    worth = sum_terms({**episode.terms, "tool": 0.5 * episode.terms["tool"]}).sum()
    assert rewritten.sum() == pytest.approx(worth, abs=1e-12)
    assert ("hindsight" in result.info) == (pay != "terminal")
    for name in ("outcome", "format"):
        assert result.terms[name].tolist() == episode.terms[name].tolist()
    assert not result.terms["tool"][:-1].any()
    paid = 0.0 if pay == "hindsight" else 0.5 * episode.terms["tool"].sum()
    assert result.terms["tool"][-1] == pytest.approx(paid, abs=1e-12)
    if pay != "terminal":
        assert result.info["hindsight"].reward.tolist() == rewritten.tolist()


def test_hindsight_in_a_vector_and_its_state():
    for mode in MODES:
        inside = SyncVectorEnv([lambda: SpreadReward(TermsEnv(fail=0.05))] * 4, autoreset_mode=mode)
        outside = VectorSpreadReward(SyncVectorEnv([maker(fail=0.05)] * 4, autoreset_mode=mode))
        for a, b in zip(play(inside, mode, ACTIONS), play(outside, mode, ACTIONS), strict=True):
            assert same(a, b)
    env, other = SpreadReward(TermsEnv(limit=9)), SpreadReward(TermsEnv(limit=9))
    for each in (env, other):
        each.reset(seed=5)
        each.step(0)
    other.transform.reset(np.ones(1, bool))
    other.load_state_dict(env.state_dict())
    for action in (1, 0, 1, 2):
        assert same(env.step(action), other.step(action))


def test_a_broken_episode_is_not_rewritten():
    steps = rollout(SpreadReward(TermsEnv(fail=1.0)), [1])
    assert steps[-1][1] == 0.0
    assert not steps[-1][4]["hindsight"].reward.any()


def test_new_terms_must_be_announced():
    class Inventive(SpreadRewardTransform):
        new_terms = ()

    with pytest.raises(ValueError, match=r"made up \['travelled'\]"):
        Inventive().rewrite(logged(0))


@every_case
def test_every_transform_rewrites_an_episode(name, kwargs):
    episode = logged(1)
    transform = TRANSFORMS[name].load()(**kwargs)
    rewritten = transform.rewrite(episode)
    assert rewritten.shape == (len(episode),)
    assert np.isfinite(rewritten).all()
    (streamed,) = relabel([episode], name, **kwargs)
    if "hindsight" not in streamed.info:
        assert rewritten.tolist() == streamed.reward.tolist()
    elif transform.arguments.get("pay") != "hindsight":
        assert rewritten.sum() == pytest.approx(streamed.reward.sum(), abs=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_any_transform_rewrites_an_episode_for_a_learner(seed):
    episode = logged(seed)
    terminal, hindsight = (GatedRewardTransform(threshold=-0.5, pay=pay) for pay in ("terminal", "hindsight"))
    assert terminal.rewrite(episode).tolist() == relabel([episode], terminal)[0].reward.tolist()
    rewritten = hindsight.rewrite(episode)
    assert rewritten.tolist() == relabel([episode], hindsight)[0].info["hindsight"].reward.tolist()
    assert rewritten.sum() == pytest.approx(terminal.rewrite(episode).sum(), abs=1e-12)
