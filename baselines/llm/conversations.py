"""Conversations of local models as tokens, with what they wrote apart from what they were told.

* ``TextFormat`` - how a tokenizer writes turns
* ``Conversation`` - one episode
* ``TokenSequence`` - what a model learns from
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from telos.baselines.input_errors import InputError
from telos.baselines.llm.prompts import first_kept

__all__ = ["Conversation", "TextFormat", "TokenSequence"]

_MARK = "THE REPLY"


@dataclass(frozen=True)
class TokenSequence:
    """Tokens of a conversation, as the model saw them.

    Attributes:
        tokens: L of them.
        written: Which of them the model wrote and is to learn from, L; it was told the rest.
    """

    tokens: list[int]
    written: list[bool]


class TextFormat:
    """How turns are written: by the tokenizer's chat template, without one as lines.

    Args:
        tokenizer: Of ``transformers``.

    Raises:
        InputError: If its template does not repeat what it is given.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer, self._chat = tokenizer, bool(getattr(tokenizer, "chat_template", None))
        if self._chat and _MARK not in self._render(_message("user", "-"), _message("assistant", _MARK)):
            raise InputError("the tokenizer's chat template leaves out replies; take another model")

    def opening(self, text: str) -> list[int]:
        """The first turn, up to where the model writes."""
        text = self._plain(text)
        if not self._chat:
            found: list[int] = self._tokenizer(f"{text}\n")["input_ids"]
            return found
        return self._encode(self._render(_message("user", text)))

    def between(self, text: str, last: int) -> list[int]:
        """The end of a reply and the turn after it, up to where the model writes.

        Args:
            text: What the model is told.
            last: The token that the reply ended with; an end of its own is not written twice.
        """
        text = self._plain(text)
        if not self._chat:
            return self._encode(f"\n{text}\n")
        # From templates only what follows a reply is taken: earlier turns are tokens already, and must stay these.
        turns = self._render(_message("user", "-"), _message("assistant", _MARK), _message("user", text))
        rest = turns.partition(_MARK)[2]
        if last in self._tokenizer.all_special_ids:
            rest = rest.lstrip().removeprefix(self._tokenizer.decode([last]))
        return self._encode(rest)

    def _plain(self, text: str) -> str:
        """The text without the tokenizer's special tokens: what is told cannot end its own turn."""
        for special in self._tokenizer.all_special_tokens:
            text = text.replace(special, f"{special[:1]} {special[1:]}")
        return text

    def _render(self, *messages: dict[str, str]) -> str:
        return str(self._tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True))

    def _encode(self, text: str) -> list[int]:
        found: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return found


class Conversation:
    """One episode, in as many sequences as its beginning moved.

    While everything fits, an episode is one sequence. When the oldest turns are left out, what remains is read anew in
    another, in which only later replies are learned from: each token that the model wrote is so in exactly one
    sequence, behind the very tokens that it was written behind.

    Args:
        text_format: How turns are written.
        opening: The first turn. It may take half of the context, and each later one a quarter; the middle of longer
            ones is left out (ours).
        context_tokens: Tokens of the whole sequence at most.
        reply_tokens: Tokens of a reply at most, up to a quarter of the context.

    Attributes:
        sequences: What the model saw and wrote.
    """

    def __init__(self, text_format: TextFormat, opening: str, context_tokens: int, reply_tokens: int) -> None:
        self._format, self._room = text_format, context_tokens // 4
        self._opening = _shortened(text_format.opening(opening), context_tokens // 2)
        self._budget = context_tokens - reply_tokens - len(self._opening)
        self._turns, self._first = list[list[int]](), 0
        self._reply = list[int]()
        self.sequences: list[TokenSequence] = []

    def context(self) -> list[int]:
        """The tokens behind which the model writes."""
        self._first = first_kept([len(turn) for turn in self._turns], self._first, self._budget)
        return self._opening + [token for turn in self._turns[self._first :] for token in turn]

    def replied(self, reply: list[int]) -> None:
        """Adds what the model wrote behind ``context()``, at least one token."""
        context, self._reply = self.context(), reply
        last = self.sequences[-1] if self.sequences else TokenSequence([], [])
        if last.tokens and context[: len(last.tokens)] == last.tokens:
            context, kept = context[len(last.tokens) :], last
            self.sequences.pop()
        else:
            kept = TokenSequence([], [])
        written = [*kept.written, *[False] * len(context), *[True] * len(reply)]
        self.sequences.append(TokenSequence([*kept.tokens, *context, *reply], written))

    def told(self, text: str) -> None:
        """Adds what the model is told of its last reply."""
        told = self._format.between(text, self._reply[-1])
        self._turns.append(self._reply + _shortened(told, self._room))


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _shortened(tokens: list[int], limit: int) -> list[int]:
    """Head and tail of a turn."""
    if len(tokens) <= limit:
        return tokens
    return tokens[: limit // 2] + tokens[len(tokens) - (limit - limit // 2) :]
