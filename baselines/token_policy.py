"""A small policy of sequences: token after token, each drawn given the observation and the tokens before it.

* ``TokenPolicy`` - for actions that are ``Text``, a ``Sequence`` of ``Discrete``, or a ``MultiDiscrete``
* ``TokenFormat`` - how such actions are tokens
* ``TokenLogs`` - what a policy says of tokens
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from telos.baselines.input_errors import InputError
from telos.baselines.networks import ObservationEncoder

__all__ = ["TokenFormat", "TokenLogs", "TokenPolicy"]

_FORBIDDEN = -1e9
"""Logit of a token that cannot be: its probability is exactly 0."""


class TokenLogs(NamedTuple):
    """What a policy says of n actions of up to K tokens; a macro action is one token.

    Attributes:
        log_probs: Of each token given those before it, float32 ``(n, K)``; 0 where there is none.
        entropies: Of the distributions that they were drawn from, in nats, ``(n, K)``; 0 where there is none.
        there: Which tokens there are, bool ``(n, K)``.
    """

    log_probs: Tensor
    entropies: Tensor
    there: Tensor


class TokenFormat:
    """How actions of a space are sequences of tokens 0, 1, ...

    ``Text`` has one token a character and ``Sequence`` one an element; both end with one more token, unless they are
    as long as they may be. ``MultiDiscrete`` has as many tokens as choices, and no end.

    Args:
        space: The space of one action.
        longest: Tokens of a text or a sequence at most, where its space allows more.

    Attributes:
        length: Tokens at most, K.
        tokens: Number of different tokens, the end included.
        end: The token that ends a sequence; -1 if none does.
        allowed: Which tokens may stand where, bool ``(length, tokens)``.

    Raises:
        ValueError: If the space is another.
    """

    def __init__(self, space: spaces.Space[Any], longest: int = 32) -> None:
        self._space, least = space, 0
        if isinstance(space, spaces.Text):
            sizes, least = len(space.character_list), space.min_length
            self.length = min(space.max_length, max(longest, least))
        elif isinstance(space, spaces.Sequence) and isinstance(space.feature_space, spaces.Discrete):
            if space.stack:
                raise ValueError(f"there is no token policy for {space}; make the Sequence with stack=False")
            self.length, sizes = longest, int(space.feature_space.n)
        elif isinstance(space, spaces.MultiDiscrete) and len(space.nvec.shape) == 1:
            self.length, self.end, self.tokens = len(space.nvec), -1, int(space.nvec.max())
            self.allowed = np.arange(self.tokens) < space.nvec[:, None]
            return
        else:
            raise ValueError(
                f"there is no token policy for actions in {space}; there is for Text, Sequence of Discrete and "
                "MultiDiscrete of one axis"
            )
        self.end, self.tokens = sizes, sizes + 1
        self.allowed = np.ones((self.length, self.tokens), np.bool_)
        self.allowed[:least, self.end] = False

    def to_env(self, tokens: Any) -> Any:
        """Returns a batch of actions: a tuple of texts or tuples, or an array ``(n, length)``.

        Args:
            tokens: Whole numbers ``(n, length)``; anything behind an end.
        """
        if isinstance(self._space, spaces.MultiDiscrete):
            return tokens + self._space.start
        rows = [row[: row.index(self.end)] if self.end in row else row for row in tokens.tolist()]
        if isinstance(self._space, spaces.Text):
            characters = self._space.character_list
            return tuple("".join(characters[token] for token in row) for row in rows)
        start = int(self._space.feature_space.start)  # type: ignore[attr-defined]
        return tuple(tuple(np.int64(token + start) for token in row) for row in rows)


class TokenPolicy(nn.Module):
    """A GRU over the tokens of an action. It begins from the observation and remembers nothing between steps.

    Args:
        observations: What encodes observations; not images.
        actions: The space of one action.
        longest: As for ``TokenFormat``.
        hidden: Units of the embedding, of the cell and of the layer that reads the observation.
        seed: Of the weights.

    Raises:
        ValueError: If there is none for the spaces.

    Source: sequence models as policies of tokens are those of DeepSeekMath (arXiv 2402.03300), where they are language
    models; this one is ours, for toys.
    """

    _allowed: Tensor

    def __init__(
        self,
        observations: ObservationEncoder,
        actions: spaces.Space[Any],
        *,
        longest: int = 32,
        hidden: int = 64,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if observations.image:
            raise ValueError("there is no token policy for images; encode them as a vector")
        self.format = TokenFormat(actions, longest)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._read = nn.Linear(math.prod(observations.shape), hidden)
            # The last one begins a sequence.
            self._embedding = nn.Embedding(self.format.tokens + 1, hidden)
            self._cell = nn.GRU(hidden, hidden, batch_first=True)
            self._logits = nn.Linear(hidden, self.format.tokens)
        # A nearly uniform policy at the start, as that of other heads.
        nn.init.zeros_(self._logits.bias)
        self._logits.weight.data.mul_(0.01)
        self.register_buffer("_allowed", torch.as_tensor(self.format.allowed), persistent=False)

    def _distributions(self, observations: Tensor, tokens: Tensor) -> Tensor:
        """Log probabilities of every token at every place given those before, ``(n, length, tokens)``."""
        first = torch.full_like(tokens[:, :1], self.format.tokens)
        before = torch.cat([first, tokens[:, :-1]], dim=1)
        memory = self._read(observations).tanh()[None]
        logits = self._logits(self._cell(self._embedding(before), memory)[0])
        logs: Tensor = logits.masked_fill(~self._allowed, _FORBIDDEN).log_softmax(dim=2)
        return logs

    def _write(self, observations: Tensor, choose: Any) -> Tensor:
        """Writes sequences, each token chosen from its logits ``(n, tokens)``; behind an end there are only ends."""
        n, device = len(observations), observations.device
        memory = self._read(observations).tanh()[None]
        token = torch.full((n,), self.format.tokens, device=device)
        over = torch.zeros(n, dtype=torch.bool, device=device)
        written = torch.full((n, self.format.length), max(self.format.end, 0), device=device)
        for k in range(self.format.length):
            outputs, memory = self._cell(self._embedding(token)[:, None], memory)
            token = choose(self._logits(outputs[:, 0]).masked_fill(~self._allowed[k], _FORBIDDEN))
            written[:, k] = torch.where(over, written[:, k], token)
            over = over | (token == self.format.end)
        return written

    def sample(self, observations: Tensor, masks: Tensor | None, generator: torch.Generator) -> Tensor:
        """See ``telos.baselines.group_policies.SpacePolicy``; tokens ``(n, length)``."""
        _refuse(masks)

        def draw(logits: Tensor) -> Tensor:
            # The Gumbel maximum, as in telos.baselines.action_heads.
            noise = torch.empty_like(logits).exponential_(generator=generator).clamp_(min=1e-20)
            return (logits - noise.log_()).argmax(dim=1)

        return self._write(observations, draw)

    def mode(self, observations: Tensor, masks: Tensor | None) -> Tensor:
        """See ``telos.baselines.group_policies.SpacePolicy``: each token the likeliest after those before it."""
        _refuse(masks)
        return self._write(observations, lambda logits: logits.argmax(dim=1))

    def token_logs(self, observations: Tensor, actions: Tensor, masks: Tensor | None) -> TokenLogs:
        """See ``telos.baselines.group_policies.SpacePolicy``; the token that ends a sequence is one of them."""
        logs = self._distributions(observations, actions)
        ended = (actions == self.format.end).cumsum(dim=1)
        there = ended - (actions == self.format.end).long() == 0
        log_probs = logs.gather(2, actions[..., None])[..., 0]
        entropies = -(logs.exp() * logs).sum(dim=2)
        return TokenLogs(torch.where(there, log_probs, 0.0), torch.where(there, entropies, 0.0), there)

    def to_env(self, actions: Tensor, on_host: bool) -> Any:
        """See ``telos.baselines.group_policies.SpacePolicy``."""
        chosen = self.format.to_env(actions.cpu().numpy())
        return (
            torch.as_tensor(chosen, device=actions.device) if isinstance(chosen, np.ndarray) and not on_host else chosen
        )


def _refuse(masks: Tensor | None) -> None:
    if masks is not None:
        raise InputError("a token policy knows no masks of actions; make the environment without them")
