"""Writers: what writes questions, and answers them to have them checked.

    writer = make_writer("mycompany.models:large")          # any LangChain chat model or Runnable
    writer = make_writer("local:smollm2-135m-instruct")     # a local model, such as the study's own

A LangChain model's own settings say how it samples and how long it may write. What fails is tried again with growing pauses; what
still fails is a failed reply, which is counted and never made up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any, Protocol

from tenacity import Retrying, stop_after_attempt, wait_random_exponential

from ragft.errors import InputError
from ragft.models import Model, find_model
from ragft.runnables import as_runnable, imported, said, text_of
from ragft.store import read_json
from ragft.systems.endpoint import LONGEST_PAUSE
from ragft.types import Prompt

# A chat model's client tries again by itself, most often twice: together as often as an endpoint of ragft.systems is tried
ATTEMPTS = 3
PARALLEL = 4
# Of a local model: room for three questions with their quotes, and before them for four passages; prompts that it reads at once
MAX_NEW_TOKENS, LEAST_WINDOW, ROWS = 512, 2048, 4


@dataclass(frozen=True, slots=True)
class Failed:
    """Why there is no reply."""

    why: str


class Writer(Protocol):
    """Replies to prompts. `about` says which writer it is: replies of two that differ in it are never mixed."""

    @property
    def about(self) -> str: ...

    @property
    def local(self) -> bool:
        """Whether what it reads stays in this process."""
        ...

    def replies(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, str | Failed]]:
        """The place of a prompt and the reply to it, as they come; each place once."""
        ...


def make_writer(name: str) -> Writer:
    """`local:MODEL`, or `module:attribute`, a LangChain chat model or Runnable.

    Raises InputError or MissingError when it cannot be had; nothing is sent to it yet.
    """
    kind, _, rest = name.partition(":")
    if not kind or not rest:
        raise InputError(f"writer '{name}': not known. Give local:MODEL, or module:attribute, which names a LangChain chat model or Runnable.")
    return LocalWriter(find_model(rest, "generator")) if kind == "local" else ChatWriter(imported("writer", name), name)


class ChatWriter:
    """A LangChain chat model or Runnable that is given messages, PARALLEL at a time. Raises InputError when it is no Runnable."""

    local = False

    def __init__(self, model: Any, name: str):
        self._model = as_runnable("writer", model, name)
        self.about = name

    def replies(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, str | Failed]]:
        with ThreadPoolExecutor(PARALLEL) as pool:
            places = {pool.submit(self._one, prompt): place for place, prompt in enumerate(prompts)}
            for done in as_completed(places):
                yield places[done], done.result()

    def _one(self, prompt: Prompt) -> str | Failed:
        from langchain_core.messages import HumanMessage, SystemMessage

        messages = [SystemMessage(prompt.system), HumanMessage(prompt.user)]
        retrying = Retrying(stop=stop_after_attempt(ATTEMPTS), wait=wait_random_exponential(multiplier=0.5, max=LONGEST_PAUSE), reraise=True)
        try:
            reply = retrying(self._model.invoke, messages)
        except Exception as error:  # what a user's own model raises nobody knows: it is a failed reply, counted and named
            return Failed(said(error))
        text = text_of(reply)
        return Failed(f"replied with a {type(reply).__name__}, not with text") if text is None else text


class LocalWriter:
    """A local model as it came, greedy; loaded with the first prompt. Raises InputError when it reads too little at once."""

    local = True

    def __init__(self, model: Model):
        config = read_json(model.folder / "config.json")
        window = config.get("max_position_embeddings", config.get("n_positions", LEAST_WINDOW))  # not every model says
        if window < LEAST_WINDOW:
            raise InputError(f"writer 'local:{model.name}': reads {window} tokens at once, and needs {LEAST_WINDOW}. Choose another.")
        self._model = model
        self.about = f"local {model.name} {model.sha256[:12]}"

    def replies(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, str | Failed]]:
        from ragft.serving import Served
        from ragft.weights import load_base

        model = Served(load_base(self._model.folder), None, MAX_NEW_TOKENS)
        for first in range(0, len(prompts), ROWS):
            for place, made in enumerate(model.complete(prompts[first : first + ROWS]), start=first):
                # without its middle, a passage would be judged by what is left of it
                yield place, Failed("its prompt is longer than the model's window") if made.prompt_cut else made.text
