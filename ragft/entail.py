"""Whether an answer follows from its passages, by an NLI model: groundedness beyond the words, where somebody asks for it.

    entail_run(run, find_model("cross-encoder/nli-deberta-v3-small", "nli"))     # then score_run(run)

    runs/<run>/arms/<arm>/seed-<n>/entailment.json

A passage is the premise; question and answer together are the hypothesis, because an answer of two words states nothing. An answer
counts with its best passage. A model judges here, and it errs: it is a column to read beside the others, and no verdict rests on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ragft.errors import InputError
from ragft.models import Model
from ragft.progress import Silent, Watcher
from ragft.prompts import passage
from ragft.scoring import ENTAILMENT, finished
from ragft.store import Run, file_sha256, read_json, read_jsonl_as, write_json
from ragft.types import Answer, Question

PAIRS = 32  # read together
BLOCK = 8 * PAIRS  # pairs after which it is said how far it is
Entails = Callable[[Sequence[tuple[str, str]]], np.ndarray]


class NliModel:
    """(premise, hypothesis) -> the probability that the one entails the other, by a sentence-transformers cross-encoder.

    Raises InputError where none of the model's labels is called entailment.
    """

    def __init__(self, folder: Path):
        from sentence_transformers import CrossEncoder

        self._model = CrossEncoder(str(folder), trust_remote_code=False, model_kwargs={"use_safetensors": True})
        labels = {str(name).casefold(): int(number) for number, name in self._model.config.id2label.items()}
        if "entailment" not in labels or len(labels) < 2:
            raise InputError(f"{folder.name}: its labels are {', '.join(labels)}, and one must be entailment. Give an NLI model.")
        self._label = labels["entailment"]

    def __call__(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        found = self._model.predict(list(pairs), batch_size=PAIRS, show_progress_bar=False, convert_to_numpy=True, apply_softmax=True)
        return np.asarray(found, dtype=float)[:, self._label]


def entail_run(run: Run, model: Model, watcher: Watcher | None = None) -> None:
    """Judge every answer that was shown passages and says something; what is judged by the same model already is not judged again."""
    judge: Entails | None = None
    questions = {question.id: question.text for question in read_jsonl_as(Question, run.folder / "questions.jsonl")}
    arms = finished(run)
    for number, (name, seed) in enumerate(arms, start=1):
        folder = run.seed_folder(name, seed)
        key = {"model": model.sha256, "answers": file_sha256(folder / "answers.jsonl")}
        if _known(folder / ENTAILMENT, key):
            continue
        with (watcher or Silent()).unit(f"entailment {name} seed {seed}", number, len(arms)) as progress:
            judge = judge or NliModel(model.folder)
            asked = [answer for answer in read_jsonl_as(Answer, folder / "answers.jsonl") if answer.hits and answer.outcome in ("ok", "truncated")]
            pairs = [(passage(hit.chunk), f"{questions[answer.question]} {answer.text}") for answer in asked for hit in answer.hits or ()]
            scores = np.zeros(len(pairs))
            for first in range(0, len(pairs), BLOCK):
                scores[first : first + BLOCK] = judge(pairs[first : first + BLOCK])
                progress(min(first + BLOCK, len(pairs)), len(pairs))
            ends = np.cumsum([0, *(len(answer.hits or ()) for answer in asked)])
            values = {answer.question: float(scores[start:end].max()) for answer, (start, end) in zip(asked, pairwise(ends), strict=True)}
            write_json(folder / ENTAILMENT, {**key, "name": model.name, "values": values})


def _known(path: Path, key: dict[str, Any]) -> bool:
    return path.is_file() and {name: read_json(path).get(name) for name in key} == key
