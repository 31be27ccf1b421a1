"""Rewards of whole episodes: the exact optimum against all action sequences, played through the wrappers themselves."""

import itertools

import gymnasium as gym
import pytest

import telos  # noqa: F401 - registers the environments
from telos.envs.tabular.episodic import episode_optimum
from telos.envs.tabular.optimum import finite_horizon_optimum
from telos.wrappers import AccumulatedReward, GatedReward

NOTHING = (0.0, 0.0, 0)
LENGTH = {"length": lambda summary: summary[2]}


def extend(summary, terms):
    """Sums of outcome and process scores, and the number of steps."""
    outcome, process, length = summary
    return outcome + terms["outcome"], round(process + terms["process"], 9), length + 1


def optimum(worth, **arguments):
    mdp = gym.make("LoiterChain-v0", **arguments).unwrapped.to_tabular()
    return episode_optimum(mdp, NOTHING, extend, lambda summary: worth(*summary), LENGTH)


def gated(gate, cap=float("inf")):
    return lambda outcome, process, _: outcome + (min(max(process, 0.0), cap) if outcome >= gate else 0.0)


@pytest.mark.parametrize(
    ("name", "worth", "best", "extra"),
    [
        ("sum", lambda outcome, process, _: outcome + process, 11.5, (15, 15)),
        ("gated", gated(1.0), 11.5, (15, 15)),
        ("gate that is always open", gated(0.0), 11.5, (15, 15)),
        ("gate that never opens", gated(2.0), 1.0, (0, 15)),
        ("capped above what the goal needs", gated(1.0, 4.0), 5.0, (2, 15)),
        ("capped below the gap of outcomes", gated(1.0, 0.9), 1.9, (0, 15)),
        ("outcome", lambda outcome, *_: outcome, 1.0, (0, 15)),
        ("outcome, sooner is better", lambda outcome, _, length: outcome * 0.99**length, 0.99**5, (0, 0)),
        ("mean", lambda outcome, process, length: outcome + process / length, 1.6, (0, 0)),
    ],
)
def test_what_each_reward_makes_optimal_on_the_chain(name, worth, best, extra):
    """By hand: five steps forward score 3.0, and fifteen of loitering 7.5; the outcome is 1."""
    found = optimum(worth)
    assert found.worth == pytest.approx(best)
    assert found.ranges["length"] == pytest.approx((extra[0] + 5, extra[1] + 5))


def test_a_mean_is_farmed_if_loitering_scores_more():
    found = optimum(lambda outcome, process, length: outcome + process / length, loiter_score=0.7)
    assert found.ranges["length"] == (20, 20)


SMALL = {"goal_distance": 2, "horizon": 6}


@pytest.mark.parametrize(
    ("wrapper", "arguments", "worth"),
    [
        (AccumulatedReward, {"weights": {"process": 0.5}}, lambda outcome, process, _: outcome + 0.5 * process),
        (GatedReward, {"threshold": 1.0}, gated(1.0)),
        (GatedReward, {"threshold": 1.0, "low_cap": 1.5}, gated(1.0, 1.5)),
        (GatedReward, {"threshold": 0.0}, gated(0.0)),
        (GatedReward, {"threshold": 2.0}, gated(2.0)),
    ],
)
def test_optima_equal_the_best_of_all_action_sequences_in_the_wrapped_environment(wrapper, arguments, worth):
    env = wrapper(gym.make("LoiterChain-v0", **SMALL), **arguments)
    played = []
    for actions in itertools.product(range(2), repeat=6):
        env.reset(seed=0)
        total, length, over = 0.0, 0, False
        while not over:
            _, reward, over, _, _ = env.step(actions[length])
            total, length = total + reward, length + 1
        played.append((total, length))
    best = max(total for total, _ in played)
    lengths = [length for total, length in played if total > best - 1e-9]
    found = optimum(worth, **SMALL)
    assert found.worth == pytest.approx(best)
    assert found.ranges["length"] == (min(lengths), max(lengths))


def test_a_sum_is_an_ordinary_reward():
    mdp = gym.make("StepChain-v0", max_steps=6, prm_noise=0.1).unwrapped.to_tabular()
    found = episode_optimum(mdp, 0.0, lambda total, terms: round(total + sum(terms.values()), 9), float, {})
    assert found.worth == pytest.approx(finite_horizon_optimum(mdp).expected, abs=1e-7)


def test_a_horizon_is_needed():
    mdp = gym.make("FourRooms-v0").unwrapped.to_tabular()
    with pytest.raises(ValueError, match="horizon of at most 200"):
        episode_optimum(mdp, 0, lambda total, _: total, float, {})
