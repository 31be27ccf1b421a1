"""The network of the Decision Transformer, and the policy that acts by it.

* ``DecisionTransformer`` - predicts actions from returns-to-go, observations and earlier actions
* ``ReturnConditionedPolicy`` - acts for a return
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor, nn

from telos.baselines.action_heads import action_head
from telos.baselines.networks import ObservationEncoder
from telos.baselines.training_envs import is_on_host
from telos.wrappers.networks import encoder

__all__ = ["DecisionTransformer", "ReturnConditionedPolicy"]

_IMAGE_FEATURES = 512
"""Units behind the convolutions (Mnih et al., Nature 2015)."""

_CLIP = 10.0
"""Normalised observations are clipped to [-10, 10], as in ``telos.baselines.networks``; ours for this network."""


class DecisionTransformer(nn.Module):
    """A causal transformer over (return-to-go, observation, action), which predicts the actions.

    Args:
        observations: What encodes observations.
        actions: The space of one environment's actions.
        width: Of a token.
        layers: Number of them.
        heads: Of attention; they divide the width.
        dropout: Probability.
        timesteps: Length of the longest episode; later steps share the last embedding.
        seed: Of the weights.

    Source: Chen et al., Decision Transformer (NeurIPS 2021), algorithm 1; layer norm before each part, as in GPT-2.
    """

    _mean: Tensor
    _std: Tensor
    _scale: Tensor
    target: Tensor

    def __init__(
        self,
        observations: ObservationEncoder,
        actions: spaces.Space[Any],
        *,
        width: int,
        layers: int,
        heads: int,
        dropout: float,
        timesteps: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.head = action_head(actions)
        self._encode_actions = ObservationEncoder(actions, observations.device)
        self._image, self._high = observations.image, observations.high
        # PyTorch draws weights from its global generator.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if observations.image:
                convolutions = encoder(np.random.default_rng(seed), observations.shape, _IMAGE_FEATURES, 1)[:-1]
                self.of_observation: nn.Module = nn.Sequential(convolutions, nn.Linear(_IMAGE_FEATURES, width))
            else:
                self.of_observation = nn.Linear(observations.shape[0], width)
            self.of_return = nn.Linear(1, width)
            self.of_action = nn.Linear(self._encode_actions.shape[0], width)
            self.of_timestep = nn.Embedding(timesteps, width)
            self.norm, self.dropout = nn.LayerNorm(width), nn.Dropout(dropout)
            self.layers = nn.ModuleList(
                nn.TransformerEncoderLayer(
                    width, heads, 4 * width, dropout, nn.functional.gelu, batch_first=True, norm_first=True
                )
                for _ in range(layers)
            )
            for layer in self.layers:
                # GPT-2 has none between the two parts of its perceptrons.
                layer.dropout = nn.Dropout(0.0)
            self.last_norm, self.to_outputs = nn.LayerNorm(width), nn.Linear(width, self.head.outputs)
        shape = () if observations.image else observations.shape
        self.register_buffer("_mean", torch.zeros(shape))
        self.register_buffer("_std", torch.ones(shape))
        self.register_buffer("_scale", torch.ones(()))
        self.register_buffer("target", torch.zeros((), dtype=torch.float64))

    @torch.no_grad()
    def fit_scales(self, observations: Tensor, returns_to_go: Tensor) -> None:
        """Sets how observations, unless images, and returns are normalised; that is saved with the weights.

        Returns are divided by the largest absolute return-to-go. Numbers that never vary are only centred.

        Args:
            observations: ``(S, *shape)``.
            returns_to_go: ``(S,)``.
        """
        if not self._image:
            std, mean = torch.std_mean(observations.double(), dim=0, correction=0)
            self._mean.copy_(mean)
            self._std.copy_(torch.where(std < 1e-6, 1.0, std))
        largest = returns_to_go.abs().max()
        self._scale.copy_(largest if largest > 0 else torch.ones(()))

    def forward(self, returns: Tensor, observations: Tensor, actions: Tensor, timesteps: Tensor) -> Tensor:
        """Returns what is said of the action of each step, which does not depend on it or on anything after it.

        Args:
            returns: Returns-to-go, float32 ``(n, L)``.
            observations: ``(n, L, *shape)``.
            actions: As the head has them, ``(n, L, *head.shape)``.
            timesteps: Places in the episodes, int64 ``(n, L)``.

        Returns:
            Outputs for the head, ``(n, L, head.outputs)``.
        """
        n, length = returns.shape
        observed = observations.flatten(0, 1)
        if self._image:
            observed = observed.float() / self._high
        else:
            observed = ((observed - self._mean) / self._std).clamp(-_CLIP, _CLIP)
        done = self._encode_actions(self.head.to_env(actions.flatten(0, 1)))
        at = self.of_timestep(timesteps.clamp(max=self.of_timestep.num_embeddings - 1))
        tokens = torch.stack(
            (
                self.of_return((returns / self._scale)[..., None]) + at,
                self.of_observation(observed).view(n, length, -1) + at,
                self.of_action(done).view(n, length, -1) + at,
            ),
            dim=2,
        ).flatten(1, 2)
        tokens = self.dropout(self.norm(tokens))
        mask = nn.Transformer.generate_square_subsequent_mask(3 * length, device=tokens.device)
        for layer in self.layers:
            tokens = layer(tokens, src_mask=mask, is_causal=True)
        outputs: Tensor = self.to_outputs(self.last_norm(tokens[:, 1::3]))
        return outputs


class ReturnConditionedPolicy:
    """Acts for a return: the return-to-go begins with it, and falls by what each step pays.

    It keeps the last K steps of each environment. It must be told the rewards, which ``evaluate`` does.

    Args:
        net: The network.
        encode: What encodes its observations.
        context: K.
        target: The return; None for the network's own target.
        reward_wrappers: Of the rewards in which returns are counted, see ``ToldRewards``.
        deterministic: Whether to take the likeliest action instead of drawing one.
        seed: Of the draws.

    Source: Chen et al., Decision Transformer (NeurIPS 2021), algorithm 1, evaluation loop.
    """

    def __init__(
        self,
        net: DecisionTransformer,
        encode: ObservationEncoder,
        context: int,
        target: float | None = None,
        reward_wrappers: tuple[str, ...] = (),
        deterministic: bool = True,
        seed: int = 0,
    ) -> None:
        self._net, self._encode, self._context, self._deterministic = net, encode, context, deterministic
        self.reward_wrappers = reward_wrappers
        self.target = float(net.target) if target is None else target
        self._generator = torch.Generator(encode.device).manual_seed(seed)
        self._left: Tensor | None = None

    def _begin(self, n: int) -> None:
        """Forgets everything, for n environments."""
        device, size, head = self._encode.device, (n, self._context), self._net.head
        self._left = torch.full((n,), self.target, dtype=torch.float64, device=device)
        self._time = torch.zeros(n, dtype=torch.int64, device=device)
        self._kept = torch.zeros(n, dtype=torch.int64, device=device)
        self._returns = torch.zeros(size, device=device)
        self._observations = torch.zeros((*size, *self._encode.shape), dtype=self._encode.dtype, device=device)
        self._actions = torch.zeros((*size, *head.shape), dtype=head.dtype, device=device)
        self._timesteps = torch.zeros(size, dtype=torch.int64, device=device)

    def receive(self, rewards: Any) -> None:
        """Takes in what the last step paid, as ``ToldRewards``."""
        assert self._left is not None
        self._left -= torch.as_tensor(rewards, device=self._encode.device).double()

    @torch.no_grad()
    def __call__(self, observations: Any, infos: dict[str, Any], begins: NDArray[np.bool_]) -> Any:
        """Returns a batch of actions, as ``telos.baselines.evaluation.Policy``."""
        rows, mask = self._encode(observations), self._encode.action_mask(observations, infos)
        new = torch.as_tensor(begins, device=self._encode.device)
        if self._left is None or len(self._left) != len(rows):
            self._begin(len(rows))
        assert self._left is not None
        self._left = torch.where(new, self.target, self._left)
        self._time, self._kept = self._time * ~new, self._kept * ~new
        steps = (self._returns, self._observations, self._actions, self._timesteps)
        full = self._kept == self._context
        if bool(full.any()):
            for kept in steps:
                kept[full] = kept[full].roll(-1, dims=1)
        every, at = torch.arange(len(rows), device=new.device), self._kept - full.long()
        self._returns[every, at] = self._left.float()
        self._observations[every, at] = rows
        self._timesteps[every, at] = self._time
        self._time, self._kept = self._time + 1, at + 1
        # What lies behind a row's newest step is of an earlier episode or none, and never attended to.
        length = int(self._kept.max())
        self._net.eval()
        outputs = self._net(*(kept[:, :length] for kept in steps))[every, at]
        head = self._net.head
        actions = head.mode(outputs, mask) if self._deterministic else head.sample(outputs, mask, self._generator)
        self._actions[every, at] = actions
        chosen = head.to_env(actions)
        return chosen.cpu().numpy() if is_on_host(observations) else chosen
