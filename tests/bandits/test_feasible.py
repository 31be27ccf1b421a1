"""Every feasible set against brute force over all 0/1 vectors, with its constraint written out independently."""

import itertools

import numpy as np
import pytest

from telos.envs.bandits.feasible.base import FeasibleSet
from telos.envs.bandits.feasible.budget import BudgetSet
from telos.envs.bandits.feasible.capacity import CapacitySet
from telos.envs.bandits.feasible.intervention import InterventionSet
from telos.envs.bandits.feasible.matching import MatchingSet
from telos.envs.bandits.feasible.path import PathSet
from telos.envs.bandits.feasible.roaming import RoamingSet


class UnlistedPathSet(PathSet):
    MAXIMAL_LIMIT = 0


class UnlistedMatchingSet(MatchingSet):
    COUNT_LIMIT = 0


class UnlistedCapacitySet(CapacitySet):
    TABLE_WORK_LIMIT = 0


class UnlistedInterventionSet(InterventionSet):
    LIST_LIMIT = 0


def walk_visits(edges, source, max_length):
    """All sets of nodes that a closed walk visits."""
    return {visited for end, visited in open_walks(edges, source, max_length) if end == source}


def open_walks(edges, source, max_length):
    """The end and the visited nodes of every walk, by following each."""
    visits = set()

    def follow(place, left, visited):
        visits.add((place, frozenset(visited)))
        if left:
            for one, other in edges:
                for here, there in ((one, other), (other, one)):
                    if here == place:
                        follow(there, left - 1, visited | {there})

    follow(source, max_length, {source})
    return visits


def served(pulls, arm_slots, pairs):
    """Whether each of the pulls can get two of the (worker, slot) pairs, by trying all ways."""
    if not pulls:
        return True
    usable = [pair for pair in pairs if arm_slots[pulls[0], pair[1]]]
    return any(served(pulls[1:], arm_slots, pairs - {*chosen}) for chosen in itertools.combinations(usable, 2))


def packed(costs, capacities):
    """Whether the costs fit, by trying all ways."""
    if not costs:
        return True
    return any(
        capacity >= costs[0]
        and packed(costs[1:], [*capacities[:worker], capacity - costs[0], *capacities[worker + 1 :]])
        for worker, capacity in enumerate(capacities)
    )


def make(kind, seed):
    """A small random set and its constraint as a function of the set of chosen entries."""
    rng = np.random.default_rng(seed)
    if kind == "budget":
        return BudgetSet(6, seed % 7), lambda chosen: len(chosen) <= seed % 7
    if kind == "level budget":
        costs, money = [0, *rng.integers(0, 5, 2).tolist()], int(rng.integers(0, 12))
        return BudgetSet(5, money, costs), lambda chosen: sum(costs[chosen.count(arm)] for arm in range(5)) <= money
    budget = int(rng.integers(1, 4))
    if kind.endswith("intervention"):
        cls = InterventionSet if kind == "intervention" else UnlistedInterventionSet
        return cls(rng.random((5, 6)) < 0.3, budget), lambda chosen: len(chosen) <= budget
    if kind.endswith("path"):
        edges = [pair for pair in itertools.combinations(range(6), 2) if rng.random() < 0.45]
        length = int(rng.integers(0, 7))
        visits = walk_visits(edges, 2, length)
        cls = PathSet if kind == "path" else UnlistedPathSet
        return cls(
            6, edges, 2, length, budget
        ), lambda chosen: len(chosen) <= budget and any(visited.issuperset(chosen) for visited in visits)
    if kind == "roaming":
        edges = [pair for pair in itertools.combinations(range(4), 2) if rng.random() < 0.6]
        walks = open_walks(edges, 1, length := int(rng.integers(0, 4)))

        def allowed(chosen):
            pulls, ends = [e for e in chosen if e < 4], [e - 4 for e in chosen if e >= 4] or [1]
            possible = any(ends == [end] and visited.issuperset(pulls) for end, visited in walks)
            return len(pulls) <= budget and possible

        return RoamingSet(4, edges, 1, length, budget), allowed
    if kind.endswith("matching"):
        arm_slots, worker_slots = rng.random((6, 3)) < 0.5, rng.random((3, 3)) < 0.6
        pairs = frozenset(zip(*(index.tolist() for index in np.nonzero(worker_slots)), strict=True))
        cls = MatchingSet if kind == "matching" else UnlistedMatchingSet
        return cls(
            arm_slots, worker_slots, budget
        ), lambda chosen: len(chosen) <= budget and served(chosen, arm_slots, pairs)
    costs, capacities = rng.integers(2, 7, 7), rng.integers(2, 8, 3)
    cls = CapacitySet if kind == "capacity" else UnlistedCapacitySet
    return cls(costs, capacities), lambda chosen: packed([int(costs[arm]) for arm in chosen], capacities.tolist())


LISTED = ["budget", "level budget", "intervention", "path", "roaming", "matching", "capacity"]
UNLISTED = ["unlisted intervention", "unlisted path", "unlisted matching", "unlisted capacity"]


def brute_force(feasible: FeasibleSet, allowed):
    """Every vector, and whether it is allowed: an entry of 2 counts twice among the chosen."""
    entries = range(feasible.action_levels)
    vectors = np.array(list(itertools.product(entries, repeat=feasible.action_size)), dtype=np.int8)
    return vectors, np.array([allowed(np.repeat(np.arange(len(vector)), vector).tolist()) for vector in vectors])


def worth(feasible, weights, actions):
    return weights[np.arange(feasible.num_arms), feasible.levels(actions)].sum(axis=-1)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("kind", LISTED)
def test_everything_agrees_with_brute_force(kind, seed):
    feasible, allowed = make(kind, seed)
    vectors, expected = brute_force(feasible, allowed)
    assert feasible.feasible_batch(vectors).tolist() == expected.tolist()
    for vector, ok in zip(vectors, expected, strict=True):
        assert feasible.feasible(vector) == ok
        assert (feasible.violation(vector) == "") == ok

    listed = feasible.enumerate()
    assert listed.dtype == np.int8
    assert not listed[0].any()
    assert feasible.feasible_batch(listed).all()
    levels = {tuple(row) for row in feasible.levels(vectors[expected])}
    assert len(listed) == len(levels)
    assert {tuple(row) for row in feasible.levels(listed)} == levels

    weights = np.random.default_rng(seed).normal(size=(4, 5, feasible.num_arms, feasible.num_levels))
    best = feasible.linear_oracle(weights)
    assert best.dtype == np.int8
    assert best.shape == (4, 5, feasible.action_size)
    for index in np.ndindex(4, 5):
        assert feasible.feasible(best[index])
        optimum = worth(feasible, weights[index], vectors[expected]).max()
        assert worth(feasible, weights[index], best[index]) == pytest.approx(optimum, abs=1e-9)
    assert (feasible.linear_oracle(weights[1, 2]) == best[1, 2]).all()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", LISTED)
def test_linear_constraints_hold_exactly_the_feasible_actions(kind, seed):
    feasible, allowed = make(kind, seed)
    vectors, expected = brute_force(feasible, allowed)
    description = feasible.linear_constraints()
    nothing = np.zeros((feasible.num_arms, feasible.num_levels))
    for vector, ok in zip(vectors, expected, strict=True):
        assert (description.maximise(nothing, vector) is not None) == ok, vector
    # The level variables say what the levels are: fixing the action, the optimum is the action's worth.
    weights = np.random.default_rng(seed).normal(size=nothing.shape)
    best = description.maximise(weights)
    assert worth(feasible, weights, best) == pytest.approx(worth(feasible, weights, vectors[expected]).max(), abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", UNLISTED)
def test_sets_too_large_to_list_give_the_same_answers(kind, seed):
    unlisted, _ = make(kind, seed)
    listed, _ = make(kind.removeprefix("unlisted "), seed)
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(3, listed.num_arms, listed.num_levels))
    for weight, one, other in zip(weights, unlisted.linear_oracle(weights), listed.linear_oracle(weights), strict=True):
        assert worth(listed, weight, one) == pytest.approx(worth(listed, weight, other), abs=1e-6)
    actions = (rng.random((10, listed.action_size)) < 0.4).astype(np.int8)
    assert (unlisted.feasible_batch(actions) == listed.feasible_batch(actions)).all()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", LISTED)
def test_samples_are_feasible_and_reach_every_action(kind, seed):
    feasible, _ = make(kind, seed)
    sample = feasible.sample(np.random.default_rng(seed), 30_000)
    assert sample.dtype == np.int8
    assert sample.shape == (30_000, feasible.action_size)
    assert feasible.feasible_batch(sample).all()
    reached = {tuple(row) for row in feasible.levels(sample)}
    assert reached == {tuple(row) for row in feasible.levels(feasible.enumerate())}
    assert (feasible.sample(np.random.default_rng(seed), 30_000) == sample).all()


@pytest.mark.parametrize("kind", LISTED)
def test_a_set_is_rebuilt_from_its_parameters(kind):
    feasible, _ = make(kind, 3)
    again = type(feasible)(**feasible.parameters())
    assert (again.enumerate() == feasible.enumerate()).all()


class TestPath:
    def test_a_node_counts_only_if_the_walk_goes_there(self):
        # A line 0-1-2-3: home from node 3 takes six edges. With a self-loop that costs no edge, as in public code,
        # a walk of four would "visit" it.
        line = PathSet(4, [(0, 1), (1, 2), (2, 3)], source=0, max_length=4, budget=2)
        assert line.visits.tolist() == [[True, True, True, False]]
        assert line.feasible([0, 1, 1, 0])
        assert line.violation([0, 0, 0, 1]) == (
            "path: no closed walk of at most 4 edges from node 0 visits all the pulled nodes [3]"
        )
        assert line.linear_constraints().maximise(np.zeros((4, 2)), np.array([0, 0, 0, 1], dtype=np.int8)) is None
        weights = np.array([[0.0, 0.1], [0.0, 0.2], [0.0, 0.3], [0.0, 9.0]])
        assert line.linear_oracle(weights).tolist() == [0, 1, 1, 0]

    def test_a_cycle_saves_the_way_back(self):
        square = [(0, 1), (1, 2), (2, 3), (3, 0)]
        assert PathSet(4, square, 0, 4, 4).feasible([1, 1, 1, 1])
        short = PathSet(4, square, 0, 3, 4)
        assert short.feasible([1, 1, 0, 0])
        assert short.feasible([1, 0, 0, 1])
        assert not short.feasible([0, 1, 0, 1])

    def test_staying_at_the_source_visits_it(self):
        alone = PathSet(3, [(0, 1)], source=2, max_length=5, budget=3)
        assert alone.enumerate().tolist() == [[0, 0, 0], [0, 0, 1]]


class TestMatching:
    def test_a_slot_too_few(self):
        # Both arms are free in slot 0 only; two workers are there: one pull takes both pairs.
        feasible = MatchingSet([[1, 0], [1, 0], [0, 1]], [[1, 1], [1, 0]], budget=3)
        assert feasible.feasible([1, 0, 0])
        assert feasible.violation([1, 1, 0]) == (
            "matching: 2 pulled arms are available only in slots [0] and need 4 (worker, slot) pairs there, "
            "but only 2 exist"
        )
        assert not feasible.feasible([0, 0, 1])  # one worker in slot 1 makes one pair

    def test_one_worker_may_serve_both_slots_of_an_arm(self):
        assert MatchingSet([[1, 1]], [[1, 1]], budget=1).feasible([1])


def test_capacity_cannot_split_an_arm_among_workers():
    feasible = CapacitySet([4, 4, 4], [6, 6])
    assert feasible.feasible([1, 0, 1])
    assert feasible.violation([1, 1, 1]) == (
        "capacity: no assignment serves arms of costs [4, 4, 4] within the workers' capacities [6, 6], although their "
        "sum would do"
    )
    assert "cost 10 together" in CapacitySet([5, 5], [6]).violation([1, 1])


def test_levels_count_the_interventions_that_reach_an_arm():
    feasible = InterventionSet([[1, 1, 0], [0, 1, 1]], budget=2)
    assert feasible.num_levels == 3
    assert feasible.levels([[1, 1, 0], [0, 0, 1]]).tolist() == [[2, 1], [0, 1]]
    # Worth of level 2 only: greedy additions see nothing, the oracle sees the pair.
    weights = np.array([[0.0, 0.0, 5.0], [0.0, 0.0, 4.0]])
    assert feasible.linear_oracle(weights).tolist() == [1, 1, 0]
    assert "at most 2" in feasible.violation([1, 1, 1])


def test_budget_takes_a_hundred_thousand_arms():
    gains = np.random.default_rng(0).normal(size=(2, 100_000))
    weights = np.stack([np.zeros_like(gains), gains], axis=-1)
    best = BudgetSet(100_000, 1000).linear_oracle(weights)
    expected = np.sort(gains, axis=1)[:, -1000:].sum(axis=1)
    assert (best.sum(axis=1) == 1000).all()
    assert (best * gains).sum(axis=1) == pytest.approx(expected)


@pytest.mark.parametrize("kind", LISTED)
def test_bad_input_gets_a_clear_error(kind):
    feasible, _ = make(kind, 1)
    with pytest.raises(ValueError, match="a joint action has shape"):
        feasible.feasible(np.zeros(feasible.action_size + 1))
    with pytest.raises(ValueError, match=r"integers in 0..\d only"):
        feasible.violation(np.full(feasible.action_size, feasible.action_levels))
    with pytest.raises(ValueError, match="weights must have shape"):
        feasible.linear_oracle(np.zeros((feasible.num_arms, feasible.num_levels + 1)))
    with pytest.raises(ValueError, match="finite"):
        feasible.linear_oracle(np.full((feasible.num_arms, feasible.num_levels), np.nan))
    with pytest.raises(ValueError, match="more than 1 feasible"):
        feasible.enumerate(limit=1)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: BudgetSet(3, -1), "budget >= 0"),
        (lambda: PathSet(3, [(0, 3)], 0, 4, 2), r"nodes in 0\.\.2"),
        (lambda: PathSet(3, [(0, 1), (1, 0)], 0, 4, 2), "twice"),
        (lambda: PathSet(3, [(1, 1)], 0, 4, 2), "itself"),
        (lambda: PathSet(3, [(0, 1)], 0, -1, 2), ">= 0"),
        (lambda: MatchingSet([[1, 1]], [[1]], 1), "same number of slots"),
        (lambda: MatchingSet(np.ones((2, 13)), np.ones((2, 13)), 1), "at most 12"),
        (lambda: CapacitySet([1.5], [3]), "integers >= 1"),
        (lambda: CapacitySet([1], [-3]), "integers >= 0"),
        (lambda: InterventionSet([1, 0], 1), "shape"),
    ],
)
def test_impossible_sets_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
