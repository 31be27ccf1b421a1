"""What a report says that a wrapper did to the reward."""

from __future__ import annotations

import json
import math
from io import StringIO
from itertools import combinations

import numpy as np
import pytest
from reward_envs import TermsEnv
from rich.console import Console
from scipy.stats import spearmanr

from telos.baselines.reward_report import play_random_episodes
from telos.wrappers import Episode, GatedReward, relabel
from telos.wrappers.diagnostics import reward_report
from telos.wrappers.registry import TRANSFORMS


def episode(outcome, tool):
    return Episode(None, None, {"outcome": np.array(outcome), "tool": np.array(tool)})


def latenesses(change):
    return [term.lateness for term in change.terms.values() if term.paid_sum]


# Gated at 0.5, the middle one is paid nothing, and the tool rewards of the others come with the last step.
WORKED = [episode([0.0, 1.0], [0.5, 0.5]), episode([0.0, 0.0], [1.0, 1.5]), episode([0.0, 1.0], [0.0, 0.25])]


@pytest.fixture(scope="module")
def played():
    return play_random_episodes(TermsEnv(), 40, seed=3)[0]


def test_an_example_worked_by_hand():
    report = reward_report(WORKED, "gated:threshold=0.5")
    change = report.total
    assert (report.episodes, report.steps, report.outcome) == (3, 6, "outcome")
    tool, outcome = change.terms["tool"], change.terms["outcome"]
    assert (tool.raw_sum, tool.changed, tool.lateness) == (1.25, 4 / 6, 1.0)
    assert tool.paid_sum == pytest.approx(1.25 / 3)
    assert (outcome.raw_sum, outcome.paid_sum) == (2 / 3, 2 / 3)
    assert (outcome.changed, outcome.lateness) == (0.0, 1.0)
    # Returns of 2, 2.5 and 1.25 become 2, 0 and 1.25.
    assert change.raw_mean == pytest.approx(5.75 / 3)
    assert change.paid_mean == pytest.approx(3.25 / 3)
    assert change.paid_sd == pytest.approx(math.sqrt(((2 - 13 / 12) ** 2 + (13 / 12) ** 2 + (1.25 - 13 / 12) ** 2) / 2))
    assert change.rank_correlation == pytest.approx(-0.5)
    assert change.flipped == pytest.approx(2 / 3)
    assert change.outcome_correlation == pytest.approx(1.5 / math.sqrt(2 * 1.5))


@pytest.mark.parametrize("name", [name for name, entry in TRANSFORMS.items() if entry.neutral is not None])
def test_a_wrapper_that_pays_the_raw_reward_changes_nothing(name, played):
    change = reward_report(played, TRANSFORMS[name].load()(**TRANSFORMS[name].neutral)).total
    assert all(term.changed == 0.0 and term.raw_sum == term.paid_sum for term in change.terms.values())
    assert (change.raw_mean, change.raw_sd) == (change.paid_mean, change.paid_sd)
    assert (change.rank_correlation, change.flipped) == (pytest.approx(1.0), 0.0)


def test_a_term_of_weight_0_is_paid_nothing(played):
    terms = reward_report(played, "accumulated:weights.tool=0").total.terms
    assert terms["tool"].paid_sum == 0.0
    assert math.isnan(terms["tool"].lateness)
    assert terms["tool"].changed == np.mean([value != 0 for e in played for value in e.terms["tool"]]) > 0
    assert terms["format"].changed == terms["outcome"].changed == 0.0


def test_numbers_agree_with_plain_counting(played):
    change = reward_report(played, "accumulated:weights.tool=-3", outcome="format").total
    paid = relabel(played, "accumulated:weights.tool=-3")
    before, after = ([each.reward.sum() for each in side] for side in (played, paid))
    assert change.raw_mean == pytest.approx(np.mean(before))
    assert change.paid_sd == pytest.approx(np.std(after, ddof=1))
    assert change.rank_correlation == pytest.approx(spearmanr(before, after).statistic)
    formats = [each.terms["format"].sum() for each in played]
    assert change.outcome_correlation == pytest.approx(spearmanr(after, np.round(formats, 9)).statistic)
    pairs = list(combinations(range(len(played)), 2))
    flips = [(before[i] - before[j]) * (after[i] - after[j]) < 0 for i, j in pairs]
    assert change.flipped == pytest.approx(sum(flips) / len(pairs))
    assert 0.1 < change.flipped < 1.0
    last = sum(abs(each.terms["tool"][-1]) for each in paid)
    assert change.terms["tool"].lateness == pytest.approx(last / sum(np.abs(e.terms["tool"]).sum() for e in paid))


def test_a_stack_is_told_apart_by_stage(played):
    specs = ["accumulated:weights.tool=2", "gated:threshold=0.0", "checklist:items.solved=outcome"]
    report = reward_report(played, specs)
    assert report == reward_report(played, " + ".join(specs))
    assert [stage.name.partition("(")[0] for stage in report.stages] == [
        "AccumulatedReward",
        "GatedReward",
        "ChecklistReward",
    ]
    first, second, third = report.stages
    assert first.terms == reward_report(played, specs[0]).total.terms
    assert (first.paid_mean, second.paid_mean) == (second.raw_mean, third.raw_mean)
    assert second.terms["outcome"].changed == 0.0 < second.terms["tool"].changed
    assert third.terms["checklist.solved"].raw_sum == 0.0 < third.terms["checklist.solved"].paid_sum
    whole = relabel(played, specs)
    assert report.total.raw_mean == first.raw_mean
    assert report.total.paid_mean == pytest.approx(np.mean([each.reward.sum() for each in whole]))
    for name, term in report.total.terms.items():
        assert term.paid_sum == pytest.approx(np.mean([each.terms[name].sum() for each in whole]))


def test_what_is_rewritten_in_hindsight_counts_as_paid():
    spread = reward_report(WORKED, "reward_redistribution").total
    assert (spread.paid_mean, spread.flipped) == (pytest.approx(spread.raw_mean), 0.0)
    # Spread evenly over two steps.
    assert latenesses(spread) == pytest.approx([0.5] * len(latenesses(spread)))
    late = reward_report(WORKED, ["reward_redistribution", "accumulated"])
    assert late.stages[0].terms == spread.terms
    assert set(latenesses(late.total)) == {1.0}
    assert {term.changed for term in late.stages[1].terms.values()} == {0.0}
    gated = reward_report(WORKED, GatedReward.transform_type(threshold=0.5, pay="hindsight")).total
    assert gated.paid_mean == pytest.approx(3.25 / 3)
    assert gated.terms["tool"].lateness == pytest.approx((0.5 + 0.25) / 1.25)


def test_returns_that_differ_by_rounding_are_tied():
    values = [[0.1, 0.2, 0.3], [0.3, 0.2, 0.1], [0.6, 0.0, 0.0], [0.2, 0.0, 0.0]]
    episodes = [Episode(None, None, {"reward": np.array(each)}) for each in values]
    assert len({sum(each) for each in values[:3]}) > 1
    change = reward_report(episodes, "accumulated:weights.reward=-0.1").total
    assert (change.flipped, change.rank_correlation) == (3 / 6, pytest.approx(-1.0))


def test_what_is_not_defined_is_none_in_json():
    (only,) = reward_report(WORKED[:1], "outcome").to_dict()["stages"]
    assert [only[name] for name in ("raw_sd", "rank_correlation", "flipped", "outcome_correlation")] == [None] * 4
    nameless = reward_report([Episode(None, None, {"reward": [1.0]})] * 3, "episodic")
    assert nameless.outcome is None
    text = json.dumps(nameless.to_dict(), allow_nan=False)
    total = json.loads(text)["total"]
    assert (total["outcome_correlation"], total["rank_correlation"], total["flipped"]) == (None, None, 0.0)
    assert total["terms"]["reward"] == {"raw_sum": 1.0, "paid_sum": 1.0, "changed": 0.0, "lateness": 1.0}


def test_it_is_shown_as_tables():
    console = Console(width=80, file=StringIO())
    console.print(reward_report(WORKED, ["accumulated", "gated:threshold=0.5"]))
    text = console.file.getvalue()
    for expected in ("AccumulatedReward()", "GatedReward(threshold=0.5)", "all together", "tool", "66.7%", "-0.5"):
        assert expected in text
    assert "…" not in text


@pytest.mark.parametrize(
    ("episodes", "transform", "outcome", "match"),
    [
        ([], "gated", None, "at least one episode"),
        (WORKED, [], None, "at least one wrapper"),
        (WORKED, "gatd", None, "Did you mean 'gated'"),
        (WORKED, "gated", "outcom", "Did you mean 'outcome'"),
    ],
)
def test_bad_input_is_refused(episodes, transform, outcome, match):
    with pytest.raises(ValueError, match=match):
        reward_report(episodes, transform, outcome)
