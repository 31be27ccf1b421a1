"""ReNorm: signs, sums, and whether it pays to loiter."""

from __future__ import annotations

import math

import numpy as np
import pytest
from episodes import best_loitering, play, scores
from hypothesis import given
from hypothesis import strategies as st
from reward_envs import ScriptedEnv, TermsEnv

from telos.wrappers import env_face
from telos.wrappers.renorm import ReNormTransform

ReNorm = env_face(ReNormTransform, __name__)


def rewritten(process, outcome, **options):
    _, info = play(ReNorm(ScriptedEnv(scores(process, outcome)), pay="hindsight", **options))
    return info["hindsight"]


def test_by_hand():
    summed = rewritten([0.25, 1.0], 1.0, reduce="sum")
    assert summed.terms["process"].tolist() == [-0.25, 0.5]
    assert summed.terms["outcome"].tolist() == [0.5, 0.5]
    assert summed.reward.tolist() == [0.25, 1.0]
    assert rewritten([0.25, 1.0], 1.0).reward.tolist() == [0.125, 0.5]
    assert rewritten([0.25, 1.0], 0.0, reduce="sum").reward.tolist() == [-0.75, 0.0]
    assert rewritten([0.25, 1.0], 1.0, reduce="sum", centre=0.0).reward.tolist() == [1.25, 2.0]


def test_terminal_payment_by_hand():
    paid, info = play(ReNorm(ScriptedEnv(scores([0.25, 1.0], 1.0, tool=2.0)), reduce="sum"))
    assert paid == [2.0, 2.0 + 1.25]
    assert info["reward_terms"] == {"outcome": 1.0, "process": 0.25, "tool": 2.0}


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=10), st.sampled_from([0.0, 1.0]), st.sampled_from(["sum", "mean"])
)
def test_signs_follow_the_outcome(process, outcome, reduce):
    hindsight = rewritten(process, outcome, reduce=reduce)
    assert (hindsight.reward >= -1e-12).all() if outcome else (hindsight.reward <= 1e-12).all()
    paid, _ = play(ReNorm(ScriptedEnv(scores(process, outcome)), reduce=reduce))
    assert sum(paid) == pytest.approx(hindsight.reward.sum(), abs=1e-12)


def test_the_mean_stops_loitering_and_the_sum_does_not():
    """The exact optimum of a chain in which wasted steps score 0.5 and useful ones 0.6."""

    def total(reduce):
        return lambda steps: sum(play(ReNorm(ScriptedEnv(steps), reduce=reduce))[0])

    assert best_loitering(total("sum")) == 15
    assert best_loitering(total("mean")) == 0
    assert best_loitering(total("mean"), forward=0.5, loiter=0.6) == 15


def test_failure_and_truncation():
    failed = ScriptedEnv(scores([1.0, 1.0]), truncated=True, last_info={"trainable": False})
    assert play(ReNorm(failed, reduce="sum"))[0] == [0.0, 0.0]
    _, info = play(ReNorm(failed, reduce="sum", pay="hindsight"))
    assert not np.any(info["hindsight"].reward)
    assert play(ReNorm(ScriptedEnv(scores([1.0, 1.0], 1.0), truncated=True), reduce="sum"))[0] == [0.0, 2.0]


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"reduce": "average"}, "reduce='average' is not one of 'mean', 'sum'"),
        ({"pay": "later"}, "not one of 'terminal', 'hindsight'"),
        ({"centre": math.inf}, "must be a finite number"),
        ({"process": "outcome"}, "must be different terms"),
    ],
)
def test_bad_arguments_are_refused(kwargs, match):
    with pytest.raises(ValueError, match=match):
        ReNorm(TermsEnv(), **kwargs)
