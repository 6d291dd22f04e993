"""How many passages should RAG show this model? Answers the dev questions with 1, 2, 3 … passages; test questions stay untouched.

    python pipelines/choose_k.py data/tarnbeck/study.yaml [--most 3] [--questions 44]

Two cores, about 2 minutes. Prints JSON: for each k how many answerable dev questions were answered right.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from ragft.privacy import keep_private
from ragft.scripting import job_parser, run_job
from ragft.threads import wait_briefly


def main(arguments: list[str] | None = None) -> int:
    parser = job_parser(__doc__)
    parser.add_argument("study")
    parser.add_argument("--most", type=int, default=3, help="the largest k to try")
    parser.add_argument("--questions", type=int, default=44, help="dev questions at most")
    given = parser.parse_args(arguments)
    keep_private()
    wait_briefly()
    return run_job("choose_k", lambda: choose(given.study, given.most, given.questions))


def choose(study_path: str, most: int, number: int) -> dict:
    """Right answers by k, with the study's own chunks, retriever and prompt."""
    from ragft.arms import Composed
    from ragft.build import IndexPlan, build_index, make_retriever, open_index, resolve_retriever
    from ragft.domain import load_domain
    from ragft.metrics.answer import match
    from ragft.models import find_model
    from ragft.serving import load_generator
    from ragft.settings import load_study

    study = load_study(study_path)
    domain, model = load_domain(study.domain), find_model(study.model, "generator")
    embedder = find_model(study.embedder, "embedder") if study.embedder else None
    asked = [(question, gold) for question, gold in domain.split("dev") if gold.answerable][:number]
    gold = {g.id: g for _, g in asked}
    generator = load_generator(model.folder, None, study.max_new_tokens)
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder)
        build_index(IndexPlan(domain, model, embedder, study.chunk_tokens, study.chunk_overlap, study.k, study.chunker), index)
        parts = open_index(index, "choose-k", embedder)
        retriever = make_retriever(resolve_retriever(study.arms[study.reference].retriever or "auto", index), parts)
    right = {}
    for k in range(1, most + 1):
        arm = Composed(generator, retriever, k, study.context_tokens * k, domain.language, study.batch_size)
        answers = [answer for batch in arm.prepare([question for question, _ in asked]) for answer in arm.answer(batch)]
        right[k] = sum(match(answer, gold[answer.question]) or 0.0 for answer in answers)
    return {"dev_questions": len(asked), "right_by_k": right}


if __name__ == "__main__":
    sys.exit(main())
