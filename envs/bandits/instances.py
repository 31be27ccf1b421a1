"""Arms of the classic restless bandits, random but reproducible.

Every generator draws each quantity from a stream of its own, keyed by the seed and the quantity's name, so that a new
quantity never shifts the others.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import ArrayLike, NDArray

from telos.envs.bandits.arms import Arms


def stream(seed: int, name: str) -> np.random.Generator:
    """The random numbers for one named quantity: the same for the same seed and name, on every machine.

    Raises:
        ValueError: if the seed is negative.
    """
    if seed < 0:
        raise ValueError(f"a seed must be >= 0; got {seed}")
    # Not hash(): that changes from process to process.
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(key,))))


def birth_death_transitions(up: ArrayLike, num_states: int = 4) -> NDArray[np.float64]:
    """Chains that go up a state with a probability that only the level decides, and down a state otherwise.

    Args:
        up: Float64 ``(J, A)`` in 0..1. At the ends a step outwards stays.
        num_states: S >= 2.

    Returns:
        Float64 ``(J, A, S, S)``.
    """
    probability = np.asarray(up, dtype=np.float64)
    transitions = np.zeros((*probability.shape, num_states, num_states))
    for state in range(num_states):
        transitions[..., state, min(state + 1, num_states - 1)] += probability
        transitions[..., state, max(state - 1, 0)] += 1.0 - probability
    return transitions


def birth_death_up(num_arms: int, seed: int) -> NDArray[np.float64]:
    """SEQUOIA's chances of going up: passive U(0, 0.2), active U(0.7, 0.9), float64 ``(J, 2)``."""
    passive = stream(seed, "up, passive").uniform(0.0, 0.2, num_arms)
    return np.stack([passive, stream(seed, "up, active").uniform(0.7, 0.9, num_arms)], axis=1)


def birth_death_rewards(num_arms: int, num_good: int, seed: int) -> NDArray[np.float64]:
    """SEQUOIA's rewards of being in a state, float64 ``(J, 4)``.

    The first ``num_good`` arms get [0.2, 0.15, 0.1, top] with top from {4, 5, 6}, the others [0.1, 0.15, 0.2, top]
    with top from {1, 2, 3}: on the way to a good arm's top the reward falls, so that greed looks away from it.
    """
    if not 0 <= num_good <= num_arms:
        raise ValueError(f"num_good must lie in 0..{num_arms}; got {num_good}")
    good = np.arange(num_arms) < num_good
    rewards = np.where(good[:, None], [0.2, 0.15, 0.1, 0.0], [0.1, 0.15, 0.2, 0.0])
    rewards[:, 3] = stream(seed, "top reward").integers(1, 4, num_arms) + 3 * good
    return rewards


def next_state_arms(transitions: NDArray[np.float64], next_state_rewards: NDArray[np.float64]) -> Arms:
    """Arms that are paid for the state they come to.

    Args:
        transitions: Float64 ``(J, A, S, S)``.
        next_state_rewards: Float64 ``(J, S)``.

    Returns:
        Arms whose reward is the expectation over the next state.
    """
    return Arms(transitions, np.einsum("jast,jt->jas", transitions, next_state_rewards))


def birth_death_arms(num_arms: int, seed: int, num_good: int = 0) -> Arms:
    """The arm of the SEQUOIA paper (arXiv 2503.01919): 4 states, up or down, paid for the next state.

    Args:
        num_arms: J.
        seed: The instance's seed, >= 0.
        num_good: The number of arms with a high top reward, the paper's budget; see `birth_death_rewards`.

    Returns:
        Arms with 2 levels and 4 states.
    """
    return next_state_arms(
        birth_death_transitions(birth_death_up(num_arms, seed)), birth_death_rewards(num_arms, num_good, seed)
    )


def streaming_arms(num_arms: int, seed: int) -> Arms:
    """SEQUOIA's arms that opt in and out: a fifth state, 4, stands for "absent", pays nothing and hears nothing.

    An arm leaves after a step with its own probability U(0.02, 0.1), whatever is done, and another takes its place, in
    state 0, with probability U(0.05, 0.2) a step. So the number of arms that matter drifts, as in programmes that
    people enrol in and leave: the streaming bandits of Mate et al. (arXiv:2103.04730), who fix each arm's times of
    arrival and departure, where ours are random. The numbers are ours.

    Args:
        num_arms: J, absent arms included.
        seed: The instance's seed, >= 0.

    Returns:
        Arms with 2 levels and 5 states.
    """
    leaves = stream(seed, "leaves").uniform(0.02, 0.1, (num_arms, 1, 1))
    returns = stream(seed, "returns").uniform(0.05, 0.2, (num_arms, 1))
    present = birth_death_transitions(birth_death_up(num_arms, seed))
    states = present.shape[2]
    transitions = np.zeros((num_arms, 2, states + 1, states + 1))
    transitions[:, :, :states, :states] = present * (1.0 - leaves[..., None])
    transitions[:, :, :states, states] = leaves
    transitions[:, :, states, 0] = returns
    transitions[:, :, states, states] = 1.0 - returns
    pays = np.pad(birth_death_rewards(num_arms, 0, seed), ((0, 0), (0, 1)))
    return next_state_arms(transitions, pays)


def random_arms(num_arms: int, seed: int, num_states: int = 4, num_levels: int = 2) -> Arms:
    """Arms without structure: transition rows uniform on the simplex (Dirichlet(1)), rewards U(0, 1).

    The transition law is that of the random instances of Gast, Gaujal and Yan; that rewards depend on the level as
    well is ours. Policies differ little on such arms: even the myopic one is within a percent of the bound.

    Args:
        num_arms: J.
        seed: The instance's seed, >= 0.
        num_states: S >= 1.
        num_levels: A >= 2.

    Returns:
        Arms.
    """
    shape = (num_arms, num_levels, num_states)
    transitions = stream(seed, "transitions").standard_exponential((*shape, num_states))
    transitions /= transitions.sum(axis=-1, keepdims=True)
    return Arms(transitions, stream(seed, "rewards").uniform(0.0, 1.0, shape))


def machine_maintenance_arms(num_arms: int, seed: int, num_states: int = 5) -> Arms:
    """Machines that wear out and can be repaired: a textbook example of restless arms.

    State 0 is new, state S-1 worn out. A machine left alone wears by one state with its own probability; a repaired
    one is as new in the next step. Running costs grow with wear, and a repair costs extra. The numbers are ours:
    wear probability U(0.1, 0.5), running cost c (s / (S-1))^2 with c from U(1, 3), repair cost U(0.2, 0.8).

    Args:
        num_arms: J.
        seed: The instance's seed, >= 0.
        num_states: S >= 2.

    Returns:
        Arms with 2 levels; rewards are minus costs.
    """
    if num_states < 2:
        raise ValueError(f"a machine needs num_states >= 2; got {num_states}")
    wear = stream(seed, "wear").uniform(0.1, 0.5, num_arms)
    transitions = np.zeros((num_arms, 2, num_states, num_states))
    for state in range(num_states):
        transitions[:, 0, state, state] += 1.0 - wear
        transitions[:, 0, state, min(state + 1, num_states - 1)] += wear
    transitions[:, 1, :, 0] = 1.0
    scale = stream(seed, "running cost").uniform(1.0, 3.0, num_arms)
    running = scale[:, None] * (np.arange(num_states) / (num_states - 1)) ** 2
    repair = stream(seed, "repair cost").uniform(0.2, 0.8, num_arms)
    return Arms(transitions, -np.stack([running, running + repair[:, None]], axis=1))


def maternal_health_arms(num_arms: int, seed: int) -> Arms:
    """Mothers in a health programme by phone, in the style of simulations for ARMMAN's programme (no real data).

    Biswas et al., "Learn to intervene" (arXiv:2105.07965) describe the programme. States 0 self-motivated, 1
    persuadable, 2 lost cause; rewards 1, 0.5, 0; who can go where, and the shares of types A, B, C (20, 20, 60 %,
    here in expectation) follow simulation code that was published with later studies of it, not a paper's text.
    Self-motivated mothers stay or become persuadable; persuadable ones stay, and go to "lost" if left alone or to
    "self-motivated" if called; lost ones stay or become persuadable. The ranges of the probabilities are ours:

    * staying self-motivated: two draws from U(0.35, 0.85), the larger when called;
    * persuadable to lost, left alone: U(0.35, 0.85);
    * persuadable to self-motivated, called: A U(0.45, 0.95), B U(0.15, 0.65), C U(0.05, 0.5);
    * staying lost: two draws from U(0.35, 0.85), the smaller when called.

    Args:
        num_arms: J.
        seed: The instance's seed, >= 0.

    Returns:
        Arms with 2 levels and 3 states.
    """
    kind = np.digitize(stream(seed, "type").random(num_arms), [0.2, 0.4])
    low, high = np.array([[0.45, 0.95], [0.15, 0.65], [0.05, 0.5]])[kind].T
    persuaded = low + (high - low) * stream(seed, "persuaded").random(num_arms)
    lost = stream(seed, "lost").uniform(0.35, 0.85, num_arms)
    motivated = np.sort(stream(seed, "stays motivated").uniform(0.35, 0.85, (num_arms, 2)), axis=1)
    stays_lost = np.sort(stream(seed, "stays lost").uniform(0.35, 0.85, (num_arms, 2)), axis=1)[:, ::-1]
    transitions = np.zeros((num_arms, 2, 3, 3))
    transitions[:, :, 0, 0] = motivated
    transitions[:, :, 0, 1] = 1.0 - motivated
    transitions[:, 0, 1, 2] = lost
    transitions[:, 0, 1, 1] = 1.0 - lost
    transitions[:, 1, 1, 0] = persuaded
    transitions[:, 1, 1, 1] = 1.0 - persuaded
    transitions[:, :, 2, 2] = stays_lost
    transitions[:, :, 2, 1] = 1.0 - stays_lost
    return Arms(transitions, np.broadcast_to(np.array([1.0, 0.5, 0.0]), (num_arms, 2, 3)))
