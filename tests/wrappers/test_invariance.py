"""Transforms that say ``"exact"`` keep the optimal policies of random decision processes, and the check can tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from tabular import TabularMDP, losses, random_mdp

from telos.wrappers import RewardTransform
from telos.wrappers.registry import TRANSFORMS

MDPS = [random_mdp(seed) for seed in range(200)]
EXACT = [
    pytest.param(name, dict(example), id=f"{name}-{i}")
    for name, entry in TRANSFORMS.items()
    if entry.invariance == "exact"
    for i, example in enumerate(entry.examples)
]


@dataclass(eq=False, repr=False)
class FeatureShapingTransform(RewardTransform):
    """Potential-based shaping by the first feature, right or wrong at the end."""

    timing: ClassVar = "causal"
    invariance: ClassVar = "exact"
    observes: ClassVar = True

    gamma: float = 0.9
    terminal: float = 0.0
    keeps_last: bool = False

    def reset(self, mask):
        pass

    def update(self, step):
        after = step.next_obs[:, 0]
        if not self.keeps_last:
            after = np.where(step.terminated, self.terminal, after)
        return {**step.terms, "potential": self.gamma * after - step.obs[:, 0]}


@pytest.mark.parametrize(("name", "kwargs"), EXACT)
def test_exact_transforms_keep_optimal_policies(name, kwargs):
    transform = TRANSFORMS[name].load()(**kwargs)
    assert max(losses(transform, MDPS, transform.arguments.get("gamma", 1.0))) < 1e-9


@pytest.mark.parametrize("gamma", [0.5, 1.0])
def test_right_potentials_pass(gamma):
    assert max(losses(FeatureShapingTransform(gamma), MDPS, gamma)) < 1e-9


def test_wrong_ones_are_caught():
    wrong = {
        "the last state's own potential": (FeatureShapingTransform(0.9, keeps_last=True), 0.9),
        "a potential of 10 at the end": (FeatureShapingTransform(0.9, terminal=10.0), 0.9),
        "another discount": (FeatureShapingTransform(0.5), 1.0),
    }
    for transform, gamma in wrong.values():
        found = np.array(losses(transform, MDPS, gamma))
        assert found.min() > -1e-9
        assert (found > 0.01).sum() >= 5


def test_weighted_terms_are_told_from_exact_ones():
    assert max(losses("accumulated", MDPS)) < 1e-9
    assert max(losses("accumulated:weights.tool=0.1", MDPS)) > 0.1


def test_the_loss_by_hand():
    """One step: action 1 is better by 1, but the outcome is weighed by -0.5, so action 0 is better by a half."""
    transitions = np.zeros((3, 2, 3))
    transitions[0, 0, 1] = transitions[0, 1, 2] = 1.0
    rewards = np.zeros((3, 2, 3))
    rewards[0, 1, 2] = 1.0
    mdp = TabularMDP(transitions, rewards, np.array([False, True, True]))
    assert losses("accumulated:weights.outcome=-0.5", [mdp]) == [0.5]
