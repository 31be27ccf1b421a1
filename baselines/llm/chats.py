"""Conversations with an endpoint, as messages.

* ``Chat`` - one episode
"""

from __future__ import annotations

from telos.baselines.llm.endpoint import Message, Reply
from telos.baselines.llm.prompts import first_kept, said

__all__ = ["Chat"]

_CHARACTERS_PER_TOKEN = 3.0
"""Until the endpoint tells how many tokens its prompts have; ours, on the safe side for English and code."""

_SHARE = 0.9
"""Share of the tokens that messages are made for, as later text may have more tokens a character; ours."""


class Chat:
    """One episode: what was said, and as much of it as fits.

    Tokens are known to the endpoint alone. They are estimated from characters, by the ratio that it reported for the
    last messages. Thoughts, up to ``</think>``, are not sent again.

    Args:
        opening: The first message.
        prompt_tokens: Tokens of the messages at most. The first may take half of that and each later one a quarter; the
            middle of longer ones is left out.
    """

    def __init__(self, opening: str, prompt_tokens: int) -> None:
        self._opening, self._prompt_tokens = opening, prompt_tokens
        self._turns, self._first = list[tuple[str, str]](), 0
        self._ratio, self._sent = _CHARACTERS_PER_TOKEN, 0

    def messages(self) -> list[Message]:
        """What to send: the first message and the latest turns, all that fit."""
        budget = _SHARE * self._prompt_tokens * self._ratio
        opening = _shortened(self._opening, budget / 2)
        turns = [(reply, _shortened(told, budget / 4)) for reply, told in self._turns]
        sizes = [len(reply) + len(told) for reply, told in turns]
        self._first = first_kept(sizes, self._first, budget - len(opening))
        messages: list[Message] = [{"role": "user", "content": opening}]
        for reply, told in turns[self._first :]:
            messages += [{"role": "assistant", "content": reply}, {"role": "user", "content": told}]
        self._sent = sum(len(message["content"]) for message in messages)
        return messages

    def add(self, reply: Reply, told: str) -> None:
        """Adds a reply to ``messages()``, and what the model is told of it."""
        # Templates and servers stumble over messages without text.
        self._turns.append((said(reply.text) or "(nothing)", told))
        if reply.prompt_tokens:
            self._ratio = self._sent / reply.prompt_tokens


def _shortened(text: str, limit: float) -> str:
    """Head and tail of a text."""
    if len(text) <= limit:
        return text
    half = int(limit / 2)
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters ...]\n{text[len(text) - half :]}"
