"""A local causal language model of ``transformers``: loaded, asked, judged, saved.

* ``CausalLM`` - the model and its tokenizer, perhaps with LoRA
"""

from __future__ import annotations

import contextlib
import copy
import shutil
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from telos.baselines.input_errors import InputError
from telos.baselines.llm.conversations import TokenSequence

__all__ = ["CausalLM", "Precision"]

Precision = Literal["float32", "bfloat16"]
"""Of weights and activations; log probabilities are float32 in any case."""


class CausalLM(nn.Module):
    """A causal language model that samples from its own distribution, and says how likely tokens are.

    There is no dropout, also while it learns: the ratio of probabilities before and after an update would be of two
    random networks. Sampling is from the whole distribution at a temperature, whatever the model's own settings are,
    so that tokens have the probability that they are learned with.

    Args:
        name: Folder of a model, or its name at Hugging Face.
        device: Where.
        temperature: Logits are divided by it, also in ``token_logs``.
        precision: Of weights.
        lora_rank: Rank of LoRA's adapters on all linear layers but the last; 0 for training all weights.
        lora_alpha: Their scale is this over the rank.
        seed: Of new adapters.

    Attributes:
        tokenizer: The tokenizer.
        ends: Tokens that end a reply.
        longest: Tokens that the model can see at most.

    Raises:
        InputError: If there is no such model, or it has no token that ends a reply.
        ModuleNotFoundError: If transformers is missing, or peft for LoRA.

    Source: Hu et al., LoRA (arXiv 2106.09685), in the implementation of ``peft``.
    """

    def __init__(
        self,
        name: str,
        device: torch.device,
        *,
        temperature: float = 1.0,
        precision: Precision = "float32",
        lora_rank: int = 0,
        lora_alpha: float = 32.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        transformers = _library("transformers")
        if not sys.stderr.isatty():
            transformers.utils.logging.disable_progress_bar()
        try:
            self.tokenizer: Any = transformers.AutoTokenizer.from_pretrained(name)
            model: Any = transformers.AutoModelForCausalLM.from_pretrained(name, dtype=getattr(torch, precision))
        except (OSError, ValueError) as error:
            raise InputError(f"{name!r} is no folder of a causal language model, nor one's name: {error}") from error
        self.ends = _ends(self.tokenizer, model)
        # The model's own settings may narrow or warp what is sampled from.
        sampling = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
        model.generation_config = transformers.GenerationConfig(
            eos_token_id=self.ends, pad_token_id=self.ends[0], **sampling
        )
        self.longest = int(getattr(model.config, "max_position_embeddings", 2**31))
        self._temperature, self._adapted = temperature, lora_rank > 0
        self.model = _with_lora(model, lora_rank, lora_alpha, seed) if self._adapted else model
        self.to(device).eval()
        self._reference: Any = None

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.parameters()).device

    @property
    def learned(self) -> dict[str, nn.Parameter]:
        """The weights that are trained, by name."""
        return {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad}

    @torch.no_grad()
    def generate(self, contexts: Sequence[list[int]], longest: int, greedy: bool = False) -> list[list[int]]:
        """Writes a reply behind each context, by the global generator of random numbers.

        Args:
            contexts: Tokens, at least one each.
            longest: Tokens of a reply at most.
            greedy: Whether to take the likeliest token each time.

        Returns:
            Replies of 1 to ``longest`` tokens, with the token that ended them if one did.
        """
        width, fill = max(map(len, contexts)), self.ends[0]
        tokens = [[fill] * (width - len(context)) + context for context in contexts]
        seen = [[0] * (width - len(context)) + [1] * len(context) for context in contexts]
        written = self.model.generate(
            input_ids=torch.tensor(tokens, device=self.device),
            attention_mask=torch.tensor(seen, device=self.device),
            do_sample=not greedy,
            max_new_tokens=longest,
        )
        return [self._to_end(row) for row in written[:, width:].tolist()]

    def _to_end(self, reply: list[int]) -> list[int]:
        at = next((k for k, token in enumerate(reply, 1) if token in self.ends), len(reply))
        return reply[:at]

    def token_logs(self, sequences: Sequence[TokenSequence]) -> tuple[Tensor, Tensor]:
        """What the model says of the tokens that it wrote.

        Returns:
            Log probabilities, and entropies in nats without gradients, float32 ``(n,)`` each, of all tokens of the
            sequences that are ``written``, one after the other.
        """
        return _token_logs(self.model, sequences, self.ends[0], self._temperature)

    def keep_reference(self) -> None:
        """Makes the model as it now is the reference; with LoRA it is the model without adapters."""
        if not self._adapted:
            # In a list: it is no part of this module, and is not saved with it.
            self._reference = [copy.deepcopy(self.model).requires_grad_(False)]

    @torch.no_grad()
    def reference_logs(self, sequences: Sequence[TokenSequence]) -> Tensor:
        """The same log probabilities under the reference, see ``keep_reference``."""
        model = self.model if self._adapted else self._reference[0]
        with model.disable_adapter() if self._adapted else contextlib.nullcontext():
            return _token_logs(model, sequences, self.ends[0], self._temperature)[0]

    def state_dict(self, *_: Any, **__: Any) -> Any:
        """The weights that are trained: with LoRA the adapters alone."""
        return {name: weight.detach() for name, weight in self.learned.items()}

    @torch.no_grad()
    def load_state_dict(self, state_dict: Any, *_: Any, **__: Any) -> Any:
        """Sets these weights.

        Raises:
            RuntimeError: If they are of another model.
        """
        learned = self.learned
        if {name: weight.shape for name, weight in learned.items()} != {n: w.shape for n, w in state_dict.items()}:
            raise RuntimeError("the checkpoint's weights are of another model")
        for name, weight in learned.items():
            weight.copy_(state_dict[name])

    def export(self, folder: Path) -> None:
        """Writes model, or adapters, and tokenizer, as ``transformers`` and vLLM load them; all of it or nothing."""
        draft = folder.with_name(f".draft-{folder.name}")
        shutil.rmtree(draft, ignore_errors=True)
        self.model.save_pretrained(draft)
        self.tokenizer.save_pretrained(draft)
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{error.name} is missing; local language models need: pip install 'telos-gym[llm]'"
        ) from error


def _ends(tokenizer: Any, model: Any) -> list[int]:
    """Tokens that end a reply."""
    named = model.generation_config.eos_token_id if model.generation_config is not None else None
    named = named if isinstance(named, list) else [named]
    ends = [token for token in dict.fromkeys([tokenizer.eos_token_id, *named]) if token is not None]
    if not ends:
        raise InputError(f"the tokenizer of {tokenizer.name_or_path} has no eos_token, so replies would have no end")
    return ends


def _with_lora(model: Any, rank: int, alpha: float, seed: int) -> Any:
    peft = _library("peft")
    config = peft.LoraConfig(r=rank, lora_alpha=alpha, target_modules="all-linear", task_type="CAUSAL_LM")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return peft.get_peft_model(model, config)


def _token_logs(model: Any, sequences: Sequence[TokenSequence], fill: int, temperature: float) -> tuple[Tensor, Tensor]:
    width = max(len(sequence.tokens) for sequence in sequences)
    tokens = [sequence.tokens + [fill] * (width - len(sequence.tokens)) for sequence in sequences]
    there = [[True] * len(sequence.tokens) + [False] * (width - len(sequence.tokens)) for sequence in sequences]
    chosen = [sequence.written + [False] * (width - len(sequence.written)) for sequence in sequences]
    ids, seen, written = (torch.tensor(rows, device=model.device) for rows in (tokens, there, chosen))
    # Logits are large: only those are made that some sequence needs. Those at one place are of the token at the next.
    at = written[:, 1:].any(dim=0).nonzero()[:, 0]
    logits = model(input_ids=ids, attention_mask=seen.long(), logits_to_keep=at, use_cache=False).logits
    logs = (logits.float() / temperature).log_softmax(dim=2)
    picked = written[:, at + 1]
    log_probs = logs.gather(2, ids[:, at + 1, None])[..., 0]
    detached = logs.detach()
    entropies = -(detached.exp() * detached).sum(dim=2)
    return log_probs[picked], entropies[picked]
