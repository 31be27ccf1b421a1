"""Instances of the four coupled problems of the SEQUOIA paper (arXiv 2503.01919): arms and a feasible set."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telos.envs.bandits.arms import Arms
from telos.envs.bandits.feasible.base import FeasibleSet
from telos.envs.bandits.feasible.capacity import CapacitySet
from telos.envs.bandits.feasible.intervention import InterventionSet
from telos.envs.bandits.feasible.matching import MatchingSet
from telos.envs.bandits.feasible.path import PathSet
from telos.envs.bandits.instances import (
    birth_death_rewards,
    birth_death_transitions,
    birth_death_up,
    next_state_arms,
    stream,
)

HORIZON = 20  # steps an episode, as in the paper
FEASIBLE_SETS: dict[str, Any] = {
    "intervention": InterventionSet,
    "path": PathSet,
    "matching": MatchingSet,
    "capacity": CapacitySet,
}
NUM_SLOTS, ARM_SLOTS, WORKER_SLOTS = 5, 2, 3  # of the matching problem, as in the paper's code
BLOCK = 3  # interventions that work together, and arms that each of them reaches, as in the paper's code
REDRAWS = 50  # ours: of the points of a planar graph
WEIGHT = 3.0  # what an intervention adds to the sigmoid's argument, as in the paper's code


@dataclass(frozen=True, eq=False)
class CoupledInstance:
    """One coupled problem, with everything that is random about it already drawn.

    Attributes:
        kind: "intervention", "path", "matching" or "capacity".
        arms: The arms; their rewards are the expectation of the next state's.
        next_state_rewards: Float64 ``(J, S)``: a step pays the sum over arms of the reward of the state they come to.
        feasible: The joint actions allowed.
        horizon: Steps an episode.
        instance_seed: What the instance was drawn from.

    Raises:
        ValueError: if the kind is unknown or arms, rewards and feasible set do not fit together.
    """

    kind: str
    arms: Arms
    next_state_rewards: NDArray[np.float64]
    feasible: FeasibleSet
    horizon: int
    instance_seed: int

    def __post_init__(self) -> None:
        if self.kind not in FEASIBLE_SETS:
            raise ValueError(f"kind must be one of {sorted(FEASIBLE_SETS)}; got {self.kind!r}")
        have = (self.arms.num_arms, self.arms.num_levels)
        want = (self.feasible.num_arms, self.feasible.num_levels)
        if have != want or self.next_state_rewards.shape != (self.arms.num_arms, self.arms.num_states):
            raise ValueError(
                f"the arms have (arms, levels) {have}, the feasible set {want}, and next_state_rewards has shape "
                f"{self.next_state_rewards.shape}; they must agree"
            )

    def _arrays(self) -> dict[str, NDArray[np.generic]]:
        own: dict[str, NDArray[np.generic]] = {
            "kind": np.array(self.kind),
            "horizon": np.array(self.horizon),
            "instance_seed": np.array(self.instance_seed),
            "transitions": self.arms.transitions,
            "next_state_rewards": self.next_state_rewards,
        }
        return own | {f"feasible.{name}": value for name, value in self.feasible.parameters().items()}

    def digest(self) -> str:
        """The sha256 of everything in the instance, in hexadecimal; equal exactly if the instances are."""
        total = hashlib.sha256()
        for name, value in sorted(self._arrays().items()):
            # Little-endian whatever the machine.
            array = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
            total.update(f"{name} {array.dtype.str} {value.shape}\n".encode())
            total.update(array.tobytes())
        return total.hexdigest()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the instance to a NumPy ``.npz`` file, exactly under the path given."""
        with open(path, "wb") as file:
            np.savez_compressed(file, allow_pickle=False, **self._arrays())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> CoupledInstance:
        """Read an instance that `save` wrote; the file is data only and cannot run code.

        Raises:
            ValueError: if the file is not such an instance.
        """
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        missing = {"kind", "horizon", "instance_seed", "transitions", "next_state_rewards"} - set(arrays)
        if missing or str(arrays["kind"]) not in FEASIBLE_SETS:
            raise ValueError(f"{os.fspath(path)} is not a saved CoupledInstance (missing: {sorted(missing)})")
        kind = str(arrays["kind"])
        parameters = {
            name.removeprefix("feasible."): value for name, value in arrays.items() if name.startswith("feasible.")
        }
        return cls(
            kind=kind,
            arms=next_state_arms(arrays["transitions"], arrays["next_state_rewards"]),
            next_state_rewards=arrays["next_state_rewards"],
            feasible=FEASIBLE_SETS[kind](**parameters),
            horizon=int(arrays["horizon"]),
            instance_seed=int(arrays["instance_seed"]),
        )


def _instance(kind: str, up: NDArray[np.float64], feasible: FeasibleSet, num_good: int, seed: int) -> CoupledInstance:
    transitions = birth_death_transitions(up)
    rewards = birth_death_rewards(feasible.num_arms, num_good, seed)
    return CoupledInstance(kind, next_state_arms(transitions, rewards), rewards, feasible, HORIZON, seed)


def _check_sizes(num_arms: int, budget: int) -> None:
    if num_arms < 1 or not 1 <= budget <= num_arms:
        raise ValueError(f"need 1 <= budget <= num_arms; got budget {budget} and num_arms {num_arms}")


def intervention_instance(num_arms: int, budget: int, num_actions: int, instance_seed: int) -> CoupledInstance:
    """Interventions that work together: an arm moves up with a probability sigmoid in how many reach it.

    ``p = 0.98 (A / (1 + exp(x0 - b v)) - A / (1 + exp(x0))) + 0.01`` with v = 3 times the arm's level. The last
    ``floor(J (N - B) / N)`` arms are steep (A = U(.7, 1), b = U(1.4, 1.9), both to one digit, x0 from {9, 10}): two
    or three interventions at once do much, one does nothing. The others are shallow (A = U(.2, .5) to one digit,
    b = 1, x0 from {1, 2}). B random interventions work on steep arms, the others on shallow ones: in blocks of 3
    they reach the same 3 arms, and the left-over ones 3 arms each. As in the paper's code; ours is that blocks and
    left-over interventions keep to arms not reached yet while 3 of them remain, and fall back on any of their kind.

    Args:
        num_arms: J; the paper's smallest problem has 20.
        budget: B, the largest number of interventions at a time (paper: 5), and the number of arms with a high top.
        num_actions: N >= B, the number of interventions (paper: 10).
        instance_seed: >= 0; all else follows from it.

    Returns:
        The instance; its arms have as many levels as the most reached arm needs (4 with disjoint blocks).
    """
    _check_sizes(num_arms, budget)
    if num_actions < budget:
        raise ValueError(f"need num_actions >= budget; got {num_actions} and {budget}")
    num_shallow = -(-num_arms * budget // num_actions)
    steep = np.arange(num_arms) >= num_shallow

    rng = stream(instance_seed, "connections")
    connections = np.zeros((num_arms, num_actions), dtype=bool)
    order = rng.permutation(num_actions)
    for actions, kind in ((order[:budget], steep), (order[budget:], ~steep)):
        pool = np.flatnonzero(kind) if kind.any() else np.arange(num_arms)
        fresh = rng.permutation(pool)
        whole = len(actions) - len(actions) % BLOCK
        for group in [*actions[:whole].reshape(-1, BLOCK), *actions[whole:, None]]:
            reached = fresh[:BLOCK] if len(fresh) >= BLOCK else rng.permutation(pool)[:BLOCK]
            fresh = fresh[BLOCK:]
            connections[np.ix_(reached, group)] = True

    feasible = InterventionSet(connections, budget)
    draw = {name: stream(instance_seed, name) for name in ("height", "slope", "threshold")}
    unit = draw["height"].random(num_arms)
    height = np.round(np.where(steep, 0.7 + 0.3 * unit, 0.2 + 0.3 * unit), 1)[:, None]
    slope = np.where(steep, np.round(draw["slope"].uniform(1.4, 1.9, num_arms), 1), 1.0)[:, None]
    threshold = (draw["threshold"].integers(1, 3, num_arms) + 8 * steep)[:, None]
    reach = WEIGHT * np.arange(feasible.num_levels)
    up = 0.98 * (height / (1 + np.exp(threshold - slope * reach)) - height / (1 + np.exp(threshold))) + 0.01
    return _instance("intervention", up, feasible, budget, instance_seed)


def path_instance(num_arms: int, budget: int, instance_seed: int) -> CoupledInstance:
    """A vehicle that leaves the depot, walks at most 2 B edges, comes home, and may serve B of the nodes it visits.

    The paper's graphs are pieces of a city's underground; ours are `planar_edges`, equally sparse. The depot is a
    random node (ours).

    Args:
        num_arms: J, the nodes (paper: 20, 40, 100).
        budget: B (paper: 5, 10, 20), also the number of arms with a high top.
        instance_seed: >= 0; all else follows from it.

    Returns:
        The instance, its arms with 2 levels.
    """
    _check_sizes(num_arms, budget)
    source = int(stream(instance_seed, "source").integers(num_arms))
    feasible = PathSet(num_arms, planar_edges(num_arms, instance_seed), source, 2 * budget, budget)
    return _instance("path", birth_death_up(num_arms, instance_seed), feasible, budget, instance_seed)


def matching_instance(num_arms: int, budget: int, instance_seed: int) -> CoupledInstance:
    """B workers and 5 time slots; an arm is free in 2 slots, a worker in 3, and a pull takes 2 (worker, slot) pairs.

    Slots differ in demand: arms choose late slots more often, workers early ones, with probabilities that are sorted
    random numbers, as in the paper's code.

    Args:
        num_arms: J (paper: 20, 40, 100).
        budget: B (paper: 5, 10, 20): workers, pulls at most, and arms with a high top.
        instance_seed: >= 0; all else follows from it.

    Returns:
        The instance, its arms with 2 levels.
    """
    _check_sizes(num_arms, budget)
    demand = np.sort(stream(instance_seed, "slot demand").random(NUM_SLOTS))
    supply = np.sort(stream(instance_seed, "slot supply").random(NUM_SLOTS))[::-1]
    arm_slots = _weighted_choices(stream(instance_seed, "arm slots"), demand, num_arms, ARM_SLOTS)
    worker_slots = _weighted_choices(stream(instance_seed, "worker slots"), supply, budget, WORKER_SLOTS)
    feasible = MatchingSet(arm_slots, worker_slots, budget)
    return _instance("matching", birth_death_up(num_arms, instance_seed), feasible, budget, instance_seed)


def capacity_instance(num_arms: int, budget: int, instance_seed: int) -> CoupledInstance:
    """B workers with capacities from {2..7}, arms with costs from {2..6}; each pull goes to one worker.

    Args:
        num_arms: J (paper: 20, 40, 100).
        budget: B (paper: 5, 10, 20): workers, and arms with a high top; it does not limit the number of pulls.
        instance_seed: >= 0; all else follows from it.

    Returns:
        The instance, its arms with 2 levels.
    """
    _check_sizes(num_arms, budget)
    costs = stream(instance_seed, "costs").integers(2, 7, num_arms)
    feasible = CapacitySet(costs, stream(instance_seed, "capacities").integers(2, 8, budget))
    return _instance("capacity", birth_death_up(num_arms, instance_seed), feasible, budget, instance_seed)


def _weighted_choices(
    rng: np.random.Generator, weights: NDArray[np.float64], rows: int, chosen: int
) -> NDArray[np.bool_]:
    """Bool ``(rows, len(weights))``, ``chosen`` true in each row: drawn one after the other by weight."""
    # The smallest of exponential clocks whose rates are the weights rings first with probability weight / sum.
    clocks = rng.standard_exponential((rows, weights.size)) / weights
    return np.asarray(np.argsort(np.argsort(clocks, axis=1), axis=1) < chosen)


def planar_edges(num_nodes: int, seed: int) -> NDArray[np.int64]:
    """A connected planar graph as sparse as a city's underground (ours), int64 ``(E, 2)``, sorted.

    Uniform points in a square; two are neighbours if no other point lies in the circle whose diameter they are (the
    Gabriel graph, which is planar and holds the shortest spanning tree). The tree is kept, and random other edges
    up to ``E = round(1.3 J) + 3``, which fits the paper's 29, 56, 82, 108 and 133 edges for 20 to 100 nodes to one.
    Points whose neighbours are too few are drawn again; where that never helps (below about 10 nodes), E is smaller.

    Args:
        num_nodes: J >= 1.
        seed: >= 0.

    Returns:
        The edges, each with the smaller node first.
    """
    wanted = round(1.3 * num_nodes) + 3
    squares = np.zeros((num_nodes, num_nodes))
    neighbours = squares == 0
    for attempt in range(REDRAWS):
        points = stream(seed, f"points, attempt {attempt}").random((num_nodes, 2))
        squares = ((points[:, None] - points[None]) ** 2).sum(axis=2)
        neighbours = np.ones((num_nodes, num_nodes), dtype=bool)
        for middle in range(num_nodes):
            neighbours &= squares[:, middle, None] + squares[middle] >= squares
        if np.triu(neighbours, k=1).sum() >= wanted:
            break
    first, second = np.nonzero(np.triu(neighbours, k=1))
    pairs = np.stack([first, second], axis=1)[np.argsort(squares[first, second], kind="stable")]
    part = np.arange(num_nodes)
    tree = np.zeros(len(pairs), dtype=bool)
    for index, (one, other) in enumerate(pairs):
        if part[one] != part[other]:
            tree[index] = True
            part[part == part[other]] = part[one]
    rest = np.flatnonzero(~tree)
    extra = max(0, wanted - int(tree.sum()))
    tree[stream(seed, "extra edges").permutation(rest)[:extra]] = True
    chosen = pairs[tree]
    return np.asarray(chosen[np.lexsort((chosen[:, 1], chosen[:, 0]))], dtype=np.int64)
