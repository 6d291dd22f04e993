"""Ask the arms of a finished run a question now, one after another: the weights, prompt and decoding that answered in the run.

live = open_live(read_material(find_run("runs/2026-01-31-manuals-1f2e3d4c5b6a")))
live.ask("rag", "How heavy is the Kova 30?", heard=print).answer.text

Only the run's folder and the weights are needed; the documents and study.yaml may have changed or gone since. On a CPU a
held-out question is answered as in the run; on a GPU, whose sums depend on what is computed beside, nearly always.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ragft import recipe
from ragft.arms import Composed
from ragft.context import Context
from ragft.domain import Domain
from ragft.domain.domain import Sealed
from ragft.errors import InputError, MissingError, RagftError, unknown
from ragft.exports import find_base
from ragft.generation import Generator
from ragft.material import Arm, Material
from ragft.models import Model, Use, find_model
from ragft.store import Artifact, read_artifact
from ragft.threads import wait_briefly
from ragft.tunedrows import stored_tensors
from ragft.types import Answer, Completion, Dtype, Prompt, Question

OWN = "asked"  # the id of a question that is not of the run
BYTES = {"float32": 4.0, "bfloat16": 2.0, "nf4": 0.6}  # a parameter; in 4 bits with its scales, and what stays in 16
Heard = Callable[[str], None]
_one_at_a_time = threading.Lock()  # adapters are put on the one model in memory


@dataclass(frozen=True, slots=True)
class Ready:
    """Whether an arm can be asked: `why_not` is "" where it can."""

    arm: str
    seed: int  # the lowest of its seeds that has weights
    why_not: str
    held_out_only: bool  # it is handed the gold passages, so that only questions of the run can be put to it


@dataclass(frozen=True, slots=True)
class Asked:
    """An answer, and what it took."""

    answer: Answer
    preparing_seconds: float  # the model, where it was not in memory yet, and the arm's adapter and index
    seconds: float  # from the question to the end of the answer: what a user would wait


@dataclass(frozen=True, slots=True)
class Size:
    """Of the base model."""

    parameters: int
    disk_bytes: int
    memory_bytes: int  # of its weights while answering; an answer takes some more


@dataclass(frozen=True)
class Live:
    """A run whose arms can be asked, as far as `ready` says."""

    m: Material
    context: Context | None  # None: the base model is not there
    ready: tuple[Ready, ...]

    @property
    def base(self) -> Model:
        """Raises MissingError where it is not there."""
        if self.context is None:
            raise MissingError(self.ready[0].why_not)
        return self.context.model

    def size(self) -> Size:
        """What loading the base model will take; reads only the heads of its files."""
        files = sorted(self.base.folder.rglob("*.safetensors"))
        parameters = sum(sum(stored_tensors(folder).values()) for folder in {file.parent for file in files})
        kind = self.m.study.base_dtype or _answering_dtype()
        return Size(parameters, sum(file.stat().st_size for file in files), int(BYTES[kind] * parameters))

    def question(self, text: str) -> Question:
        """The held-out question of these words, or one of one's own."""
        return Question(next((key for key, asked in self.m.questions.items() if asked == text), OWN), text)

    def ask(self, arm: str, text: str, heard: Heard | None = None) -> Asked:
        """Ask one arm. `heard` is called with the answer so far after each token; what it raises ends the answer.

        Waits while another question is answered. Raises InputError or MissingError for an arm that cannot be asked this.
        """
        chosen, question = next((one for one in self.ready if one.arm == arm), None), self.question(text)
        if chosen is None:
            raise unknown("arm", arm, [one.arm for one in self.ready])
        if chosen.why_not or self.context is None:
            raise MissingError(f"arm '{arm}': {chosen.why_not}")
        if chosen.held_out_only and question.id == OWN:
            raise InputError(f"arm '{arm}' is handed the gold passages, which only the run's own questions have.")
        with _one_at_a_time:
            began = time.perf_counter()
            composed = self._composed(self.context, chosen)
            if heard is not None:
                composed = replace(composed, generator=_Aloud(composed.generator, heard))
            ready = time.perf_counter()
            (batch,) = composed.prepare([question])
            (answer,) = composed.answer(batch)
            return Asked(answer, ready - began, time.perf_counter() - ready)

    def _composed(self, context: Context, chosen: Ready) -> Composed:
        from ragft.units import compose

        ran, built = self.m.arm(chosen.arm), self.m.arm(chosen.arm).built[chosen.seed]
        index, adapter = (_artifact(self.m, built, kind) for kind in ("index", "adapter"))
        return compose(context, self.m.study.arms[chosen.arm].model_copy(update={"retriever": ran.retriever, "k": ran.k}), index, adapter)


@dataclass(frozen=True)
class _Aloud:
    """A generator that is listened to."""

    generator: Generator
    heard: Heard

    def count_tokens(self, text: str) -> int:
        return self.generator.count_tokens(text)

    def length(self, prompt: Prompt) -> int:
        return self.generator.length(prompt)

    def complete(self, prompts: Sequence[Prompt]) -> list[Completion]:
        from ragft.serving import Served

        assert isinstance(self.generator, Served)
        return self.generator.complete(prompts, self.heard)


def open_live(m: Material) -> Live:
    """The run with what of it can be asked; what is missing is said, not raised. Nothing is loaded; GGUF weights are converted once."""
    wait_briefly()
    lacks, context = "", None
    try:
        model = find_base(m)
    except RagftError as error:
        lacks = str(error)
    else:
        missing, found = dict[str, str](), dict[str, Model]()
        for use in ("embedder", "reranker"):
            _find(m, use, found, missing)
        context = Context(m.study, _held_out(m), model, found.get("embedder"), m.run, found.get("reranker"))
    return Live(m, context, tuple(_ready(m, arm, lacks, {} if context is None else missing) for arm in m.arms))


def _answering_dtype() -> Dtype:
    """As weights.answering_dtype, without torch where there is no device file of a GPU."""
    if not any(Path("/dev").glob("nvidia[0-9]*")):
        return "float32"
    from ragft.weights import answering_dtype

    return answering_dtype()


def release() -> None:
    """Give up the model in memory, once no question is being answered."""
    from ragft.serving import release as give_up

    with _one_at_a_time:
        give_up()


def _held_out(m: Material) -> Domain:
    """What the run's folder holds of the domain: the held-out questions with their gold, and the language."""
    data = m.manifest["data"]
    sealed = Sealed(frozenset(), frozenset(), data["language"], bool(data["trains_tested_facts"]))
    questions = {key: Question(key, text) for key, text in m.questions.items()}
    return Domain(data["domain"], (), questions, {gold.id: gold for gold in m.golds}, data["sha256"], sealed=sealed)


def _find(m: Material, use: Use, found: dict[str, Model], missing: dict[str, str]) -> None:
    name, made_with = getattr(m.study, use), m.manifest.get(use)
    if not name:
        return
    try:
        model = find_model(name, use)
    except RagftError as error:
        missing[use] = str(error)
        return
    if made_with and made_with["sha256"] != model.sha256:
        missing[use] = f"{use} '{name}' is not the one that the run was made with. Put that one back, or run the study again."
    else:
        found[use] = model


def _ready(m: Material, arm: Arm, lacks: str, missing: dict[str, str]) -> Ready:
    seed = next((one for one in arm.seeds if one not in arm.failures), arm.seeds[0])
    return Ready(arm.name, seed, next(_reasons(m, arm, seed, lacks, missing), ""), arm.retriever == recipe.ORACLE)


def _reasons(m: Material, arm: Arm, seed: int, lacks: str, missing: dict[str, str]) -> Iterator[str]:
    """Why it cannot be asked."""
    if arm.system:
        yield "a system of its own, which is asked where it runs."
    if lacks:
        yield lacks
    if seed in arm.failures:
        yield f"it has no weights: {arm.failures[seed]}"
    for kind in ("index", "adapter"):
        try:
            _artifact(m, arm.built[seed], kind)
        except MissingError as error:
            yield f"its {kind} is not there. {error}"
    for need in recipe.needs(arm.retriever) if arm.retriever else ():
        if need in missing:
            yield missing[need]


def _artifact(m: Material, built: object, kind: str) -> Artifact | None:
    """What was built for a seed, None where its arm needs none of that kind. Raises MissingError where it is gone or changed."""
    found = built.get(kind) if isinstance(built, dict) else None
    return read_artifact(Path(m.run.folder) / found["folder"]) if found else None
