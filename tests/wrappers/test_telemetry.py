"""The collapse alarm: rank correlations, when it rings, and that it changes nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from episodes import InfoEnv
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given
from hypothesis import strategies as st
from reward_envs import ScriptedEnv, TermsEnv, rollout
from scipy.stats import spearmanr

from telos import wrappers
from telos.wrappers import AccumulatedReward, GatedReward, env_face, vector_face
from telos.wrappers.telemetry import CollapseAlarmTransform, spearman

CollapseAlarm = env_face(CollapseAlarmTransform, __name__)
VectorCollapseAlarm = vector_face(CollapseAlarmTransform, __name__, "VectorCollapseAlarm")


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=3, max_size=20))
def test_spearman_is_scipys(pairs):
    one, other = np.array(pairs, float).T
    if one.std() and other.std():
        assert spearman(one, other) == pytest.approx(spearmanr(one, other).statistic, abs=1e-12)
    else:
        assert spearman(one, other) == 0.0


def test_spearman_of_series_that_agree_is_1_exactly():
    for count in range(2, 60):
        series = np.random.default_rng(count).normal(size=count)
        assert (spearman(series, np.exp(series)), spearman(series, -series)) == (1.0, -1.0)
    assert spearman(np.zeros(1), np.zeros(1)) == spearman(np.zeros(0), np.zeros(0)) == 0.0


def reports(episodes, wrap=lambda env: env, **options):
    """What the alarm says after each of several two-step episodes, given their terms."""
    inner = ScriptedEnv([])
    env = CollapseAlarm(wrap(inner), **options)
    said = []
    for terms in episodes:
        inner.steps = [dict.fromkeys(terms, 0.0), terms]
        said.append(rollout(env, [0, 0])[-1][4]["collapse_alarm"])
    return said


FARMING = [{"outcome": 1.0 - 0.1 * i, "tool": 0.5 * i} for i in range(12)]


def test_rings_when_the_return_rises_while_the_outcome_falls():
    said = reports(FARMING, window=8)
    assert [report["alarm"] for report in said] == [False] * 7 + [True] * 5
    last = said[-1]
    assert last["return_trend"] == pytest.approx(1.0)
    assert last["outcome_trend"] == pytest.approx(-1.0)
    assert last["agreement"] == pytest.approx(-1.0)
    assert [report["episodes"] for report in said] == [1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 8, 8]


def test_is_silent_when_gates_stop_the_farming():
    """Gated, the same behaviour is worth less and less: nothing to be alarmed about."""
    gated = reports(FARMING, lambda env: GatedReward(env, threshold=2.0), window=8)
    assert not any(report["alarm"] for report in gated)
    assert gated[-1]["agreement"] == pytest.approx(1.0)
    summed = reports(FARMING, lambda env: AccumulatedReward(env, weights={"tool": 2.0}), window=8)
    assert summed[-1]["alarm"]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_is_silent_when_both_move_together(sign):
    said = reports([{"outcome": sign * i, "tool": sign * 0.1 * i} for i in range(10)], window=5)
    assert not any(report["alarm"] for report in said)
    assert said[-1]["agreement"] == pytest.approx(1.0)


def test_looks_back_over_the_window_only():
    """After a collapse, five episodes of recovery make a window of five quiet again."""
    recovery = [{"outcome": 0.1 * i, "tool": 6.0 + i} for i in range(5)]
    said = reports(FARMING[:6] + recovery, window=5)
    assert said[5]["alarm"]
    assert not said[-1]["alarm"]
    assert said[-1]["outcome_trend"] == pytest.approx(1.0)


def test_threshold():
    bumpy = [{"outcome": -value, "tool": 3.0 * value} for value in (0.0, 2.0, 1.0, 4.0, 3.0)]
    trend = spearmanr(range(5), [0, 2, 1, 4, 3]).statistic
    assert reports(bumpy, window=5, threshold=0.99 * trend)[-1]["alarm"]
    assert not reports(bumpy, window=5, threshold=min(1.0, 1.01 * trend))[-1]["alarm"]


def test_shares_of_gates_reached():
    said = reports(FARMING, window=4, gates={"outcome": 0.5, "tool": 100.0})
    assert said[3]["gates"] == {"outcome": 1.0, "tool": 0.0}
    assert said[6]["gates"] == {"outcome": 0.75, "tool": 0.0}
    assert said[0]["gates"] == {"outcome": 1.0, "tool": 0.0}


@pytest.mark.parametrize("outcome", ["is_success", "grade.resolved"])
def test_outcomes_from_info_are_read_at_the_end(outcome):
    inner = InfoEnv([{}, {}])
    env = CollapseAlarm(inner, outcome=f"info:{outcome}", window=2)
    for success in (True, False):
        inner.infos[1], inner.outcome = {"is_success": success, "grade": {"resolved": success}}, 2.0 - success
        report = rollout(env, [0, 0])[-1][4]["collapse_alarm"]
    assert report["alarm"]


def test_failed_episodes_are_left_out():
    inner = ScriptedEnv([{"outcome": 1.0}], truncated=True, last_info={"trainable": False})
    env = CollapseAlarm(inner)
    assert rollout(env, [0])[-1][4]["collapse_alarm"]["episodes"] == 0
    inner.last_info = {}
    assert rollout(env, [0])[-1][4]["collapse_alarm"]["episodes"] == 1


def test_pays_what_it_is_given():
    actions = np.random.default_rng(0).integers(0, 3, 30)
    for seed in range(4):
        plain, watched = rollout(TermsEnv(), actions, seed), rollout(CollapseAlarm(TermsEnv()), actions, seed)
        assert [step[1] for step in plain[1:]] == [step[1] for step in watched[1:]]
        assert watched[-1][4]["reward_terms"] == plain[-1][4]["reward_terms"]


def test_each_row_of_a_vector_has_its_own_window():
    def make(slope):
        return lambda: Drifting(slope)

    envs = SyncVectorEnv([make(-0.1), make(0.1)], autoreset_mode=AutoresetMode.SAME_STEP)
    envs = VectorCollapseAlarm(wrappers.vector.AccumulatedReward(envs), window=6)
    envs.reset()
    for _ in range(8):
        infos = envs.step(np.zeros(2, int))[4]["final_info"]
    assert infos["collapse_alarm"]["alarm"].tolist() == [True, False]
    assert infos["collapse_alarm"]["outcome_trend"] == pytest.approx([-1.0, 1.0])


class Drifting(ScriptedEnv):
    """Episodes of one step, each with another outcome and more tool reward."""

    def __init__(self, slope):
        super().__init__([])
        self.slope, self.episode = slope, 0

    def reset(self, *, seed=None, options=None):
        self.episode += 1
        self.steps = [{"outcome": self.slope * self.episode, "tool": float(self.episode)}]
        return super().reset(seed=seed, options=options)


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"window": 1}, "at least 2 episodes"),
        ({"window": 2.5}, "whole number"),
        ({"threshold": 0.0}, r"must be in \(0, 1\]"),
        ({"threshold": math.nan}, "must be a finite number"),
        ({"gates": ["outcome"]}, "must map names"),
        ({"outcome": "nowhere:f"}, "could not be imported"),
    ],
)
def test_bad_arguments_are_refused(kwargs, match):
    with pytest.raises(ValueError, match=match):
        CollapseAlarm(TermsEnv(), **kwargs)
