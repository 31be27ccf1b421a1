"""D-RA and G-RA: hand-worked episodes, limits, and the properties their docstrings claim."""

from __future__ import annotations

import math

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given, settings
from hypothesis import strategies as st
from reward_envs import ScriptedEnv, TermsEnv, rollout

from telos import wrappers
from telos.wrappers import AccumulatedReward, GatedReward, Hindsight

LEVELS = (-1.0, -0.5, 0.0, 1.0)
SIXTEENTHS = st.integers(-64, 64).map(lambda n: n / 16)


def script(outcome, lows, **extra):
    """Steps that pay ``lows`` (one dict each) and the outcome with the last."""
    steps = [{"outcome": 0.0, "tool": 0.0, "format": 0.0, **low} for low in lows]
    steps[-1]["outcome"] = outcome
    return ScriptedEnv(steps, **extra)


def rewards(env):
    """The streamed rewards of one episode, and its last info."""
    steps = rollout(env, [0] * 100)[1:]
    return [step[1] for step in steps], steps[-1][4]


LOWS = [{"tool": 0.25}, {"tool": 0.25, "format": -0.125}, {"tool": 0.5}]


def test_accumulated_reward_by_hand():
    env = AccumulatedReward(script(1.0, LOWS), weights={"tool": 2.0})
    paid, info = rewards(env)
    assert paid == [0.5, 0.375, 2.0]
    assert info["raw_reward"] == 1.5
    assert info["reward_terms"] == {"outcome": 1.0, "tool": 1.0, "format": 0.0}
    assert info["accumulated_reward"] == {
        "raw": {"outcome": 1.0, "tool": 1.0, "format": -0.125},
        "paid": {"outcome": 1.0, "tool": 2.0, "format": -0.125},
    }


def test_gated_reward_by_hand():
    paid, info = rewards(GatedReward(script(1.0, LOWS)))
    assert paid == [0.0, 0.0, 1.875]
    assert info["reward_terms"] == {"outcome": 1.0, "tool": 1.0, "format": -0.125}
    assert info["gated_reward"] == {
        "open": {"tool": True, "format": True},
        "raw": {"outcome": 1.0, "tool": 1.0, "format": -0.125},
        "paid": {"outcome": 1.0, "tool": 1.0, "format": -0.125},
    }
    paid, info = rewards(GatedReward(script(-0.5, LOWS)))
    assert paid == [0.0, 0.0, -0.5]
    assert info["gated_reward"]["open"] == {"tool": False, "format": False}
    assert info["gated_reward"]["raw"]["tool"] == 1.0
    assert info["gated_reward"]["paid"] == {"outcome": -0.5, "tool": 0.0, "format": 0.0}


def test_telemetry_is_there_only_at_the_end():
    steps = rollout(GatedReward(script(1.0, LOWS), pay="hindsight"), [0] * 9)[1:]
    assert ["gated_reward" in step[4] for step in steps] == [False, False, True]
    assert ["hindsight" in step[4] for step in steps] == [False, False, True]


def test_outcome_earned_on_the_way_is_paid_when_earned():
    env = ScriptedEnv([{"outcome": 0.5, "tool": 1.0}, {"outcome": 0.25, "tool": 1.0}])
    assert rewards(GatedReward(env, threshold=0.75))[0] == [0.5, 2.25]
    assert rewards(GatedReward(env, threshold=0.76))[0] == [0.5, 0.25]


def test_weights_scale_payments_and_not_gates():
    env = script(0.5, LOWS)
    assert rewards(GatedReward(env, threshold=0.5, weights={"outcome": 0.125}))[0] == [0.0, 0.0, 0.9375]
    assert rewards(GatedReward(env, threshold=0.5, weights={"tool": 4.0}))[0] == [0.0, 0.0, 4.375]


@pytest.mark.parametrize(("strict", "expected"), [(False, 1.875), (True, 1.0)])
def test_strict(strict, expected):
    assert sum(rewards(GatedReward(script(1.0, LOWS), threshold=1.0, strict=strict))[0]) == expected


@pytest.mark.parametrize(
    ("top", "middle", "expected", "opened"),
    [
        (1.0, 0.5, 1.0 + 0.5 + 0.25, (True, True)),
        (1.0, 0.25, 1.0 + 0.25, (True, False)),
        (0.0, 0.5, 0.0, (False, False)),
    ],
)
def test_three_level_chain(top, middle, expected, opened):
    env = script(top, [{"tool": middle}, {"format": 0.25}])
    env = GatedReward(env, priorities={"outcome": 2, "tool": 1}, gates={"outcome": 0.5, "tool": 0.5})
    paid, info = rewards(env)
    assert paid == [0.0, expected]
    assert info["gated_reward"]["open"] == {"tool": opened[0], "format": opened[1]}


def test_a_level_without_a_gate_closes_nothing():
    env = GatedReward(script(-1.0, LOWS), priorities={"outcome": 2, "tool": 1}, gates={"tool": 1.0})
    assert rewards(env)[0] == [0.25, 0.25, -0.625]


def test_short_form_is_the_general_form():
    long = {"priorities": {"outcome": 1}, "gates": {"outcome": 0.5}}
    for outcome in LEVELS:
        assert rewards(GatedReward(script(outcome, LOWS), threshold=0.5)) == rewards(
            GatedReward(script(outcome, LOWS), **long)
        )


LOW_STEPS = st.lists(st.fixed_dictionaries({"tool": SIXTEENTHS, "format": SIXTEENTHS}), min_size=1, max_size=8)


@given(st.sampled_from(LEVELS), LOW_STEPS)
def test_gate_at_the_lowest_outcome_is_accumulation(outcome, lows):
    gated, gated_info = rewards(GatedReward(script(outcome, lows), threshold=min(LEVELS)))
    plain, plain_info = rewards(AccumulatedReward(script(outcome, lows)))
    assert sum(gated) == sum(plain)
    assert gated_info["gated_reward"]["paid"] == plain_info["accumulated_reward"]["paid"]


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=20), st.floats(-3, 3))
def test_gated_sums_are_those_of_accumulation_to_the_bit(tools, weight):
    lows = [{"tool": tool} for tool in tools]
    weights = {"tool": weight}
    _, gated = rewards(GatedReward(script(0.0, lows), threshold=-1.0, weights=weights))
    _, plain = rewards(AccumulatedReward(script(0.0, lows), weights=weights))
    assert gated["gated_reward"]["paid"] == plain["accumulated_reward"]["paid"]


@given(st.sampled_from(LEVELS), LOW_STEPS)
def test_gate_above_the_top_leaves_the_outcome(outcome, lows):
    for kwargs in ({"threshold": 1.5}, {"threshold": math.inf}, {"threshold": 1.0, "strict": True}):
        paid, _ = rewards(GatedReward(script(outcome, lows), **kwargs))
        assert paid == [0.0] * (len(lows) - 1) + [outcome]


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.sampled_from(LEVELS), LOW_STEPS), min_size=2, max_size=2),
    st.sampled_from([0.0, 0.125, 0.4, 0.49]),
    st.sampled_from([-2.0, -1.0, -0.5, 0.0, 1.0]),
    st.sampled_from(["terminal", "hindsight"]),
)
def test_low_cap_is_lexicographic(episodes, cap, threshold, pay):
    values = []
    for outcome, lows in episodes:
        paid, info = rewards(GatedReward(script(outcome, lows), threshold=threshold, low_cap=cap, pay=pay))
        values.append((outcome, info["hindsight"].reward.sum() if pay == "hindsight" else sum(paid)))
        contribution = values[-1][1] - outcome
        assert -1e-12 <= contribution <= cap + 1e-12
    worse, better = sorted(values)
    assert worse[0] == better[0] or worse[1] < better[1]


def test_low_cap_by_hand():
    lows = [{"tool": 3.0, "format": -1.0}]
    paid, info = rewards(GatedReward(script(1.0, lows), low_cap=0.5))
    assert paid == [1.5]
    assert info["reward_terms"] == {"outcome": 1.0, "tool": 0.75, "format": -0.25}
    assert info["gated_reward"]["paid"] == info["reward_terms"]
    assert rewards(GatedReward(script(1.0, [{"tool": -3.0}]), low_cap=0.5))[0] == [1.0]
    assert rewards(GatedReward(script(1.0, [{"tool": 0.25}]), low_cap=0.5))[0] == [1.25]


def test_without_low_cap_gating_rewards_loitering():
    """The honest limit that the docstring states: inside an outcome level longer is better."""
    short, long = (sum(rewards(GatedReward(script(1.0, [{"tool": 0.5}] * n)))[0]) for n in (2, 9))
    assert long > short


def test_truncated_episodes_are_scored_with_their_outcome():
    assert rewards(GatedReward(script(1.0, LOWS, truncated=True)))[0] == [0.0, 0.0, 1.875]
    assert rewards(GatedReward(script(-1.0, LOWS, truncated=True)))[0] == [0.0, 0.0, -1.0]


@pytest.mark.parametrize("pay", ["terminal", "hindsight"])
@pytest.mark.parametrize("failure", [False, np.False_])
def test_infrastructure_failure_pays_nothing(pay, failure):
    env = script(0.0, LOWS, truncated=True, last_info={"trainable": failure})
    paid, info = rewards(GatedReward(env, threshold=-1.0, pay=pay))
    assert paid == [0.0, 0.0, 0.0]
    assert info["gated_reward"]["open"] == {"tool": False, "format": False}
    assert set(info["gated_reward"]["paid"].values()) == {0.0}
    if pay == "hindsight":
        assert not info["hindsight"].reward.any()
    again = rewards(GatedReward(script(1.0, LOWS, last_info={"trainable": True})))[0]
    assert again == [0.0, 0.0, 1.875]


def test_infrastructure_failure_of_one_row():
    envs = SyncVectorEnv(
        [lambda: script(1.0, LOWS), lambda: script(0.0, LOWS, truncated=True, last_info={"trainable": False})]
    )
    envs = wrappers.vector.GatedReward(envs, threshold=-1.0)
    envs.reset()
    for _ in range(3):
        _, paid, *_, infos = envs.step(np.zeros(2, int))
    assert paid.tolist() == [1.875, 0.0]
    assert infos["gated_reward"]["open"]["tool"].tolist() == [True, False]


@given(
    st.sampled_from(LEVELS),
    LOW_STEPS,
    st.sampled_from([None, 0.5]),
    st.sampled_from([{}, {"tool": 0.5, "outcome": 2.0}]),
)
def test_pay_modes_are_worth_the_same(outcome, lows, cap, weights):
    kwargs = {"threshold": -0.5, "low_cap": cap, "weights": weights}
    terminal, _ = rewards(GatedReward(script(outcome, lows), **kwargs))
    stream, info = rewards(GatedReward(script(outcome, lows), pay="hindsight", **kwargs))
    assert stream == [0.0] * (len(lows) - 1) + [weights.get("outcome", 1.0) * outcome]
    rewritten = info["hindsight"]
    assert isinstance(rewritten, Hindsight)
    assert rewritten.reward.shape == (len(lows),)
    assert rewritten.raw_terms["tool"].tolist() == [low["tool"] for low in lows]
    assert np.array_equal(sum(rewritten.terms.values()), rewritten.reward)
    if cap is None:
        assert rewritten.reward.sum() == sum(terminal)
    assert rewritten.reward.sum() == pytest.approx(sum(terminal), abs=1e-12)


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_hindsight_vectors_in_a_vector_env(mode):
    """Written back into a rollout buffer, they give each episode the terminal-paying return."""
    returns = []
    for pay in ("terminal", "hindsight"):
        envs = SyncVectorEnv([lambda: TermsEnv(limit=90)] * 3, autoreset_mode=mode)
        envs = wrappers.vector.GatedReward(envs, threshold=-0.5, pay=pay)
        envs.reset(seed=0)
        actions = np.where(np.random.default_rng(1).random((250, 3)) < 0.02, 2, 1)
        running, finished = [[] for _ in range(3)], []
        dummy = np.zeros(3, bool)
        for action in actions:
            _, paid, terminated, truncated, infos = envs.step(action)
            done = terminated | truncated
            for i in np.flatnonzero(~dummy):
                running[i].append(paid[i])
                if done[i]:
                    if pay == "hindsight":
                        where = infos["final_info"] if mode is AutoresetMode.SAME_STEP else infos
                        rewritten = where["hindsight"][i].reward
                        assert len(rewritten) == len(running[i])
                        running[i] = rewritten
                    finished.append(sum(running[i]))
                    running[i] = []
            dummy = done & (mode is AutoresetMode.NEXT_STEP)
            if mode is AutoresetMode.DISABLED and done.any():
                envs.reset(options={"reset_mask": done})
        returns.append(finished)
    assert len(returns[0]) > 10
    assert returns[0] == pytest.approx(returns[1], abs=1e-9)


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"pay": "terminl"}, r"pay='terminl'.*Did you mean 'terminal'"),
        ({"threshold": math.nan}, "threshold=nan must be a number"),
        ({"threshold": "high"}, "threshold='high' must be a number"),
        ({"low_cap": -0.5}, "low_cap=-0.5 must be at least 0"),
        ({"weights": {"tool": math.inf}}, r"weights\['tool'\]=inf must be a finite number"),
        ({"weights": [1.0]}, "must map names of terms"),
        ({"gates": {"outcome": 0.0}}, "gates need priorities"),
        ({"priorities": {"outcome": 1}, "gates": {"outcme": 0.0}}, "Did you mean 'outcome'"),
        ({"priorities": {"outcome": 1}, "threshold": 0.5}, "give one form"),
        ({"priorities": {"outcome": "top"}}, r"priorities\['outcome'\]='top' must be a"),
        ({"priorities": {"outcome": 1.5}}, r"priorities\['outcome'\]=1.5 must be a whole number"),
    ],
)
def test_bad_arguments_are_refused_early(kwargs, match):
    with pytest.raises(ValueError, match=match):
        GatedReward(TermsEnv(), **kwargs)


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        (
            {"outcome": "outcom"},
            r"GatedReward: .*'outcom'.*Did you mean 'outcome'.*'format', 'outcome', 'tool'.*first step",
        ),
        ({"weights": {"tools": 1.0}}, "Did you mean 'tool'"),
        ({"priorities": {"outcome": 1, "zzz": 0}}, "no reward term 'zzz'"),
    ],
)
def test_unknown_terms_are_refused_at_the_first_step(kwargs, match):
    for env in (
        GatedReward(TermsEnv(), **kwargs),
        wrappers.vector.GatedReward(SyncVectorEnv([TermsEnv] * 2), **kwargs),
    ):
        env.reset(seed=0)
        with pytest.raises(ValueError, match=match):
            env.step(np.zeros(2, int) if hasattr(env, "num_envs") else 0)


def test_an_environment_without_terms_says_so():
    env = GatedReward(TermsEnv(named=False))
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"Its terms are: 'reward'.*writes no info\['reward_terms'\]"):
        env.step(0)


def test_arguments_are_plain_and_complete():
    env = GatedReward(TermsEnv(), threshold=np.float32(0.5), weights={"tool": np.int64(2)})
    assert env.transform.arguments["weights"] == {"tool": 2.0}
    assert type(env.transform.arguments["threshold"]) is float
    assert repr(env) == "<GatedReward(threshold=0.5, weights={'tool': 2.0})<TermsEnv instance>>"
    assert repr(env.transform) == "GatedRewardTransform(threshold=0.5, weights={'tool': 2.0})"
    envs = wrappers.vector.GatedReward(SyncVectorEnv([TermsEnv] * 2), "outcome", 0.5)
    assert repr(envs) == "<GatedReward(threshold=0.5), SyncVectorEnv(num_envs=2)>"
