"""The path set by tables of walks, and lists of visits: against brute force, lists and the mixed-integer solver."""

import itertools

import numpy as np
import pytest
from scipy import optimize

from telos.envs.bandits.coupled_instances import path_instance
from telos.envs.bandits.feasible.path import PathSet
from telos.envs.bandits.feasible.walks.visits import maximal_visits


class TabledPathSet(PathSet):
    MAXIMAL_LIMIT = 0


class SolvedPathSet(TabledPathSet):
    TRANSITION_LIMIT = 0


class LongListPathSet(PathSet):
    MAXIMAL_LIMIT = 100
    TRANSITION_LIMIT = 0


def random_graph(seed, num_nodes=7):
    rng = np.random.default_rng(seed)
    return [pair for pair in itertools.combinations(range(num_nodes), 2) if rng.random() < 0.35]


def neighbour_lists(num_nodes, edges):
    return [
        sorted({*(b for a, b in edges if a == node), *(a for a, b in edges if b == node)}) for node in range(num_nodes)
    ]


def walk_visits(neighbours, start, max_length):
    """What walks from the start can visit, by following every walk there is: a set of node sets for every end."""
    reached = {(start, frozenset([start]))}
    everything = set(reached)
    for _ in range(max_length):
        reached = {(other, visited | {other}) for place, visited in reached for other in neighbours[place]}
        everything |= reached
    return {end: {visited for place, visited in everything if place == end} for end in {end for end, _ in everything}}


def as_tables(path_set, cls=TabledPathSet):
    tabled = cls(**path_set.parameters())
    assert tabled.visits is None
    return tabled


def best_of(visits, gains, budget):
    """The value of the best pulls among listed visits, one after the other."""
    return max(np.sort(np.maximum(gains[visited], 0.0))[::-1][:budget].sum() for visited in visits)


def weights_of(gains):
    """Weights with these gains; the passive worth is arbitrary."""
    passive = np.random.default_rng(0).normal(size=gains.shape)
    return np.stack([passive, passive + gains], axis=-1)


def draws(num_arms, seed):
    """Gains of several kinds: all positive, of both signs, few positive, and tied."""
    rng = np.random.default_rng(seed)
    few = np.where(rng.random((2, num_arms)) < 0.25, rng.random((2, num_arms)), -1.0)
    ties = rng.integers(0, 3, (2, num_arms))
    return np.concatenate([rng.random((2, num_arms)), rng.normal(size=(2, num_arms)), few, ties])


def shortest_tour(path_set, nodes, tries=300):
    """A short closed walk from the source through the nodes: local search over orders and shortest paths."""
    neighbours = path_set.neighbours
    stops = np.array([path_set.source, *(node for node in nodes if node != path_set.source)])
    steps = np.full((path_set.num_arms, path_set.num_arms), -1)
    for stop in stops:
        steps[stop, stop] = stop
        queue = [stop]
        for node in queue:
            for other in neighbours[node]:
                if steps[stop, other] < 0:
                    steps[stop, other] = node
                    queue.append(other)

    def way(start, end):
        """The nodes from the end back to just after the start."""
        nodes_on = [end]
        while steps[start, nodes_on[-1]] != start:
            nodes_on.append(steps[start, nodes_on[-1]])
        return nodes_on[::-1]

    distance = np.array([[len(way(a, b)) if a != b else 0 for b in stops] for a in stops])

    def length(tour):
        return distance[tour, np.roll(tour, -1)].sum()

    rng = np.random.default_rng(0)
    best = np.arange(len(stops))
    for _ in range(tries):
        tour = rng.permutation(len(stops))
        improved = True
        while improved:
            improved = False
            for i, j in itertools.combinations(range(len(tour) + 1), 2):
                part = tour[i:j]
                rest = np.concatenate([tour[:i], tour[j:]])
                moved = [np.concatenate([tour[:i], part[::-1], tour[j:]])]
                if 0 < len(part) <= 3:
                    moved += [
                        np.concatenate([rest[:k], piece, rest[k:]])
                        for k in range(len(rest))
                        for piece in (part, part[::-1])
                    ]
                shortest = min(moved, key=length)
                if length(shortest) < length(tour):
                    tour, improved = shortest, True
                    break
        if length(tour) < length(best):
            best = tour
        if length(best) <= path_set.max_length:
            break
    tour = stops[np.roll(best, -int(np.flatnonzero(best == 0)[0]))]
    walk = [path_set.source]
    for start, end in zip(tour, np.roll(tour, -1), strict=True):
        walk += way(start, end) if start != end else []
    return walk


class TestMaximalVisits:
    @pytest.mark.parametrize("seed", range(6))
    def test_every_pair_agrees_with_brute_force(self, seed):
        neighbours = neighbour_lists(7, random_graph(seed))
        for max_length in (0, 1, 2, 5, 6):
            listed = maximal_visits(neighbours, range(7), max_length)
            expected = {
                (start, end): {one for one in sets if not any(one < other for other in sets)}
                for start in range(7)
                for end, sets in walk_visits(neighbours, start, max_length).items()
            }
            assert listed.keys() == expected.keys()
            for pair, members in listed.items():
                assert members.dtype == bool
                assert len(members) == len(expected[pair])
                assert {frozenset(np.flatnonzero(row).tolist()) for row in members} == expected[pair]

    def test_chosen_ends_leave_out_the_other_pairs_only(self):
        neighbours = neighbour_lists(7, random_graph(3))
        everything = maximal_visits(neighbours, [1, 4], 5)
        some = maximal_visits(neighbours, [4], 5, ends=[0, 4])
        assert some.keys() == {pair for pair in everything if pair[0] == 4 and pair[1] in (0, 4)}
        for pair, members in some.items():
            assert members.tolist() == everything[pair].tolist()

    def test_a_line_from_one_end_to_the_other(self):
        line = [[1], [0, 2], [1, 3], [2]]
        listed = maximal_visits(line, [0], 4)
        assert listed[0, 3].tolist() == [[True] * 4]
        assert listed[0, 2].tolist() == [[True] * 4]
        assert listed[0, 1].tolist() == [[True, True, True, False]]
        assert (0, 3) not in maximal_visits(line, [0], 2)

    def test_too_much_to_list_is_none(self):
        neighbours = neighbour_lists(30, list(itertools.combinations(range(30), 2)))
        assert maximal_visits(neighbours, [0], 12, comparison_limit=10_000) is None
        ring = [[(node - 1) % 80, (node + 1) % 80] for node in range(80)]
        assert maximal_visits(ring, [0], 40, ends=[0]) is not None
        assert maximal_visits(ring, [0], 79) is None

    def test_a_negative_length_is_an_error(self):
        with pytest.raises(ValueError, match="max_length must be >= 0"):
            maximal_visits([[]], [0], -1)


@pytest.mark.parametrize("seed", range(30))
def test_tables_agree_with_brute_force(seed):
    rng = np.random.default_rng(seed)
    edges, max_length, budget = random_graph(seed), int(rng.integers(0, 11)), int(rng.integers(0, 6))
    tabled = TabledPathSet(7, edges, seed % 7, max_length, budget)
    visits = walk_visits(neighbour_lists(7, edges), seed % 7, max_length)[seed % 7]
    vectors = np.array(list(itertools.product((0, 1), repeat=7)), dtype=np.int8)
    expected = [
        vector.sum() <= budget and any(visited.issuperset(np.flatnonzero(vector).tolist()) for visited in visits)
        for vector in vectors
    ]
    assert tabled.feasible_batch(vectors).tolist() == expected
    for gains in draws(7, seed):
        action = tabled.linear_oracle(weights_of(gains))
        assert tabled.feasible(action)
        assert gains @ action == pytest.approx((vectors[expected] @ gains).max(), abs=1e-9)
        assert (gains[action > 0] > 0).all()


def test_without_tables_a_longer_list_is_made():
    path_set = path_instance(20, 5, 20).feasible
    listed = LongListPathSet(**path_set.parameters())
    assert listed.tables is None
    assert len(listed.visits) > listed.MAXIMAL_LIMIT // 20
    assert listed.visits.tolist() == path_set.visits.tolist()


def test_two_triangles_and_a_bridge():
    # 0-1-2-0 and 3-4-5-3, joined by 2-3: once round both and twice over the bridge are 8 edges.
    edges = [(0, 1), (1, 2), (2, 0), (2, 3), (3, 4), (4, 5), (5, 3)]
    assert TabledPathSet(6, edges, 0, 8, 6).feasible([1, 1, 1, 1, 1, 1])
    shorter = TabledPathSet(6, edges, 0, 7, 6)
    assert not shorter.feasible([1, 1, 1, 1, 1, 1])
    # With 7 edges: the near triangle and twice 2-3 and 3-4; or the far triangle and twice 0-2 and 2-3.
    weights = weights_of(np.array([1.0, 4.0, 1.0, 1.0, 2.0, 1.0]))
    assert shorter.linear_oracle(weights).tolist() == [1, 1, 1, 1, 1, 0]
    weights = weights_of(np.array([1.0, 1.0, 1.0, 1.0, 4.0, 2.0]))
    assert shorter.linear_oracle(weights).tolist() == [1, 0, 1, 1, 1, 1]


def test_a_limit_that_never_binds_costs_nothing():
    edges = random_graph(4)
    unbounded = TabledPathSet(7, edges, 0, 10**6, 7)
    reached = unbounded.distances < 7
    assert unbounded.linear_oracle(weights_of(np.ones(7))).tolist() == reached.astype(int).tolist()
    assert unbounded.feasible(reached.astype(int))


@pytest.mark.parametrize(("num_arms", "budget", "seed"), [(20, 5, 20), (20, 5, 24), (40, 10, 23), (40, 10, 25)])
def test_tables_agree_with_the_list(num_arms, budget, seed):
    path_set = path_instance(num_arms, budget, seed).feasible
    home = [path_set.source]
    visits = maximal_visits(path_set.neighbours, home, path_set.max_length, home)[home[0], home[0]]
    tabled = as_tables(path_set)
    gains = np.concatenate([draws(num_arms, number) for number in range(5)])
    actions = tabled.linear_oracle(weights_of(gains))
    assert actions.dtype == np.int8
    assert (actions.sum(axis=1) <= budget).all()
    for gain, action in zip(gains, actions, strict=True):
        assert (visits[:, action > 0].all(axis=1)).any()
        assert gain @ action == pytest.approx(best_of(visits, gain, budget), abs=1e-9)
    rng = np.random.default_rng(seed)
    sets = rng.random((300, num_arms)) < rng.random((300, 1)) * 0.3
    expected = ((sets[:, None] & ~visits).sum(axis=2) == 0).any(axis=1) & (sets.sum(axis=1) <= budget)
    assert 0 < expected.sum() < 300
    assert (tabled.feasible_batch(sets.astype(np.int8)) == expected).all()


def test_tables_agree_with_the_list_of_short_walks_on_a_large_graph():
    parameters = path_instance(100, 20, 21).feasible.parameters()
    parameters["max_length"], parameters["budget"] = 15, 5
    path_set = PathSet(**parameters)
    gains = np.concatenate([draws(100, number) for number in range(5)])
    actions = as_tables(path_set).linear_oracle(weights_of(gains))
    for gain, action in zip(gains, actions, strict=True):
        assert (path_set.visits[:, action > 0].all(axis=1)).any()
        assert gain @ action == pytest.approx(best_of(path_set.visits, gain, 5), abs=1e-9)


@pytest.mark.parametrize("seed", range(2))
def test_tables_agree_with_the_mixed_integer_solver(seed):
    path_set = path_instance(25, 4, seed).feasible
    tabled, solved = as_tables(path_set), as_tables(path_set, SolvedPathSet)
    assert solved.tables is None
    gains = draws(25, seed)[2:5]
    weights = weights_of(gains)
    one, other = tabled.linear_oracle(weights), solved.linear_oracle(weights)
    assert (gains * one).sum(axis=1) == pytest.approx((gains * other).sum(axis=1), abs=1e-6)


@pytest.fixture(scope="module")
def large():
    return path_instance(100, 20, 20).feasible


def test_a_large_set_pulls_what_a_walk_visits(large):
    assert large.visits is None
    gains = draws(100, 1)
    actions = large.linear_oracle(weights_of(gains))
    assert large.feasible_batch(actions).all()
    for action in actions:
        walk = shortest_tour(large, np.flatnonzero(action).tolist())
        assert walk[0] == walk[-1] == large.source
        assert all(other in large.neighbours[one] for one, other in itertools.pairwise(walk))
        assert set(np.flatnonzero(action).tolist()) <= set(walk)
        assert len(walk) - 1 <= large.max_length
        assert action.sum() <= large.budget


def test_a_large_set_is_served_best(large):
    gains = draws(100, 2)
    values = (gains * large.linear_oracle(weights_of(gains))).sum(axis=1)
    sample = large.sample(np.random.default_rng(0), 20_000)
    assert large.feasible_batch(sample).all()
    assert (values >= (gains @ sample.T).max(axis=1)).all()
    greedy = np.zeros(gains.shape, dtype=np.int8)
    for row in range(len(gains)):
        for arm in np.argsort(-gains[row])[: (gains[row] > 0).sum()]:
            greedy[row, arm] = 1
            greedy[row, arm] = large.feasible(greedy[row])
    assert (values >= (gains * greedy).sum(axis=1) - 1e-9).all()
    assert (values > (gains * greedy).sum(axis=1) + 1e-9).any()


def test_a_large_set_stays_below_the_linear_relaxation(large):
    description = large.linear_constraints()
    for gains in draws(100, 3)[:3]:
        cost = np.zeros(description.variable_lower.size)
        cost[description.action_columns] = -np.maximum(gains, 0.0)
        relaxed = optimize.milp(
            cost,
            bounds=optimize.Bounds(description.variable_lower, description.variable_upper),
            constraints=optimize.LinearConstraint(description.matrix, description.lower, description.upper),
        )
        value = gains @ large.linear_oracle(weights_of(gains))
        assert value <= -relaxed.fun + 1e-9


def test_names_of_nodes_do_not_matter(large):
    # Other names lead to another order of elimination and to other tables.
    names = np.random.default_rng(0).permutation(100)
    renamed = PathSet(100, names[large.edges], names[large.source], large.max_length, large.budget)
    gains = draws(100, 4)
    renamed_gains = np.empty(gains.shape)
    renamed_gains[:, names] = gains
    values = (gains * large.linear_oracle(weights_of(gains))).sum(axis=1)
    actions = renamed.linear_oracle(weights_of(renamed_gains))
    assert (renamed_gains * actions).sum(axis=1) == pytest.approx(values, abs=1e-9)
    assert large.feasible_batch(actions[:, names]).all()


def test_rows_of_a_batch_do_not_depend_on_each_other(large):
    weights = weights_of(draws(100, 5)).reshape(2, 4, 100, 2)
    together = large.linear_oracle(weights)
    assert together.shape == (2, 4, 100)
    for index in np.ndindex(2, 4):
        assert (large.linear_oracle(weights[index]) == together[index]).all()
    again = PathSet(**large.parameters())
    assert (again.linear_oracle(weights) == together).all()
    actions = large.sample(np.random.default_rng(1), 37)
    actions[::3, 7] ^= 1
    assert large.feasible_batch(actions).tolist() == [large.feasible(action) for action in actions]
    assert large.feasible_batch(actions[:0]).shape == (0,)
    assert large.linear_oracle(np.zeros((0, 100, 2))).shape == (0, 100)
