"""Questions answered per second: ragft's batches against one-at-a-time `transformers` generation, same prompts, same weights.

    python pipelines/bench_generation.py [--questions 32] [--model smollm2-135m-instruct]

Two cores, about 3 minutes. Prints JSON: questions/s of both sides for closed-book and open-book prompts, their ratio,
and the share of answers that are the same letter for letter. Both sides are warmed up and run in the same process,
alternating, so that a noisy machine is noisy for both.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ragft.privacy import keep_private
from ragft.threads import wait_quietly

ROOT = Path(__file__).parents[1]
BATCH_SIZE = 16
MAX_NEW_TOKENS = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=32)
    parser.add_argument("--model", default="smollm2-135m-instruct")
    arguments = parser.parse_args()
    keep_private()
    wait_quietly()
    print(json.dumps(bench(arguments.model, arguments.questions), indent=1))


def bench(model_name: str, number: int) -> dict:
    """Both sides on both kinds of prompts."""
    from ragft.generation.hf import load_generator
    from ragft.models import find_model
    from ragft.weights import load_model, load_tokenizer

    folder = find_model(model_name, "generator").folder
    ours = load_generator(folder, None, MAX_NEW_TOKENS)
    model, tokenizer = load_model(folder), load_tokenizer(folder)
    found: dict = {"model": model_name, "questions": number, "batch_size": BATCH_SIZE, "max_new_tokens": MAX_NEW_TOKENS}
    for kind, prompts in make_prompts(number).items():
        in_batches = batched(ours, prompts)
        one_by_one = plain(model, tokenizer, prompts)
        in_batches(2), one_by_one(2)  # warm up
        seconds_ours, answers_ours = timed(in_batches, number)
        seconds_plain, answers_plain = timed(one_by_one, number)
        found[kind] = {
            "questions_per_second": number / seconds_ours,
            "one_at_a_time_per_second": number / seconds_plain,
            "ratio": seconds_plain / seconds_ours,
            "identical_share": sum(a == b for a, b in zip(answers_ours, answers_plain, strict=True)) / number,
        }
    return found


def make_prompts(number: int) -> dict[str, list]:
    """Test questions of the bundled domain, without passages and with about 280 tokens of its documents."""
    from ragft.domain import load_domain
    from ragft.prompts import closed_book, open_book
    from ragft.types import Chunk, Span

    domain = load_domain(ROOT / "data" / "tarnbeck")
    pages = [Chunk(d.id, Span(d.id, 0, 1200), d.text[:1200], d.title) for d in domain.documents]
    asked = [question.text for question, _ in domain.split("test")][:number]
    return {
        "closed_book": [closed_book(text, "en") for text in asked],
        "open_book": [open_book(text, [pages[i % len(pages)]], "en") for i, text in enumerate(asked)],
    }


def batched(generator, prompts: Sequence) -> Callable[[int], list[str]]:
    """ragft: sorted by length, in batches."""

    def answer(number: int) -> list[str]:
        order = sorted(range(number), key=lambda i: -generator.length(prompts[i]))
        texts = [""] * number
        for first in range(0, number, BATCH_SIZE):
            chosen = order[first : first + BATCH_SIZE]
            for i, completion in zip(chosen, generator.complete([prompts[i] for i in chosen]), strict=True):
                texts[i] = completion.text
        return texts

    return answer


def plain(model, tokenizer, prompts: Sequence) -> Callable[[int], list[str]]:
    """transformers as its documentation shows it: one prompt, generate, decode."""
    from ragft.prompts import render

    def answer(number: int) -> list[str]:
        texts = []
        for prompt in prompts[:number]:
            inputs = tokenizer(render(prompt, tokenizer), return_tensors="pt", add_special_tokens=False)
            output = model.generate(**inputs, do_sample=False, max_new_tokens=MAX_NEW_TOKENS)
            texts.append(tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True).strip())
        return texts

    return answer


def timed(answer: Callable[[int], list[str]], number: int) -> tuple[float, list[str]]:
    began = time.perf_counter()
    texts = answer(number)
    return time.perf_counter() - began, texts


if __name__ == "__main__":
    main()
