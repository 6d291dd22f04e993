"""A model behind an endpoint that speaks the OpenAI chat protocol, as vLLM, Ollama and most providers do; an adapter by its name.

    big: {system: {openai: {url: "http://localhost:8000/v1", model: "our-lora"}}, retriever: auto, k: 4}

Asks what ragft's own arms ask, with a retriever the same passages, at temperature 0. A key is read from the environment variable
that `key` names. What fails for a reason that may pass (429, 5xx, a lost connection) is tried again, with growing pauses or as the
server asks; what still fails is a failed answer. With a `ceiling`, no question is sent once one start of a run has spent that much;
the `parallel` ones that are on their way then are still paid. Where a server does not count tokens, the study's own count stands in for the ceiling.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from ragft.errors import InputError
from ragft.registry import system
from ragft.systems.base import SystemParts
from ragft.types import Completion, Prompt, Usage

ATTEMPTS, LONGEST_PAUSE, TIMEOUT = 6, 60.0, 120.0  # seconds
AGAIN = (408, 409, 425, 429, 500, 502, 503, 504)
MILLION = 1e6


class EndpointError(RuntimeError):
    """An answer that could not be had."""


class _AgainError(EndpointError):
    """A failure that may pass; `after`: seconds that the server asks to wait."""

    def __init__(self, message: str, after: float | None = None):
        super().__init__(message)
        self.after = after


@dataclass
class Endpoint:
    """A Generator over the network. `count_tokens` is the study's, so that passages are cut as for the other arms."""

    parts: SystemParts
    url: str
    model: str
    key_variable: str
    parallel: int
    prompt_price: float
    completion_price: float
    ceiling: float
    spent: float = 0.0
    # of a batch in which one failed or was not sent: no other is paid twice, and what failed is not tried as often again
    _known: dict[Prompt, Completion | EndpointError] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count_tokens(self, text: str) -> int:
        return self.parts.count_tokens(text)

    def length(self, prompt: Prompt) -> int:
        return self.count_tokens(prompt.system) + self.count_tokens(prompt.user)

    def key(self) -> list[str]:
        return [self.url, self.model]

    def complete(self, prompts: Sequence[Prompt]) -> list[Completion]:
        """All at once, `parallel` at a time. Raises EndpointError where one cannot be had, InputError where the ceiling is reached."""
        with ThreadPoolExecutor(self.parallel) as pool:
            found = list(pool.map(self._one, prompts))
        if None in found:
            self._keep(prompts, found)
            raise InputError(f"{self.model} at {self.url} has cost {self.spent:.3g}, and its ceiling is {self.ceiling:g}. Raise ceiling to go on.")
        failed = next((one for one in found if isinstance(one, EndpointError)), None)
        for prompt in prompts:
            self._known.pop(prompt, None)
        if failed is not None:
            self._keep(prompts if len(prompts) > 1 else (), found if len(prompts) > 1 else ())  # the batch is asked again one by one, and that is all
            raise failed
        return [one for one in found if isinstance(one, Completion)]

    def _keep(self, prompts: Sequence[Prompt], found: Sequence[Completion | EndpointError | None]) -> None:
        self._known |= {prompt: one for prompt, one in zip(prompts, found, strict=True) if one is not None}

    def _one(self, prompt: Prompt) -> Completion | EndpointError | None:
        """None: it was not sent, because the ceiling is reached."""
        if prompt in self._known:
            return self._known[prompt]
        if self.ceiling and self.spent >= self.ceiling:
            return None
        retrying = Retrying(stop=stop_after_attempt(ATTEMPTS), retry=retry_if_exception_type(_AgainError), wait=_pause, reraise=True)
        try:
            return retrying(self._ask, prompt)
        except EndpointError as error:
            return error

    def _ask(self, prompt: Prompt) -> Completion:
        import httpx

        messages = [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}]
        body = {"model": self.model, "messages": messages, "temperature": 0, "max_tokens": self.parts.max_new_tokens}
        key = os.environ.get(self.key_variable, "") if self.key_variable else ""
        began = time.perf_counter()
        try:
            answer = httpx.post(
                f"{self.url.rstrip('/')}/chat/completions", json=body, headers={"Authorization": f"Bearer {key}"} if key else {}, timeout=TIMEOUT
            )
        except httpx.TransportError as error:
            raise _AgainError(f"{self.url}: {type(error).__name__}: {error}") from error
        seconds = time.perf_counter() - began
        if answer.status_code in AGAIN:
            raise _AgainError(f"{self.url}: {answer.status_code}: {answer.text[:200]}", _asked_to_wait(answer.headers.get("retry-after")))
        if answer.status_code != 200:
            raise EndpointError(f"{self.url}: {answer.status_code}: {answer.text[:200]}")
        return self._completion(prompt, answer, seconds)

    def _completion(self, prompt: Prompt, answer: Any, seconds: float) -> Completion:
        try:
            found = answer.json()
            choice, used = found["choices"][0], found.get("usage") or {}
            text, ended = choice["message"]["content"] or "", choice.get("finish_reason")
            counts = [int(used.get(name) or 0) for name in ("prompt_tokens", "completion_tokens")]
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise EndpointError(f"{self.url}: no chat completion: {answer.text[:200]}") from error
        cost = self._cost(*counts)
        with self._lock:
            self.spent += cost if used else self._cost(self.length(prompt), self.count_tokens(text))
        usage = Usage(counts[0], counts[1], seconds, seconds, 1, cost=cost if used and (self.prompt_price or self.completion_price) else None)
        return Completion(text.strip(), f"{prompt.system}\n\n{prompt.user}", usage, prompt_cut=False, answer_cut=ended == "length")

    def _cost(self, read: int, written: int) -> float:
        return (read * self.prompt_price + written * self.completion_price) / MILLION


def _pause(state: RetryCallState) -> float:
    """As long as the server asks, else growing pauses with chance in them, so that many do not come back at once."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.after if isinstance(error, _AgainError) else None
    return min(LONGEST_PAUSE, asked) if asked is not None else wait_random_exponential(multiplier=0.5, max=LONGEST_PAUSE)(state)


def _asked_to_wait(header: str | None) -> float | None:
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:  # a date: the usual pause will do
        return None


@system("openai", "a model behind an OpenAI-compatible endpoint: openai url=http://localhost:8000/v1 model=name", generates=True)
def openai(
    parts: SystemParts,
    url: str,
    model: str,
    key: str = "",
    parallel: int = 4,
    prompt_price: float = 0.0,
    completion_price: float = 0.0,
    ceiling: float = 0.0,
) -> Endpoint:
    """`key`: the environment variable that holds one; prices per million tokens. Raises InputError for what cannot be an endpoint or a ceiling."""
    if not url.startswith(("http://", "https://")):
        raise InputError(f"system 'openai': url must begin with http:// or https://, not '{url}'.")
    if key and key not in os.environ:
        raise InputError(f"system 'openai': the environment variable {key}, which should hold the key, is not set.")
    if parallel < 1 or min(prompt_price, completion_price, ceiling) < 0:
        raise InputError("system 'openai': parallel must be at least 1, and prices and ceiling at least 0.")
    if ceiling and not (prompt_price or completion_price):
        raise InputError("system 'openai': a ceiling needs prompt_price or completion_price, or nothing counts towards it.")
    return Endpoint(parts, url, model, key, parallel, prompt_price, completion_price, ceiling)
