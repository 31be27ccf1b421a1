"""Arms from the literature whose indices, indexability or fluid dynamics are published."""

import numpy as np
import pytest

from telos.envs.bandits.arms import Arms
from telos.envs.bandits.stationary import average_reward_bound
from telos.envs.bandits.whittle import whittle_indices

# Four states in a circle, common in public code on learning Whittle's index: acting moves on and resting moves back,
# with probability 1/2 each. Its indices are listed there.
FORWARD = np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1], [1, 0, 0, 1]]) / 2
CIRCULANT = (FORWARD.T, FORWARD, [-1, 0, 0, 1], [-1, 0, 0, 1])

# Three states, not indexable, from public code.
NOT_INDEXABLE = (
    [[0.005, 0.793, 0.202], [0.027, 0.558, 0.415], [0.736, 0.249, 0.015]],
    [[0.718, 0.254, 0.028], [0.347, 0.097, 0.556], [0.015, 0.956, 0.029]],
    [0, 0, 0],
    [0.699, 0.362, 0.715],
)

# "Gast20Example1" to "3" of github.com/YigeHong/rb-focus-set (after arXiv:2012.09064), rows rounded to eight digits.
GAST = [
    (
        [
            [0.5214073, 0.40392496, 0.07466774],
            [0.0158415, 0.21455666, 0.76960184],
            [0.53722329, 0.37651148, 0.08626522],
        ],
        [
            [0.24639364, 0.23402385, 0.51958251],
            [0.49681581, 0.49509821, 0.00808597],
            [0.37826553, 0.15469252, 0.46704195],
        ],
        [0, 0, 0],
        [0.72232506, 0.18844869, 0.25752477],
    ),
    (
        [
            [0.02232142, 0.10229283, 0.87538575],
            [0.03426605, 0.17175704, 0.79397691],
            [0.52324756, 0.45523298, 0.02151947],
        ],
        [
            [0.14874601, 0.30435809, 0.54689589],
            [0.56845754, 0.41117331, 0.02036915],
            [0.25265570, 0.27310439, 0.4742399],
        ],
        [0, 0, 0],
        [0.37401552, 0.11740814, 0.07866135],
    ),
    (
        [
            [0.47819592, 0.02090623, 0.50089785],
            [0.08063373, 0.15456935, 0.76479692],
            [0.66552514, 0.08481946, 0.2496554],
        ],
        [
            [0.00279465, 0.37327924, 0.62392611],
            [0.51582335, 0.46333908, 0.02083756],
            [0.41875202, 0.17776712, 0.40348086],
        ],
        [0, 0, 0],
        [0.97658608, 0.53014109, 0.40394919],
    ),
]


def one_arm(passive, active, passive_reward, active_reward):
    transitions = np.array([[passive, active]], dtype=float)
    transitions /= transitions.sum(axis=-1, keepdims=True)
    return Arms(transitions, np.array([[passive_reward, active_reward]], dtype=float))


def test_circulant_arm():
    result = whittle_indices(one_arm(*CIRCULANT), 1.0)
    assert result.indexable.all()
    np.testing.assert_allclose(result.indices, [[-0.5, 0.5, 1.0, -1.0]], atol=1e-12)


def test_restart_arm():
    # Resting climbs with probability 0.9 and else falls to the bottom; acting restarts. Public code lists -0.9, -0.73,
    # -0.5, -0.26 for the first four states. In the last one, rest and restart break even where the average rewards of
    # resting always and of restarting at the top are equal, worked out by hand from their stationary laws.
    passive = 0.9 * np.eye(5, k=1) + 0.1 * np.eye(5)[[0] * 5]
    passive[4, 4] = 0.9
    rewards = 0.9 ** np.arange(1, 6)
    result = whittle_indices(one_arm(passive, np.eye(5)[[0] * 5], rewards, np.zeros(5)), 1.0)
    np.testing.assert_allclose(result.indices[0, :4], [-0.9, -0.73, -0.5, -0.26], atol=0.01)
    resting = np.array([0.1, 0.09, 0.081, 0.0729, 0.6561])
    restarting = 0.9 ** np.arange(5) / (0.9 ** np.arange(5)).sum()
    index = (restarting[:4] @ rewards[:4] - resting @ rewards) / restarting[4]
    assert result.indices[0, 4] == pytest.approx(index, abs=1e-12)


@pytest.mark.parametrize("discount", [0.9, 0.95, 1.0])
def test_an_arm_that_is_not_indexable_is_reported(discount):
    assert not whittle_indices(one_arm(*NOT_INDEXABLE), discount).indexable.any()


def test_numbers_in_the_readme_of_markovianbandit_pkg():
    package = pytest.importorskip("markovianbandit.markovianbandit", reason="needs markovianbandit-pkg and numba")
    arm = one_arm(*package.random_restless(dim=4, seed=42).get_P0P1R0R1())
    expected = [[0.87536099, -0.08765819, -0.15279431, -0.51905682]]
    np.testing.assert_allclose(whittle_indices(arm, 1.0).indices, expected, atol=1e-8)
    arms = [one_arm(*package.random_restless(4, seed=seed).get_P0P1R0R1()) for seed in range(2751, 2800)]
    together = Arms(np.concatenate([a.transitions for a in arms]), np.concatenate([a.rewards for a in arms]))
    assert (np.flatnonzero(~whittle_indices(together, 1.0).indexable) + 2751).tolist() == [2791]


@pytest.mark.parametrize(("example", "reward_share"), [(0, 0.997), (1, 0.93), (2, 0.995)])
def test_three_state_arms_on_which_the_index_policy_cycles(example, reward_share):
    arm = one_arm(*GAST[example])
    result = whittle_indices(arm, 1.0)
    assert result.indexable.all()
    order, chances = np.argsort(-result.indices[0]), arm.transitions[0]
    mass, path, rewards = np.full(3, 1 / 3), [], []
    for _ in range(600):
        active, left = np.zeros(3), 0.4
        for state in order:
            active[state] = min(mass[state], left)
            left -= active[state]
        rewards.append(active @ arm.rewards[0, 1])
        mass = active @ chances[1] + (mass - active) @ chances[0]
        path.append(mass)
    assert np.abs(path[-1] - path[-2]).max() > 0.1
    assert np.abs(path[-1] - path[-3]).max() < 1e-9
    assert np.mean(rewards[-200:]) < reward_share * average_reward_bound(arm, 0.4).value
