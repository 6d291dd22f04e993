"""Questions answered per second: ragft's arms against `transformers.generate` and LangChain's pipeline; float32 against int8.

    pip install -e ".[bench]"   # optional: without it there is no ratio_default
    python pipelines/bench_generation.py [--questions 48] [--repeat 3] [--score-questions 96] [--model smollm2-135m-instruct]

Two cores, about 12 minutes. Test questions of the bundled domain, each with the passage that BM25 finds (open_book, for
which the first four figures stand) and without (closed_book). All sides run in this process on the same weights, in
turns, so that a noisy machine is noisy for all; the figures are medians over the repeats, and `cpu_ratio_...` are the same
of processor seconds, which other programs on the machine disturb less. Prints JSON:

    ratio_best            ragft / transformers.generate at its best batch size, prompts sorted by length, left-padded
    ratio_default         ragft / LangChain's HuggingFacePipeline called per question (a part of the questions a repeat)
    identical_share       answers that are, letter for letter, those of transformers.generate one question at a time
    share_of_matrix_rate  useful products per second as a share of what float32 products of the model's layers reach
                          alone; useful: every token of prompts and answers once a question, whatever was really computed
    int8                  its speed against float32, answers that stay the same, and the score `match` with gold passages
    read_tokens           of all prompts of a pass: each alone, and as ragft reads them, what a batch shares once
    profile               with --profile: where the time of one pass goes, shares by kind of operation
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from ragft.privacy import keep_private
from ragft.scripting import job_parser, run_job
from ragft.threads import wait_briefly

ROOT = Path(__file__).parents[1]
CHUNK_TOKENS, CONTEXT_TOKENS, MAX_NEW_TOKENS = 80, 160, 32  # the quick study's
BATCH_SIZES = (8, 16, 32)  # of transformers.generate; the best is taken
OWN_BATCH_SIZES = (16, 32, 64)  # of ragft's, to see what they change
RATE_ROWS = 1024  # of the products whose rate is measured


def main(arguments: list[str] | None = None) -> int:
    parser = job_parser(__doc__)
    parser.add_argument("--questions", type=int, default=48)
    parser.add_argument("--score-questions", type=int, default=96)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--profile", action="store_true", help="also say where the time goes")
    given = parser.parse_args(arguments)
    keep_private()
    wait_briefly()
    return run_job("bench_generation", lambda: bench(given.model, given.questions, given.repeat, given.score_questions, given.profile))


@dataclass
class Sides:
    """What is compared, on the same weights."""

    folder: Path
    tokenizer: Any
    plain: Any  # the model as transformers loads it
    langchain: Any | None  # the pipeline over it


def bench(model_name: str, number: int, repeat: int, scored: int, profiled: bool = False) -> dict:
    """Everything that is printed."""
    import torch
    from transformers import AutoModelForCausalLM

    from ragft.domain import load_domain
    from ragft.models import find_model
    from ragft.settings import Study
    from ragft.weights import load_tokenizer

    torch.set_grad_enabled(False)
    folder, domain = find_model(model_name, "generator").folder, load_domain(ROOT / "data" / "tarnbeck")
    plain, tokenizer = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval(), load_tokenizer(folder)
    sides = Sides(folder, tokenizer, plain, langchain_pipeline(plain, tokenizer))
    batch_size = Study.model_fields["batch_size"].default
    found: dict[str, Any] = {"model": model_name, "questions": number, "repeats": repeat, "threads": torch.get_num_threads()}
    found |= {"batch_size": batch_size, "max_new_tokens": MAX_NEW_TOKENS}
    search = {"open_book": "bm25", "closed_book": None}
    questions = [question for question, _ in domain.limited(number).split("test")]
    arms = {kind: make_arm(domain, folder, name, batch_size) for kind, name in search.items()}
    kinds = {kind: compare(sides, arm, questions, repeat) for kind, arm in arms.items()}
    for kind, arm in arms.items() if profiled else ():
        kinds[kind]["profile"] = profile(lambda arm=arm: ask(arm, questions))
    first = ("ratio_best", "ratio_default", "identical_share", "share_of_matrix_rate")
    rounded = int8(domain, folder, batch_size, scored, repeat)
    return found | {key: kinds["open_book"][key] for key in first} | kinds | {"int8": rounded}


def make_arm(domain, folder: Path, retriever: str | None, batch_size: int, precision: str = "float32"):
    """An arm of the quick study, without its index folder."""
    from ragft.arms import Composed
    from ragft.build import make_retriever
    from ragft.chunking import chunk_documents
    from ragft.retrieval.base import RetrieverParts
    from ragft.serving import Served
    from ragft.weights import load_base

    generator = Served(load_base(folder), None, MAX_NEW_TOKENS, precision=precision)
    evidence = {gold.id: gold.evidence for gold in domain.gold.values()}
    found = None
    if retriever:
        chunks = chunk_documents(domain.documents, CHUNK_TOKENS, 0, generator.count_tokens)
        found = make_retriever(retriever, RetrieverParts(tuple(chunks)), evidence)
    return Composed(generator, found, 1, CONTEXT_TOKENS, domain.language, batch_size)


# ── the sides ────────────────────────────────────────────────────────────────────────────────────────────────────────


def ask(arm, questions: Sequence) -> dict[str, Any]:
    """ragft: question id -> answer. Search and the making of batches included."""
    return {answer.question: answer for batch in arm.prepare(questions) for answer in arm.answer(batch)}


def generate(sides: Sides, texts: Sequence[str], batch_size: int) -> list[str]:
    """transformers: rendered prompts sorted by length, longest first, left-padded; as its documentation shows it."""
    tokenizer, made = sides.tokenizer, [""] * len(texts)
    order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
    for first in range(0, len(texts), batch_size):
        chosen = order[first : first + batch_size]
        inputs = tokenizer([texts[i] for i in chosen], return_tensors="pt", padding=True, padding_side="left", add_special_tokens=False)
        output = sides.plain.generate(**inputs, do_sample=False, max_new_tokens=MAX_NEW_TOKENS, pad_token_id=tokenizer.pad_token_id)
        for i, row in zip(chosen, output[:, inputs["input_ids"].shape[1] :], strict=True):
            made[i] = tokenizer.decode(row, skip_special_tokens=True).strip()
    return made


def langchain_pipeline(model, tokenizer):
    """LangChain's HuggingFacePipeline over the same model, or None, with a line that says so."""
    from transformers import pipeline

    options = {"max_new_tokens": MAX_NEW_TOKENS, "do_sample": False, "return_full_text": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it will move to another package
        try:
            from langchain_community.llms import HuggingFacePipeline
        except ImportError:
            print('no ratio_default: pip install -e ".[bench]"', file=sys.stderr)
            return None
        warnings.simplefilter("ignore")  # importing it turned its own warnings on again
        return HuggingFacePipeline(pipeline=pipeline("text-generation", model=model, tokenizer=tokenizer, **options))


def compare(sides: Sides, arm, questions: Sequence, repeat: int) -> dict[str, Any]:
    """All sides on one kind of prompts."""
    prompts = {question.id: text for batch in arm.prepare(questions) for question, text in zip(batch.questions, rendered(sides, batch), strict=True)}
    texts = [prompts[question.id] for question in questions]
    ask(arm, questions[:2]), generate(sides, texts[:2], 1)  # warm up
    alone = generate(sides, texts, 1)
    sizes = [size for size in BATCH_SIZES if size == BATCH_SIZES[0] or size < 2 * len(texts)]
    by_size = {size: timed(lambda size=size: generate(sides, texts, size)).seconds for size in sizes}
    best = min(by_size, key=by_size.__getitem__)
    runs: dict[str, list[Timed]] = {"ragft": [], "transformers": [], "langchain": []}
    rates: list[Rate] = []
    parts = [texts[turn::repeat] for turn in range(repeat)]
    for part in parts:
        runs["ragft"].append(timed(lambda: ask(arm, questions)))
        runs["transformers"].append(timed(lambda: generate(sides, texts, best)))
        if sides.langchain is not None:
            runs["langchain"].append(timed(lambda part=part: [sides.langchain.invoke(text) for text in part]))
        rates.append(matrix_rate(sides.plain))
    own = {size: timed(lambda size=size: ask(replace(arm, batch_size=size), questions)).cpu for size in OWN_BATCH_SIZES}
    answers = runs["ragft"][-1].done
    seconds = {name: [run.seconds / len(run.done) for run in found] for name, found in runs.items()}  # a question
    cpu = {name: [run.cpu / len(run.done) for run in found] for name, found in runs.items()}
    typical = {name: median(values) if values else None for name, values in seconds.items()}
    usage = [answers[question.id].usage for question in questions]
    useful = useful_flops(sides.plain, sum(u.prompt_tokens for u in usage), sum(u.completion_tokens for u in usage))
    busy = {name: median(values) if values else None for name, values in cpu.items()}
    return {
        "ratio_best": typical["transformers"] / typical["ragft"],
        "ratio_default": typical["langchain"] / typical["ragft"] if typical["langchain"] else None,
        "identical_share": sum(answers[q.id].text == text for q, text in zip(questions, alone, strict=True)) / len(questions),
        "share_of_matrix_rate": useful / (typical["ragft"] * len(questions)) / median(rate.a_second for rate in rates),
        "cpu_share_of_matrix_rate": useful / (busy["ragft"] * len(questions)) / median(rate.a_cpu_second for rate in rates),
        "matrix_gflops": [rate.a_second / 1e9 for rate in rates],
        "questions_per_second": {name: 1 / value if value else None for name, value in typical.items()},
        "best_batch_size": best,
        "seconds_by_batch_size": by_size,
        "cpu_seconds_by_own_batch_size": own,
        "read_tokens": read_tokens(sides, arm, questions),
        "prompt_tokens": sum(u.prompt_tokens for u in usage) / len(usage),
        "answer_tokens": sum(u.completion_tokens for u in usage) / len(usage),
        "seconds_a_question": seconds,
        "cpu_ratio_best": busy["transformers"] / busy["ragft"],
        "cpu_ratio_default": busy["langchain"] / busy["ragft"] if busy["langchain"] else None,
        "cpu_seconds_a_question": cpu,
    }


def read_tokens(sides: Sides, arm, questions: Sequence) -> dict[str, int]:
    """Prompt tokens of one pass: each prompt alone, and with what the prompts of a batch begin with alike once."""
    from ragft.generation.tree import make_tree
    from ragft.weights import encode

    rows = [[encode(sides.tokenizer, text) for text in rendered(sides, batch)] for batch in arm.prepare(questions)]
    read = sum(len(segment.tokens) for batch in rows for segment in make_tree(batch).segments)
    return {"alone": sum(len(row) for batch in rows for row in batch), "read": read}


def rendered(sides: Sides, batch) -> list[str]:
    """The batch's prompts as the model gets them."""
    from ragft.prompts import render

    return [render(prompt, sides.tokenizer) for prompt in batch.prompts]


@dataclass(frozen=True)
class Timed:
    """What some work gave, and what it took; waiting threads sleep, so that `cpu` counts work and not other programs."""

    done: Any
    seconds: float
    cpu: float


def timed(work: Callable[[], Any]) -> Timed:
    began, cpu = time.perf_counter(), time.process_time()
    done = work()
    return Timed(done, time.perf_counter() - began, time.process_time() - cpu)


KINDS = {"products": ("addmm", "aten::mm", "bmm", "mkldnn", "linear"), "attention": ("attention",)}  # parts of operations' names


def profile(work: Callable[[], Any]) -> dict[str, float]:
    """Shares of the time that operations take themselves (torch.profiler), by kind: products, attention, and the rest."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as record

    with record(activities=[ProfilerActivity.CPU]) as found:
        work()
    shares, total = dict.fromkeys([*KINDS, "rest"], 0.0), 0.0
    for row in found.key_averages():
        kind = next((kind for kind, parts in KINDS.items() if any(part in row.key for part in parts)), "rest")
        shares[kind] += row.self_cpu_time_total
        total += row.self_cpu_time_total
    return {kind: value / total for kind, value in shares.items()}


# ── products ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def layers_and_head(model) -> tuple[list, Any]:
    """The weights of all layers, and of the projection on the vocabulary."""
    from ragft.products import linear_layers, weight_of

    head = model.get_output_embeddings()
    return [weight_of(layer) for layer in linear_layers(model) if layer is not head], weight_of(head)


def useful_flops(model, prompt_tokens: int, answer_tokens: int) -> float:
    """Every token goes once through the layers, every token of an answer came once out of the vocabulary. Attention is not counted."""
    layers, head = layers_and_head(model)
    return 2.0 * sum(w.numel() for w in layers) * (prompt_tokens + answer_tokens) + 2.0 * head.numel() * answer_tokens


@dataclass(frozen=True)
class Rate:
    """Float32 operations."""

    a_second: float
    a_cpu_second: float


def matrix_rate(model) -> Rate:
    """How fast products with the layers' weights are, by torch's own way or by oneDNN, whichever is faster."""
    import torch
    from torch.nn.functional import linear

    from ragft.products import product

    layers, _ = layers_and_head(model)
    inputs = {w.shape[1]: torch.randn(RATE_ROWS, w.shape[1]) for w in layers}

    def through(way: Callable) -> list[float]:
        """Once through all layers; the operations of each."""
        for weight in layers:
            way(inputs[weight.shape[1]], weight, None)
        return [2.0 * RATE_ROWS * weight.numel() for weight in layers]

    runs = [timed(lambda way=way: through(way)) for way in (linear, product)]
    rates = [Rate(sum(run.done) / run.seconds, sum(run.done) / run.cpu) for run in runs]
    return max(rates, key=lambda rate: rate.a_cpu_second)


# ── int8 ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def int8(domain, folder: Path, batch_size: int, number: int, repeat: int) -> dict[str, Any]:
    """Speed and score of int8 beside float32, on test questions with their gold passages; the interval is clustered by document."""
    import numpy as np

    from ragft.metrics.answer import match
    from ragft.stats import clustered_mean

    asked = [(question, gold) for question, gold in domain.limited(number).split("test") if gold.evidence]
    questions = [question for question, _ in asked]
    arms = {precision: make_arm(domain, folder, "oracle", batch_size, precision) for precision in ("float32", "int8")}
    seconds: dict[str, list[float]] = {precision: [] for precision in arms}
    cpu: dict[str, list[float]] = {precision: [] for precision in arms}
    answers: dict[str, dict[str, Any]] = {}
    for _ in range(repeat):
        for precision, arm in arms.items():
            ask(arm, questions[:1])  # puts its weights in place
            run = timed(lambda arm=arm: ask(arm, questions))
            answers[precision] = run.done
            seconds[precision].append(run.seconds)
            cpu[precision].append(run.cpu)
    scores = {precision: np.array([match(found[gold.id], gold) for _, gold in asked]) for precision, found in answers.items()}
    difference = clustered_mean(scores["int8"] - scores["float32"], [gold.document for _, gold in asked])
    low, high = difference.bounds(0.025)
    same = [answers["int8"][q.id].text == answers["float32"][q.id].text for q in questions]
    return {
        "questions": len(questions),
        "ratio_to_float32": median(seconds["float32"]) / median(seconds["int8"]),
        "cpu_ratio_to_float32": median(cpu["float32"]) / median(cpu["int8"]),
        "identical_share": sum(same) / len(same),
        **{f"match_{precision}": float(found.mean()) for precision, found in scores.items()},
        "match_difference": {"mean": difference.mean, "low": low, "high": high},
        "seconds": seconds,
    }


if __name__ == "__main__":
    sys.exit(main())
