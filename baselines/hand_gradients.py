"""PPO's gradient for perceptrons on a CPU, by hand: what autograd computes, without its cost for small networks.

``telos.baselines.ppo.losses_of`` says what is computed. Through autograd some hundred small operations make a
minibatch; here it is one kernel for the loss and three products of matrices a layer.

* ``HandGradient`` - acting, and the gradient
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor, nn

from telos.baselines.action_heads import FORBIDDEN, Bernoullis, Categoricals
from telos.baselines.networks import ActorCritic
from telos.baselines.rollouts import Act, Batch, Rollout

__all__ = ["HandGradient"]

_COMPILED: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"}


@njit(inline="always")
def _slopes(i: Any, log_prob: Any, entropy: Any, batch: Any, settings: Any, d_values: Any, logged: Any) -> Any:
    """Writes the gradient of row i's values and what is logged, and returns those of log probability and entropy."""
    values, old, advantages, returns, shares = batch
    clip, value_weight, entropy_weight = settings
    advantage, log_ratio = float(advantages[i]), log_prob - float(old[i])
    ratio = math.exp(log_ratio)
    clipped = min(max(ratio, 1.0 - clip), 1.0 + clip)
    value_loss = 0.0
    for h in range(values.shape[1]):
        error = float(values[i, h]) - float(returns[i, h])
        value_loss += error * error
        d_values[i, h] = shares[i] * value_weight * 2.0 * error
    logged[i, 0] = -min(ratio * advantage, clipped * advantage)
    logged[i, 1], logged[i, 2] = value_loss, entropy
    logged[i, 3], logged[i, 4] = ratio - 1.0 - log_ratio, ratio != clipped
    rewarded = ratio * advantage <= clipped * advantage
    return -shares[i] * ratio * advantage if rewarded else 0.0, -shares[i] * entropy_weight


@njit(**_COMPILED)  # type: ignore[untyped-decorator]
def _choices(
    outputs: Any, masks: Any, actions: Any, batch: Any, settings: Any, ends: Any, scratch: Any, gradients: Any
) -> None:
    """The loss of ``Categoricals``, whose options end at ``ends``."""
    d_outputs, d_values, logged = gradients
    logits, log_totals, entropies = scratch
    for i in range(len(outputs)):
        log_prob, entropy, first = 0.0, 0.0, 0
        for c in range(len(ends)):
            largest, total, mean = -np.inf, 0.0, 0.0
            for k in range(first, ends[c]):
                logits[k] = outputs[i, k] if len(masks) == 0 or masks[i, k] else FORBIDDEN
                largest = max(largest, logits[k])
            for k in range(first, ends[c]):
                logits[k] -= largest
                d_outputs[i, k] = weight = math.exp(logits[k])
                total += weight
                mean += weight * logits[k]
            log_totals[c] = math.log(total)
            entropies[c] = log_totals[c] - mean / total
            log_prob += logits[first + actions[i, c]] - log_totals[c]
            entropy += entropies[c]
            for k in range(first, ends[c]):
                d_outputs[i, k] /= total
            first = ends[c]
        of_log_prob, of_entropy = _slopes(i, log_prob, entropy, batch, settings, d_values, logged)
        first = 0
        for c in range(len(ends)):
            for k in range(first, ends[c]):
                probability = float(d_outputs[i, k])
                slope = of_entropy * probability * (logits[k] - log_totals[c] + entropies[c])
                chosen = 1.0 if k - first == actions[i, c] else 0.0
                allowed = len(masks) == 0 or masks[i, k]
                d_outputs[i, k] = of_log_prob * (chosen - probability) - slope if allowed else 0.0
            first = ends[c]


@njit(**_COMPILED)  # type: ignore[untyped-decorator]
def _bits(
    outputs: Any, masks: Any, actions: Any, batch: Any, settings: Any, ends: Any, scratch: Any, gradients: Any
) -> None:
    """The loss of ``Bernoullis``."""
    d_outputs, d_values, logged = gradients
    for i in range(len(outputs)):
        log_prob, entropy = 0.0, 0.0
        for k in range(outputs.shape[1]):
            d_outputs[i, k] = 0.0
            if len(masks) == 0 or masks[i, k]:
                logit = float(outputs[i, k])
                rest = math.exp(-abs(logit))
                one = 1.0 / (1.0 + rest) if logit > 0.0 else rest / (1.0 + rest)
                none = max(logit, 0.0) + math.log(1.0 + rest)  # -log of the probability of a 0
                log_prob += actions[i, k] * logit - none
                entropy += none - logit * one
                d_outputs[i, k] = one
        of_log_prob, of_entropy = _slopes(i, log_prob, entropy, batch, settings, d_values, logged)
        for k in range(outputs.shape[1]):
            if len(masks) == 0 or masks[i, k]:
                one = float(d_outputs[i, k])
                slope = of_entropy * float(outputs[i, k]) * one * (1.0 - one)
                d_outputs[i, k] = of_log_prob * (actions[i, k] - one) - slope


@njit(**_COMPILED)  # type: ignore[untyped-decorator]
def _choose(outputs: Any, masks: Any, noise: Any, ends: Any, actions: Any) -> None:
    """Draws as ``Categoricals``."""
    for i in range(len(actions)):
        first = 0
        for c in range(len(ends)):
            best, largest = first, -np.inf
            for k in range(first, ends[c]):
                logit = outputs[i, k] if len(masks) == 0 or masks[i, k] else FORBIDDEN
                if logit + noise[i, k] > largest:
                    best, largest = k, logit + noise[i, k]
            actions[i, c] = best - first
            first = ends[c]


@njit(**_COMPILED)  # type: ignore[untyped-decorator]
def _draw_bits(outputs: Any, masks: Any, noise: Any, ends: Any, actions: Any) -> None:
    """Draws as ``Bernoullis``."""
    for i in range(len(actions)):
        for k in range(actions.shape[1]):
            allowed = len(masks) == 0 or masks[i, k]
            actions[i, k] = allowed and noise[i, k] * (1.0 + math.exp(-float(outputs[i, k]))) < 1.0


def _blocks(left: Tensor, right: Tensor, apart: bool) -> Tensor:
    """Two layers' weights as one's, transposed; if they have inputs of their own, as blocks between zeros."""
    both: Tensor = torch.block_diag(left, right) if apart else torch.cat([left, right])  # type: ignore[no-untyped-call]
    return both.t().contiguous()


class _Perceptron:
    """A ``Sequential`` of ``Linear`` with ``Tanh`` between them, whose gradients are already allocated.

    Attributes:
        layers: Weights, biases, and the gradients of both.
    """

    def __init__(self, layers: nn.Module) -> None:
        self.layers: list[tuple[Tensor, Tensor, Any, Any]] = [
            (layer.weight.detach(), layer.bias.detach(), layer.weight.grad, layer.bias.grad)
            for layer in layers.children()
            if isinstance(layer, nn.Linear)
        ]

    def forward(self, inputs: Tensor) -> list[Tensor]:
        """Returns the inputs of all layers, and the outputs of the last."""
        rows, last = [inputs], len(self.layers) - 1
        for k, (weight, bias, _, _) in enumerate(self.layers):
            outputs = torch.addmm(bias, rows[-1], weight.t())
            rows.append(outputs if k == last else outputs.tanh_())
        return rows

    def backward(self, rows: list[Tensor], gradient: Tensor) -> None:
        """Writes the gradient of all weights, from that of the outputs and what ``forward`` returned."""
        for k in range(len(self.layers) - 1, -1, -1):
            weight, _, d_weight, d_bias = self.layers[k]
            torch.mm(gradient.t(), rows[k], out=d_weight)
            torch.sum(gradient, 0, out=d_bias)
            if k:
                # The derivative of tanh is 1 - tanh^2.
                gradient = torch.ops.aten.tanh_backward.default(gradient @ weight, rows[k])


class HandGradient:
    """Acts with a policy and values that are perceptrons, and computes their gradient.

    Args:
        net: The network, whose gradients are allocated, as ``VectorAdam`` does; see ``fits``.
        clip: As PPO's argument, as are the next two.
        value_weight: Weight of the value loss.
        entropy_weight: Weight of the entropy.
    """

    def __init__(self, net: ActorCritic, clip: float, value_weight: float, entropy_weight: float) -> None:
        self._net, self._settings = net, (clip, value_weight, entropy_weight)
        self._actor, self._critic = _Perceptron(net.actor), _Perceptron(net.critic)
        head = net.head
        assert isinstance(head, (Categoricals, Bernoullis))
        self._head: Categoricals | Bernoullis = head
        self._losses, self._draw = (_choices, _choose) if isinstance(head, Categoricals) else (_bits, _draw_bits)
        sizes = head.sizes if isinstance(head, Categoricals) else np.zeros(0, np.int64)
        self._ends = np.cumsum(sizes)
        self._scratch = np.empty(head.outputs), np.empty(len(sizes)), np.empty(len(sizes))

    @staticmethod
    def fits(net: ActorCritic) -> bool:
        """Whether this can compute what autograd would: no memory, no images, discrete actions, on a CPU."""
        plain = type(net) is ActorCritic and net.cell is None and not net.image
        parameters = list(net.parameters())
        on_host = all(parameter.device.type == "cpu" for parameter in parameters)
        return plain and on_host and type(net.head) in (Categoricals, Bernoullis)

    def acting(self, rollout: Rollout, generator: torch.Generator) -> Act:
        """As ``rollouts.acting``, with both perceptrons as one: half as many operations, if more zeros."""
        layers = [
            (_blocks(policy[0], values[0], apart=k > 0), torch.cat([policy[1], values[1]]))
            for k, (policy, values) in enumerate(zip(self._actor.layers, self._critic.layers, strict=True))
        ]
        head, into = self._head, rollout.writable(True)
        noise = head.noise(rollout.outputs.shape, generator).numpy()
        no_masks = np.empty((0, 0), np.bool_)

        @torch.inference_mode()
        def act(t: int, masks: Tensor | None, memory: Tensor | None, begins: Any) -> tuple[Tensor, Tensor | None]:
            rows, _ = self._net.features(rollout.observations[t])
            for k, (weight, bias) in enumerate(layers):
                rows = torch.addmm(bias, rows, weight)
                if k + 1 < len(layers):
                    rows.tanh_()
            both, allowed = rows.numpy(), no_masks if masks is None else masks.numpy()
            into.outputs[t], into.values[t] = both[:, : head.outputs], both[:, head.outputs :]
            self._draw(both, allowed, noise[t], self._ends, into.actions[t].reshape(len(both), -1))
            return head.to_env(rollout.actions[t]), memory

        return act

    @torch.inference_mode()
    def __call__(self, batch: Batch) -> Tensor:
        """Sets the gradient of the loss of a ``Batch``, and returns what to log of it, as ``ppo.losses_of``."""
        features, _ = self._net.features(batch.observations)
        hidden, of_values = self._actor.forward(features), self._critic.forward(features)
        outputs, values = hidden[-1], of_values[-1]
        n = len(outputs)
        if batch.weights is None:
            shares = torch.full((n,), 1.0 / n)
        else:
            shares = batch.weights / batch.weights.sum().clamp(min=1.0)
        d_outputs, d_values, logged = torch.empty_like(outputs), torch.empty_like(values), torch.empty(n, 5)
        masks = torch.empty(0, 0, dtype=torch.bool) if batch.masks is None else batch.masks
        told = (values, batch.log_probs, batch.advantages, batch.returns, shares)
        self._losses(
            outputs.numpy(),
            masks.numpy(),
            batch.actions.reshape(n, -1).numpy(),
            tuple(part.numpy() for part in told),
            self._settings,
            self._ends,
            self._scratch,
            (d_outputs.numpy(), d_values.numpy(), logged.numpy()),
        )
        self._actor.backward(hidden, d_outputs)
        self._critic.backward(of_values, d_values)
        return shares @ logged
