"""Arms and coupled instances: their numbers, digests and files."""

import os
import subprocess
import sys

import networkx as nx
import numpy as np
import pytest

from telos.envs.bandits.arms import Arms
from telos.envs.bandits.coupled_instances import (
    CoupledInstance,
    capacity_instance,
    intervention_instance,
    matching_instance,
    path_instance,
    planar_edges,
)
from telos.envs.bandits.feasible.budget import BudgetSet
from telos.envs.bandits.instances import (
    birth_death_arms,
    machine_maintenance_arms,
    maternal_health_arms,
    random_arms,
)

COUPLED = {
    "intervention": lambda seed: intervention_instance(20, 5, 10, seed),
    "path": lambda seed: path_instance(20, 5, seed),
    "matching": lambda seed: matching_instance(20, 5, seed),
    "capacity": lambda seed: capacity_instance(20, 5, seed),
}
CLASSIC = [random_arms, birth_death_arms, machine_maintenance_arms, maternal_health_arms]


def test_arms_are_checked():
    good = random_arms(3, 0)
    assert (good.num_arms, good.num_levels, good.num_states) == (3, 2, 4)
    broken = good.transitions.copy()
    broken[1, 0, 2, 3] += 0.5
    with pytest.raises(ValueError, match=r"transitions\[1, 0, 2\] sums to 1.5"):
        Arms(broken, good.rewards)
    with pytest.raises(ValueError, match="negative or NaN"):
        Arms(np.where(broken > 0.5, np.nan, broken), good.rewards)
    with pytest.raises(ValueError, match="finite"):
        Arms(good.transitions, np.full_like(good.rewards, np.inf))
    with pytest.raises(ValueError, match="rewards must have shape"):
        Arms(good.transitions, good.rewards[:, :1])
    with pytest.raises(ValueError, match="transitions must have shape"):
        Arms(good.transitions[0], good.rewards)


@pytest.mark.parametrize("generate", CLASSIC)
def test_classic_arms_depend_on_the_seed_alone(generate):
    one, again, other = generate(50, seed=1), generate(50, seed=1), generate(50, seed=2)
    assert (one.transitions == again.transitions).all()
    assert (one.rewards == again.rewards).all()
    assert (one.transitions != other.transitions).any()
    assert generate(100_000, seed=0).num_arms == 100_000
    with pytest.raises(ValueError, match="seed must be >= 0"):
        generate(5, seed=-1)


def test_birth_death_arms_are_the_papers():
    arms = birth_death_arms(2000, seed=0, num_good=500)
    up = arms.transitions[:, :, 1, 2]
    assert 0 <= up[:, 0].min() < up[:, 0].max() <= 0.2
    assert 0.7 <= up[:, 1].min() < up[:, 1].max() <= 0.9
    # Up or down whatever the state; at the ends a step outwards stays.
    for state in range(4):
        assert arms.transitions[:, :, state, min(state + 1, 3)] == pytest.approx(up)
        assert arms.transitions[:, :, state, max(state - 1, 0)] == pytest.approx(1 - up)
    # Solving the expected rewards for the next state's gives the paper's numbers.
    rewards = np.linalg.lstsq(arms.transitions[0].reshape(8, 4), arms.rewards[0].reshape(8), rcond=None)[0]
    assert rewards[:3] == pytest.approx([0.2, 0.15, 0.1])
    assert round(rewards[3], 6) in (4, 5, 6)


def test_machines_wear_out_and_repairs_renew_them():
    arms = machine_maintenance_arms(100, seed=0, num_states=5)
    assert (arms.transitions[:, 1, :, 0] == 1).all()
    assert (arms.transitions[:, 0, 4, 4] == 1).all()
    assert (np.diff(arms.rewards, axis=2) < 0).all()
    assert (arms.rewards[:, 1] < arms.rewards[:, 0]).all()


def test_maternal_health_types_have_their_shares():
    arms = maternal_health_arms(100_000, seed=0)
    assert (arms.rewards == [1, 0.5, 0]).all()
    assert (arms.transitions[:, :, 0, 2] == 0).all()
    assert (arms.transitions[:, :, 2, 0] == 0).all()
    # Only type A goes above 0.65 and only type C below 0.15: 20 % x 0.3/0.5 and 60 % x 0.1/0.45.
    persuaded = arms.transitions[:, 1, 1, 0]
    assert (persuaded > 0.65).mean() == pytest.approx(0.12, abs=0.005)
    assert (persuaded < 0.15).mean() == pytest.approx(0.6 * 0.1 / 0.45, abs=0.005)


@pytest.mark.parametrize("kind", COUPLED)
def test_coupled_instances_pay_for_the_next_state(kind):
    instance = COUPLED[kind](20)
    assert instance.kind == kind
    assert instance.horizon == 20
    assert instance.instance_seed == 20
    expected = (instance.arms.transitions * instance.next_state_rewards[:, None, None]).sum(axis=3)
    assert instance.arms.rewards == pytest.approx(expected)
    good = instance.next_state_rewards[:5]
    assert (good[:, :3] == [0.2, 0.15, 0.1]).all()
    assert set(good[:, 3]) <= {4, 5, 6}
    assert set(instance.next_state_rewards[5:, 3]) <= {1, 2, 3}


@pytest.mark.parametrize("kind", COUPLED)
def test_digest_and_file_round_trip(kind, tmp_path):
    instance = COUPLED[kind](21)
    path = tmp_path / "instance.data"
    instance.save(path)
    loaded = CoupledInstance.load(path)
    assert loaded.digest() == instance.digest() == COUPLED[kind](21).digest()
    assert loaded.digest() != COUPLED[kind](22).digest()
    weights = np.random.default_rng(0).normal(size=(3, 20, instance.arms.num_levels))
    assert (loaded.feasible.linear_oracle(weights) == instance.feasible.linear_oracle(weights)).all()
    assert (loaded.arms.rewards == instance.arms.rewards).all()


def test_digests_do_not_depend_on_the_process():
    code = (
        "from telos.envs.bandits.coupled_instances import *\n"
        "print(intervention_instance(20, 5, 10, 3).digest(), path_instance(20, 5, 3).digest(),"
        " matching_instance(20, 5, 3).digest(), capacity_instance(20, 5, 3).digest())"
    )
    digests = [
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for seed in ("1", "2")
    ]
    assert digests[0] == digests[1] == [make(3).digest() for make in COUPLED.values()]


def test_a_file_of_something_else_is_refused(tmp_path):
    np.savez(tmp_path / "other.npz", a=1)
    with pytest.raises(ValueError, match="not a saved CoupledInstance"):
        CoupledInstance.load(tmp_path / "other.npz")


def test_parts_that_do_not_fit_are_refused():
    instance = capacity_instance(6, 2, 0)
    with pytest.raises(ValueError, match="must agree"):
        CoupledInstance("capacity", instance.arms, instance.next_state_rewards, BudgetSet(5, 2), 20, 0)
    with pytest.raises(ValueError, match="kind must be one of"):
        CoupledInstance("knapsack", instance.arms, instance.next_state_rewards, instance.feasible, 20, 0)
    with pytest.raises(ValueError, match="1 <= budget"):
        path_instance(5, 6, 0)
    with pytest.raises(ValueError, match="num_actions >= budget"):
        intervention_instance(10, 5, 4, 0)


@pytest.mark.parametrize("seed", range(20, 26))
def test_interventions_are_as_in_the_paper(seed):
    instance = intervention_instance(20, 5, 10, seed)
    connections = instance.feasible.connections
    assert (connections.sum(axis=0) == 3).all()
    assert instance.arms.num_levels == 4
    # Two blocks of three equal interventions and four single ones, on arms of their own: 154 effects within budget.
    assert len(instance.feasible.enumerate()) == 154
    up = instance.arms.transitions[:, :, 1, 2]
    assert up[:, 0] == pytest.approx(0.01)
    assert (np.diff(up, axis=1) > 0).all()
    steep, shallow = up[10:], up[:10]
    assert steep[:, 1].max() < 0.05
    assert steep[:, 3].min() > 0.5
    assert shallow.max() < 0.5


@pytest.mark.parametrize(("num_nodes", "num_edges"), [(20, 29), (40, 55), (60, 81), (100, 133)])
def test_planar_graphs_are_connected_planar_and_sparse(num_nodes, num_edges):
    for seed in range(5):
        edges = planar_edges(num_nodes, seed)
        graph = nx.Graph(edges.tolist())
        assert len(edges) == graph.number_of_edges() == num_edges
        assert graph.number_of_nodes() == num_nodes
        assert nx.is_connected(graph)
        assert nx.check_planarity(graph)[0]


@pytest.mark.parametrize("num_nodes", [1, 2, 3, 8])
def test_tiny_graphs_are_connected_too(num_nodes):
    graph = nx.Graph()
    graph.add_nodes_from(range(num_nodes))
    graph.add_edges_from(planar_edges(num_nodes, 0).tolist())
    assert nx.is_connected(graph)


def test_matching_and_capacity_have_the_papers_sizes():
    matching = matching_instance(40, 10, 20).feasible
    assert (matching.arm_slots.sum(axis=1) == 2).all()
    assert (matching.worker_slots.sum(axis=1) == 3).all()
    assert matching.worker_slots.shape == (10, 5)
    capacity = capacity_instance(100, 20, 20).feasible
    assert set(capacity.costs.tolist()) == {2, 3, 4, 5, 6}
    assert set(capacity.capacities.tolist()) <= {2, 3, 4, 5, 6, 7}
    assert capacity.capacities.size == 20


def test_path_walks_twice_the_budget():
    path = path_instance(20, 5, 20).feasible
    assert (path.max_length, path.budget) == (10, 5)
