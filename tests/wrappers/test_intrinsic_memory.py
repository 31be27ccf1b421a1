"""Memory-R+: by hand, and against a dictionary of deques."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
import pytest
from episodes import transition
from reward_envs import TermsEnv, rollout

from telos.wrappers import env_face
from telos.wrappers.intrinsic_memory import EpisodicMemoryRewardTransform

EpisodicMemoryReward = env_face(EpisodicMemoryRewardTransform, __name__)

UP, RIGHT = [0.0, 1.0], [1.0, 0.0]


def action_taken(obs, action):
    return action


def undefined(obs):
    return np.full(len(obs), np.inf)


def growing(obs, action):
    return np.zeros((len(obs), 1 + int(action.max())))


def made(num_envs=1, **options):
    transform = EpisodicMemoryRewardTransform(**{"response": action_taken, "warmup": 0, **options})
    transform.begin(num_envs)
    return transform


def step(transform, contexts, responses, outcomes, done=True, **options):
    """What both terms pay in one step of all environments, shape (2, num_envs)."""
    done = np.broadcast_to(done, len(contexts))
    terms = transform.update(
        transition(
            len(contexts),
            obs=np.asarray(contexts, float),
            action=np.asarray(responses, float),
            terms={"outcome": np.asarray(outcomes, float)},
            reward=np.asarray(outcomes, float),
            terminated=done,
            **options,
        )
    )
    transform.reset(done)
    return np.array([terms["memory_success"], terms["memory_failure"]])


def success(transform, context, response):
    return step(transform, [context], [response], [1.0])[0, 0]


def failure(transform, context, response):
    return step(transform, [context], [response], [0.0])[1, 0]


def test_successes_attract_by_hand():
    """Distances to the mean so far: none, 3, 0 and 0.5."""
    transform = made()
    assert [success(transform, RIGHT, [a]) for a in (0.0, 3.0, 1.5, 1.0)] == pytest.approx([0.0, 0.0, 1.0, 2.5 / 3])
    transform = made(success_weight=-2.0)
    assert [success(transform, RIGHT, [a]) for a in (0.0, 3.0, 1.5)] == [0.0, 0.0, -2.0]


def test_failures_repel_by_hand():
    """Novelties: none, 1, 0 and 1 - cos 45 degrees."""
    transform = made()
    paid = [failure(transform, RIGHT, a) for a in ([1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [5.0, 5.0])]
    assert paid == pytest.approx([0.0, 0.0, 0.0, 1 - math.sqrt(0.5)])


def test_a_memory_is_read_by_successes_and_failures_alike():
    transform = made()
    for response in ([0.0], [3.0]):
        success(transform, RIGHT, response)
    assert step(transform, [RIGHT], [[1.5]], [0.0]).tolist() == [[1.0], [0.0]]


def test_the_nearest_context_answers():
    transform = made()
    for context, response in ((RIGHT, [0.0]), (UP, [10.0]), (RIGHT, [4.0]), (UP, [12.0])):
        success(transform, context, response)
    assert success(transform, [9.0, 1.0], [2.0]) == 1.0
    both = made(k=2)
    for context, response in ((RIGHT, [0.0]), (UP, [10.0])):
        success(both, context, response)
    assert success(both, RIGHT, [5.0]) == 1.0


def test_numbers_that_are_all_the_same_pay_nothing():
    transform = made()
    assert [success(transform, RIGHT, [2.0]) for _ in range(5)] == [0.0] * 5
    assert [failure(transform, RIGHT, [0.0]) for _ in range(5)] == [0.0] * 5


def test_the_window_forgets():
    transform = made(window=2, max_responses=1)
    paid = [success(transform, RIGHT, [a]) for a in (0.0, 9.0, 10.0, 12.0, 13.0)]
    assert paid == [0.0, 0.0, 1.0, 0.0, 1.0]


def test_failures_wait_for_the_warmup():
    paid = {warmup: [] for warmup in (0, 4)}
    for warmup, found in paid.items():
        transform = made(warmup=warmup)
        found.extend(failure(transform, RIGHT, a) for a in (RIGHT, RIGHT, UP, RIGHT, RIGHT, [-1.0, 0.0]))
    assert paid[0] == [0.0, 0.0, 1.0, 0.0, 0.0, 1.0]
    assert paid[4] == [0.0, 0.0, 0.0, 0.0, 0.0, 1.0]


def test_a_response_is_the_mean_over_steps_and_the_outcome_their_sum():
    transform = made(threshold=1.0)
    step(transform, [RIGHT], [[0.0]], [0.75], done=False)
    step(transform, [UP], [[4.0]], [0.75])
    assert transform.successes.responses[0, 0, 0].tolist() == [2.0]
    assert transform.successes.contexts[0, 0].tolist() == RIGHT
    step(transform, [RIGHT], [[0.0]], [0.5], done=False)
    step(transform, [RIGHT], [[4.0]], [0.5])
    assert transform.failures.contexts_added.tolist() == [1]


def test_failed_steps_are_left_out():
    transform = made()
    step(transform, [RIGHT], [[1.0]], [1.0], done=False)
    step(transform, [UP], [[9.0]], [1.0], done=False, trainable=np.array([False]))
    step(transform, [UP], [[3.0]], [1.0])
    assert transform.successes.responses[0, 0, 0].tolist() == [2.0]
    before = transform.state_dict()
    assert not step(transform, [UP], [[9.0]], [1.0], trainable=np.array([False])).any()
    np.testing.assert_equal(transform.state_dict(), before)


def scaled(window, value):
    window.append(value)
    low, high = min(window), max(window)
    return (value - low) / (high - low) if high - low > 1e-12 else 0.0


def cosine(a, b):
    return a @ b / (np.linalg.norm(a) * np.linalg.norm(b))


class Reference:
    """One environment's Memory-R+, in plain Python."""

    def __init__(self, k, window, max_contexts, max_responses):
        self.k, self.max_contexts, self.max_responses = k, max_contexts, max_responses
        self.memories, self.windows = [{}, {}], [deque(maxlen=window) for _ in range(2)]

    def pay(self, context, response, outcome):
        paid = [0.0, 0.0]
        for which, memory in enumerate(self.memories):
            near = sorted(memory, key=lambda key: -cosine(np.array(key), context))[: self.k]
            found = [b for key in near for b in memory[key]]
            if found:
                score = (
                    1 - max(cosine(b, response) for b in found)
                    if which
                    else -np.linalg.norm(response - np.mean(found, axis=0))
                )
                paid[which] = scaled(self.windows[which], score)
        memory, key = self.memories[int(outcome <= 0.5)], tuple(context)
        if key not in memory:
            if len(memory) == self.max_contexts:
                del memory[next(iter(memory))]
            memory[key] = deque(maxlen=self.max_responses)
        memory[key].append(response)
        return paid


@pytest.mark.parametrize("limits", [(1, 10, 100, 100), (2, 100, 6, 3), (3, 5, 1, 1)])
def test_many_episodes_against_a_dictionary(limits):
    names = ("k", "window", "max_contexts", "max_responses")
    rng, num_envs = np.random.default_rng(0), 3
    transform = made(num_envs, **dict(zip(names, limits, strict=True)))
    references = [Reference(*limits) for _ in range(num_envs)]
    known = rng.normal(size=(12, 2))
    for _ in range(150):
        contexts, responses = known[rng.integers(12, size=num_envs)], rng.normal(size=(num_envs, 4))
        outcomes, active = rng.integers(0, 2, num_envs), rng.random(num_envs) < 0.8
        paid = step(transform, contexts, responses, outcomes, active=active)
        for row in np.flatnonzero(active):
            expected = references[row].pay(contexts[row], responses[row], outcomes[row])
            assert paid[:, row] == pytest.approx(expected, abs=1e-9)
        assert not paid[:, ~active].any()


def test_the_failure_memory_makes_a_chooser_try_other_plans():
    """Of 8 plans that all fail, the best paid of the last round is tried again: with the memory it is another."""
    plans = np.eye(8)
    transform = made(window=100)
    tried = []
    for _ in range(40):
        state = transform.state_dict()
        worth = []
        for plan in plans:
            transform.load_state_dict(state)
            worth.append(failure(transform, RIGHT, plan))
        transform.load_state_dict(state)
        tried.append(int(np.argmax(worth)))
        failure(transform, RIGHT, plans[tried[-1]])
    assert set(tried) == set(range(8))


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"k": 0}, "at least 1"),
        ({"window": 1}, "at least 2"),
        ({"warmup": -1}, "at least 0"),
        ({"max_contexts": 1.5}, "whole number"),
        ({"failure_weight": math.nan}, "must be a finite number"),
        ({"context": lambda obs: obs}, "top level of a module"),
        ({"response": "nowhere:features"}, "could not be imported"),
    ],
)
def test_bad_arguments_are_refused(kwargs, match):
    with pytest.raises(ValueError, match=match):
        EpisodicMemoryReward(TermsEnv(), **kwargs)


@pytest.mark.parametrize(
    ("env", "match"),
    [
        (EpisodicMemoryReward(TermsEnv(), outcome="outcom"), "Did you mean 'outcome'"),
        (EpisodicMemoryReward(TermsEnv(), context=undefined), "is not finite"),
        (EpisodicMemoryReward(TermsEnv(), response=growing), "but had 1 before"),
        (EpisodicMemoryReward(EpisodicMemoryReward(TermsEnv())), "already is a term 'memory_success'"),
    ],
)
def test_what_does_not_fit_is_refused(env, match):
    with pytest.raises(ValueError, match=match):
        rollout(env, [0, 1, 1])
