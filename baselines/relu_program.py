"""ReLU networks over the levels of arms: exact values, certified bounds, and a mixed-integer program.

A Q-network of a bandit takes an observation and a joint action. At a fixed observation it is a piecewise linear
function of the arms' levels, and that function is what has to be maximised over a feasible set:

* :class:`LevelNetwork` - the function, for many observations at once
* :func:`pre_activation_bounds`, :func:`linear_upper_bound` - certified bounds by backward linear relaxation
* :class:`ReluProgram` - the function and a feasible set as one mixed-integer program for HiGHS

References: Xu, Wilder, Khalil and Tambe, arXiv:2503.01919 (SEQUOIA), for the program; Fischetti and Jo, Constraints
23(3), 2018, for big-M constraints of ReLU networks; Zhang, Weng, Chen, Hsieh and Daniel, NeurIPS 2018 (CROWN), for the
bounds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from telos.envs.bandits.feasible.base import FeasibleSet

__all__ = ["LevelDomain", "LevelNetwork", "ReluProgram", "Solution", "linear_upper_bound", "pre_activation_bounds"]

Floats = NDArray[np.float64]
Layer = tuple[Floats, Floats]
Interval = tuple[Floats, Floats]


@dataclass(frozen=True, eq=False)
class LevelNetwork:
    """A ReLU network at n observations, as a function of the arms' levels alone.

    The first layer's pre-activations are ``offset + sum over arms of gains[arm, level]``. The last of these ``h + 1``
    numbers skips the other layers and is added to the output; a network without skip connection has zeros there.

    Attributes:
        offset: Float64 ``(n, h + 1)``.
        gains: Float64 ``(n, J, A, h + 1)``, zero at level 0.
        layers: The layers after the first, each weights ``(out, in)`` and biases ``(out,)``; the last has one output.
    """

    offset: Floats
    gains: Floats
    layers: tuple[Layer, ...]

    def __len__(self) -> int:
        return len(self.offset)

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> LevelNetwork:
        """The network at some of the observations."""
        return LevelNetwork(self.offset[rows], self.gains[rows], self.layers)

    def values(self, levels: NDArray[np.int64]) -> Floats:
        """Values ``(n, m)`` of m level vectors ``(n, m, J)`` at each observation."""
        shown = (
            (levels[..., None] == np.arange(1, self.gains.shape[2])).reshape(*levels.shape[:2], -1).astype(np.float64)
        )
        return self.values_of_indicators(shown)

    def values_of_indicators(self, indicators: Floats) -> Floats:
        """Values ``(n, m)`` of level vectors given as ``(n, m, J * (A - 1))``: 1 where the arm is at level 1, 2..."""
        gains = self.gains[:, :, 1:].reshape(len(self), indicators.shape[-1], -1)
        return self._output(self.offset[:, None] + indicators @ gains)

    def _output(self, first: Floats) -> Floats:
        hidden, skip = np.maximum(first[..., :-1], 0.0), first[..., -1]
        for weights, biases in self.layers[:-1]:
            hidden = np.maximum(hidden @ weights.T + biases, 0.0)
        weights, biases = self.layers[-1]
        return np.asarray(hidden @ weights[0] + biases[0] + skip)

    def slopes(self, levels: NDArray[np.int64]) -> Floats:
        """Weights ``(n, J, A)`` of the linear function that the network is near one level vector ``(n, J)`` each."""
        rows, arms = np.arange(len(self))[:, None], np.arange(levels.shape[1])
        first = self.offset + self.gains[rows, arms, levels].sum(axis=1)
        active = [first[:, :-1] > 0]
        hidden = np.maximum(first[:, :-1], 0.0)
        for weights, biases in self.layers[:-1]:
            before = hidden @ weights.T + biases
            active.append(before > 0)
            hidden = np.maximum(before, 0.0)
        back = np.repeat(self.layers[-1][0], len(self), axis=0) * active[-1]
        for (weights, _), mask in zip(reversed(self.layers[:-1]), reversed(active[:-1]), strict=True):
            back = back @ weights * mask
        return self._through_first(back)

    def _through_first(self, back: Floats) -> Floats:
        """Weights of levels ``(n, J, A)`` for weights ``(n, h)`` of the first pre-activations, skip included."""
        return np.asarray((self.gains[..., :-1] @ back[:, None, :, None])[..., 0] + self.gains[..., -1])


@dataclass(frozen=True, eq=False)
class LevelDomain:
    """A box around a feasible set, with a limit on how many arms are above level 0.

    Attributes:
        allowed: Bool ``(J, A)``: the levels that an arm can have.
        most: The largest number of arms above level 0.
    """

    allowed: NDArray[np.bool_]
    most: int

    @classmethod
    def around(cls, feasible_set: FeasibleSet) -> LevelDomain:
        """From the variable bounds of the set's linear description, and one call of its oracle."""
        description = feasible_set.linear_constraints()
        acted_on = np.ones((feasible_set.num_arms, feasible_set.num_levels))
        acted_on[:, 0] = 0.0
        largest = feasible_set.levels(feasible_set.linear_oracle(acted_on))
        return cls(description.variable_upper[description.level_columns] > 0, int((largest > 0).sum()))

    def largest_sum(self, gains: Floats) -> Floats:
        """An upper bound ``(n, k)`` on the sum over arms of gains ``(n, J, A, k)`` that are zero at level 0."""
        best = np.where(self.allowed[..., None], gains, 0.0).max(axis=2)
        if self.most < best.shape[1]:
            best = -np.partition(-best, max(self.most - 1, 0), axis=1)[:, : self.most]
        return np.asarray(best.sum(axis=1))


def pre_activation_bounds(network: LevelNetwork, domain: LevelDomain) -> list[Interval]:
    """Lower and upper bounds ``(n, width)`` on the pre-activations of every hidden layer, over the domain."""
    offset, gains = network.offset[:, :-1], network.gains[..., :-1]
    bounds = [(offset - domain.largest_sum(-gains), offset + domain.largest_sum(gains))]
    for depth, (weights, biases) in enumerate(network.layers[:-1]):
        both = np.concatenate([weights, -weights])
        back, constant = _upper(network, np.broadcast_to(both, (len(network), *both.shape)), depth, bounds)
        # Back at the first layer's pre-activations: what is linear in them is a sum over arms.
        worth = gains @ back.swapaxes(1, 2)[:, None]
        top = constant + (back @ offset[..., None])[..., 0] + domain.largest_sum(worth)
        half = len(weights)
        bounds.append((biases - top[:, half:], biases + top[:, :half]))
    return bounds


def linear_upper_bound(network: LevelNetwork, domain: LevelDomain) -> tuple[Floats, Floats]:
    """Weights ``(n, J, A)`` and constants ``(n,)`` of a linear function of levels that is nowhere below the network.

    The best level vector under the weights is a good guess at the network's best, and its worth plus the constant is a
    certified upper bound on the network over every feasible set inside the domain.
    """
    bounds = pre_activation_bounds(network, domain)
    weights, biases = network.layers[-1]
    back, constant = _upper(network, np.broadcast_to(weights, (len(network), *weights.shape)), len(bounds) - 1, bounds)
    own = (back[:, 0] * network.offset[:, :-1]).sum(axis=1) + network.offset[:, -1]
    return network._through_first(back[:, 0]), constant[:, 0] + biases[0] + own


def _upper(network: LevelNetwork, back: Floats, depth: int, bounds: list[Interval]) -> tuple[Floats, Floats]:
    """Carries weights ``(n, k, width)`` of a hidden layer's outputs back to the first layer's pre-activations.

    Returns the weights ``(n, k, h)`` there and constants ``(n, k)``, the sum of which is nowhere below the original.
    """
    constant = np.zeros(back.shape[:2])
    for layer in range(depth, -1, -1):
        lower, upper = bounds[layer]
        crossing = (lower < 0) & (upper > 0)
        # Above a ReLU lies the chord of its interval; below it the line 0 or x, whichever leaves less between.
        chord = np.where(crossing, upper / np.where(crossing, upper - lower, 1.0), lower >= 0)
        below = np.where(crossing, upper >= -lower, lower >= 0)
        positive, negative = np.maximum(back, 0.0), np.minimum(back, 0.0)
        constant = constant - (positive @ np.where(crossing, chord * lower, 0.0)[..., None])[..., 0]
        back = positive * chord[:, None] + negative * below[:, None]
        if layer:
            weights, biases = network.layers[layer - 1]
            constant = constant + back @ biases
            back = back @ weights
    return back, constant


@dataclass(frozen=True, eq=False)
class Solution:
    """What :meth:`ReluProgram.maximise` returns.

    Attributes:
        action: The best joint action found, int8 ``(action_size,)``.
        upper_bound: No feasible action has a higher value, up to the solver's tolerance of about 1e-6.
    """

    action: NDArray[np.int8]
    upper_bound: float


class ReluProgram:
    """A feasible set and a network over it as one mixed-integer program.

    Every hidden neuron has a continuous output ``y`` and a binary switch ``z``: with pre-activation ``x`` in
    ``[l, u]``, ``y >= x``, ``y >= 0``, ``y <= x - l (1 - z)`` and ``y <= u z``. The bounds are those of
    :func:`pre_activation_bounds`; a neuron whose bounds do not cross zero has its switch fixed. The feasible set's part
    is laid out once; `scipy.optimize.milp` takes neither a changed model nor a start.

    Args:
        feasible_set: The feasible set.
        widths: Numbers of hidden neurons, first layer first.
    """

    def __init__(self, feasible_set: FeasibleSet, widths: tuple[int, ...]) -> None:
        from scipy import sparse

        self._widths = widths
        self._domain = LevelDomain.around(feasible_set)
        self._base = feasible_set.linear_constraints()
        own, neurons = self._base.variable_lower.size, sum(widths)
        self._outputs = own + np.arange(neurons)
        self._switches = self._outputs + neurons
        base = self._base.matrix.tocoo()
        self._base_entries = (base.data, base.coords[0], base.coords[1])
        self._shape = (base.shape[0] + 3 * neurons, own + 2 * neurons)
        self._first_row = base.shape[0]
        self._sparse = sparse

    def maximise(self, network: LevelNetwork, relative_gap: float = 0.0, time_limit: float | None = None) -> Solution:
        """The best feasible action of a network at one observation.

        Args:
            network: At one observation.
            relative_gap: Stop when value and bound are this close; 0 for the optimum.
            time_limit: Seconds after which to stop with what there is, or None.

        Raises:
            RuntimeError: If the solver has no action at all in the time, or fails.
        """
        from scipy import optimize

        base, neurons = self._base, sum(self._widths)
        bounds = pre_activation_bounds(network, self._domain)
        lower = np.concatenate([low[0] for low, _ in bounds])
        upper = np.concatenate([high[0] for _, high in bounds])
        before, constants = self._pre_activations(network)
        most, least = np.maximum(upper, 0.0), np.minimum(lower, 0.0)
        ones, index = np.ones(neurons), np.arange(neurons)
        data, rows, columns = self._base_entries
        start = self._first_row
        blocks = [
            (data, rows, columns),
            # y - x >= constant of x
            (ones, start + index, self._outputs),
            (-before[0], start + before[1], before[2]),
            # y - x - l z <= constant of x - l
            (ones, start + neurons + index, self._outputs),
            (-before[0], start + neurons + before[1], before[2]),
            (-least, start + neurons + index, self._switches),
            # y - u z <= 0
            (ones, start + 2 * neurons + index, self._outputs),
            (-most, start + 2 * neurons + index, self._switches),
        ]
        matrix = self._sparse.csr_array(
            (
                np.concatenate([block[0] for block in blocks]),
                (np.concatenate([block[1] for block in blocks]), np.concatenate([block[2] for block in blocks])),
            ),
            shape=self._shape,
        )
        free = np.full(neurons, np.inf)
        cost = np.zeros(self._shape[1])
        cost[base.level_columns] = -network.gains[0, ..., -1]
        weights, biases = network.layers[-1]
        cost[self._outputs[neurons - self._widths[-1] :]] = -weights[0]
        result = optimize.milp(
            cost,
            integrality=np.concatenate([base.integrality, np.zeros(neurons), ones]),
            bounds=optimize.Bounds(
                np.concatenate([base.variable_lower, np.zeros(neurons), lower >= 0]),
                np.concatenate([base.variable_upper, most, upper > 0]),
            ),
            constraints=optimize.LinearConstraint(
                matrix,
                np.concatenate([base.lower, constants, -free, -free]),
                np.concatenate([base.upper, free, constants - least, np.zeros(neurons)]),
            ),
            options={"mip_rel_gap": relative_gap} | ({} if time_limit is None else {"time_limit": time_limit}),
        )
        if result.x is None:
            raise RuntimeError(f"the mixed-integer solver found no action: {result.message}; raise time_limit")
        action = np.rint(result.x[base.action_columns]).astype(np.int8)
        return Solution(action, float(-result.mip_dual_bound + biases[0] + network.offset[0, -1]))

    def _pre_activations(
        self, network: LevelNetwork
    ) -> tuple[tuple[Floats, NDArray[np.int64], NDArray[np.int64]], Floats]:
        """Every hidden neuron's pre-activation: matrix entries (coefficient, neuron, column), and constants."""
        level_columns = self._base.level_columns[:, 1:].reshape(-1)
        first = network.gains[0, :, 1:, :-1].reshape(level_columns.size, -1).T
        parts, constants = [(first, level_columns)], [network.offset[0, :-1]]
        start = 0
        for (weights, biases), width in zip(network.layers[:-1], self._widths, strict=False):
            parts.append((weights, self._outputs[start : start + width]))
            constants.append(biases)
            start += width
        data, rows, columns, row = [], [], [], 0
        for coefficients, places in parts:
            data.append(coefficients.reshape(-1))
            rows.append(np.repeat(row + np.arange(len(coefficients)), places.size))
            columns.append(np.tile(places, len(coefficients)))
            row += len(coefficients)
        return (np.concatenate(data), np.concatenate(rows), np.concatenate(columns)), np.concatenate(constants)
