"""What the benchmarks of reward models compute."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def load(name):
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


preference, ensemble = load("rewards_preference"), load("rewards_ensemble")


def softmax(logits):
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def test_payments_for_a_learned_score_are_those_of_the_formulas():
    task = preference.draw_task(1, 0.15)
    paid = preference.paid(task)
    win_rates = 1 / (1 + np.exp(-(task.score[:, None] - task.references)))
    np.testing.assert_array_equal(paid["raw"], task.score)
    np.testing.assert_allclose(paid["PAR, 10 references"], win_rates.mean(axis=1), atol=1e-12)
    np.testing.assert_allclose(paid["PAR, 1 reference"], win_rates[:, 0], atol=1e-12)
    # Up to a constant, Clip is a ceiling one standard deviation above the mean.
    ceiling = task.score.mean() + task.score.std()
    np.testing.assert_allclose(paid["clip"] + ceiling, np.minimum(task.score, ceiling), atol=1e-12)


def test_the_reward_model_finds_the_weights_of_a_bradley_terry_judge():
    rng = np.random.default_rng(0)
    truth, pairs = np.array([1.0, -2.0, 0.5]), rng.normal(size=(20_000, 3))
    won = rng.random(len(pairs)) < 1 / (1 + np.exp(-pairs @ truth))
    np.testing.assert_allclose(preference.fit(np.where(won[:, None], pairs, -pairs)), truth, atol=0.1)


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_the_ascent_follows_the_closed_form(weight):
    rewards = np.random.default_rng(0).normal(size=(2, preference.RESPONSES))
    policies = []
    preference.climb(rewards, weight, 300, lambda step, policy, log: policies.append(policy))
    shrink = 1 - preference.STEP_SIZE * weight
    for step in (0, 1, 10, 300):
        scale = sum(preference.STEP_SIZE * shrink**k for k in range(step))
        np.testing.assert_allclose(policies[step], softmax(scale * rewards), rtol=1e-6)
    if weight:
        np.testing.assert_allclose(policies[-1], softmax(rewards / weight), rtol=0.01)


def test_training_starts_uniform_and_ends_at_the_best_paid_response():
    rewards = np.arange(preference.RESPONSES)[None] / 10.0
    worth = np.random.default_rng(0).normal(size=rewards.shape)
    curves = preference.train(rewards, worth, 0.0, 2000)
    assert curves["worth"][0, 0] == pytest.approx(worth.mean())
    assert curves["worth"][0, -1] == pytest.approx(worth[0, -1])
    assert curves["divergence"][0, [0, -1]] == pytest.approx([0.0, np.log(preference.RESPONSES)])


def test_payments_for_several_heads_are_those_of_the_formulas():
    rng = np.random.default_rng(0)
    means, stds = rng.normal(size=(3, 64, 5)), rng.random((3, 64, 5))
    surest = np.take_along_axis(means, stds.argmin(axis=2)[..., None], axis=2)[..., 0]
    worst, mean = means.min(axis=2), means.mean(axis=2)
    expected = {
        "one head": means[..., 0],
        "nominal": surest,
        "0.8 nominal, 0.2 worst": 0.8 * surest + 0.2 * worst,
        "0.4 nominal, 0.6 worst": 0.4 * surest + 0.6 * worst,
        "worst": worst,
        "0.4 mean, 0.6 worst": 0.4 * mean + 0.6 * worst,
        "mean": mean,
    }
    assert expected.keys() == ensemble.SCHEMES.keys()
    for name, (arguments, _) in ensemble.SCHEMES.items():
        np.testing.assert_allclose(ensemble.paid(means, stds, arguments), expected[name], atol=1e-12)


def test_heads_are_posteriors():
    # Many labels without noise: every head knows.
    worth, means, stds = ensemble.draw(0, ensemble.Setting(labels=400, noise=1e-3))
    np.testing.assert_allclose(means, np.repeat(worth[:, None], ensemble.HEADS, axis=1), atol=1e-2)
    assert stds.max() < 1e-2
    # Labels that say nothing: heads are draws of the prior, and their standard deviation is that of worths given
    # features, 1 on average.
    spread = [ensemble.draw(seed, ensemble.Setting(noise=1e4))[1:] for seed in range(200)]
    means, stds = (np.array(part) for part in zip(*spread, strict=True))
    assert means.std() == pytest.approx(1.0, abs=0.05)
    assert np.sqrt((stds**2).mean()) == pytest.approx(1.0, abs=0.05)


def test_the_policy_is_the_regularised_optimum():
    rng = np.random.default_rng(0)
    rewards, weight = rng.normal(size=(1, 64)), 0.3

    def objective(policy):
        divergence = (policy * np.log(policy * ensemble.ACTIONS)).sum(axis=-1)
        return ((policy * rewards.reshape(1, 8, 8)).sum(axis=-1) - weight * divergence).sum()

    best = ensemble.optimise(rewards, weight)
    for _ in range(50):
        assert objective(best) > objective(softmax(np.log(best) + 0.3 * rng.normal(size=best.shape)))
