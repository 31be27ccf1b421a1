"""A language model behind an OpenAI-compatible HTTP endpoint: vLLM, llama.cpp, and many more.

* ``Endpoint`` - asks it
* ``Reply`` - what it answered, and what that cost
* ``EndpointError`` - it did not answer
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import requests

from telos.baselines.input_errors import InputError
from telos.envs.swe.tasks import nearest

__all__ = ["Endpoint", "EndpointError", "Message", "Reply"]

Message = Mapping[str, str]
"""``{"role": "user" or "assistant", "content": text}``."""

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_BUSY = (408, 409, 425, 429)
_WRONG = (401, 403, 404, 405)
_EXCERPT = 300
_T = TypeVar("_T")


class EndpointError(RuntimeError):
    """The endpoint did not answer, or not with a chat completion; the message says what it did instead."""


@dataclass(frozen=True)
class Reply:
    """What a model answered.

    Attributes:
        text: The text; empty if it wrote none, as when it thought until its tokens were used up.
        prompt_tokens: Tokens of the messages; None if the endpoint does not say.
        completion_tokens: Tokens of the answer, thoughts included; None if the endpoint does not say.
        retries: Requests that failed before.
        seconds: Until the answer, failed requests and pauses included.
    """

    text: str
    prompt_tokens: int | None
    completion_tokens: int | None
    retries: int
    seconds: float


class Endpoint:
    """Asks a model for replies; threads may share one.

    Busy and failing endpoints are asked again, after as long as ``Retry-After`` says, or after 1, 2, 4 .. seconds, less
    up to a half by chance; 60 at most. A failed request is one that is not answered in time, is answered 408, 409, 425,
    429 or 500 and above, or whose answer is no chat completion.

    Args:
        url: Of the interface's root, such as ``http://localhost:8000/v1``.
        model: Name of the model there.
        key: Sent as a bearer token; None sends none.
        timeout: Seconds until an answer begins.
        retries: Further requests after one that failed.
        pause: Waits so many seconds.

    Raises:
        InputError: If ``url`` is none, or a number is out of range.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        key: str | None = None,
        timeout: float = 600.0,
        retries: int = 6,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise InputError(
                f"the endpoint {url!r} must begin with http:// or https://, as in http://localhost:8000/v1"
            )
        if timeout <= 0 or retries < 0:
            raise InputError(f"timeout must be above 0 and retries at least 0; got {timeout} and {retries}")
        self._url, self._model, self._timeout = url.rstrip("/"), model, timeout
        self._retries, self._pause = retries, pause
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}

    def check_model(self) -> None:
        """Asks once which models there are, if the endpoint can tell.

        Raises:
            InputError: If the model is not among them, or the endpoint refuses to be asked.
            EndpointError: If there is no endpoint.
        """
        try:
            models, _ = self._ask("GET", "models", None, lambda body: [str(row["id"]) for row in body["data"]], 0)
        except _MissingError:
            return
        if self._model not in models:
            raise InputError(f"the endpoint {self._url} has no model {self._model!r}. {nearest(self._model, models)}")

    def reply(self, messages: Sequence[Message], **settings: Any) -> Reply:
        """Asks for the next message.

        Args:
            messages: So far.
            **settings: Of the request, such as ``temperature``, ``max_tokens`` and ``seed``.

        Raises:
            InputError: If the endpoint refuses access, or there is no such path.
            EndpointError: If it fails, also when it is asked again, or calls the request a bad one.
        """
        began = time.monotonic()
        payload = {"model": self._model, "messages": list(messages), **settings}
        (text, prompt, completion), retries = self._ask("POST", "chat/completions", payload, _completion, self._retries)
        return Reply(text, prompt, completion, retries, time.monotonic() - began)

    def _ask(self, method: str, path: str, payload: Any, read: Callable[[Any], _T], retries: int) -> tuple[_T, int]:
        """Sends a request until it succeeds; returns what ``read`` makes of the answer, and how often it failed."""
        url, problem, asked = f"{self._url}/{path}", "", None
        for attempt in range(retries + 1):
            if attempt:
                chance = random.uniform(0.5, 1.0)
                self._pause(min(chance * _FIRST_PAUSE * 2 ** (attempt - 1) if asked is None else asked, _LONGEST_PAUSE))
            asked = None
            try:
                answer = requests.request(method, url, json=payload, headers=self._headers, timeout=self._timeout)
            except requests.RequestException as error:
                problem = f"did not answer ({type(error).__name__})"
                continue
            status = answer.status_code
            problem = f"answered {status}: {_excerpt(answer.text)}"
            if status in _BUSY or status >= 500:
                asked = _retry_after(answer.headers.get("Retry-After"))
                continue
            if status in _WRONG:
                raise (_MissingError if status == 404 else InputError)(f"{url} {problem}")
            if status != 200:
                raise EndpointError(f"{url} {problem}")
            try:
                return read(answer.json()), attempt
            except (ValueError, TypeError, LookupError):
                problem = f"answered something else than the OpenAI interface: {_excerpt(answer.text)}"
        raise EndpointError(f"{url} {problem}{f', and {retries} retries did not help' if retries else ''}")


class _MissingError(InputError):
    """There is no such path."""


def _completion(body: Any) -> tuple[str, int | None, int | None]:
    """The text of a chat completion, and its tokens."""
    content, usage = body["choices"][0]["message"].get("content"), body.get("usage") or {}
    if not (content is None or isinstance(content, str)):
        raise TypeError("content is no text")
    return content or "", usage.get("prompt_tokens"), usage.get("completion_tokens")


def _retry_after(header: str | None) -> float | None:
    """Seconds to wait, of a header that holds seconds or a date; None if it does not."""
    try:
        return max(0.0, float(header or ""))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(header or "") - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _excerpt(text: str) -> str:
    return " ".join(text.split())[:_EXCERPT] or "nothing"
