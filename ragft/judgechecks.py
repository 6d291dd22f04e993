"""Whether human labels undo a judge that flatters an arm: `judge_check(setup, advance)`; `validate.CHECKS` lists it."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from ragft.agreement import corrected, sample_questions
from ragft.progress import Advance
from ragft.stats import clustered_mean
from ragft.validation import Cell, Finding, Setup, at_most, judged

DOCUMENTS, EACH, LABELLED = 100, 30, 300
FALSE_POSITIVE, FALSE_NEGATIVE, ALPHA = (0.10, 0.04), 0.05, 0.025
BLOCK = 50  # worlds of a job


def judge_check(setup: Setup, advance: Advance) -> tuple[Finding, ...]:
    """Two equally good arms of which a judge flatters one: how often is that one called better, before and after the correction?"""
    worlds = setup.worlds // 2 if setup.quick else setup.worlds
    jobs = [(setup.seed, first, min(BLOCK, worlds - first)) for first in range(0, worlds, BLOCK)]
    alone, mended = np.sum(setup.each(_block, jobs, advance), axis=0) / worlds
    most = at_most(ALPHA, worlds)
    errs = f"{100 * FALSE_POSITIVE[0]:g} % against {100 * FALSE_POSITIVE[1]:g} %"
    questions = {"judge": f"calls wrong answers right in {errs}", "documents": str(DOCUMENTS), "questions": str(DOCUMENTS * EACH)}
    return (
        judged(
            "judge-alone",
            "A judge that flatters an arm misleads, or there would be nothing to correct",
            f"more than {100 * most:.1f} %",
            "flattered arm called better",
            [Cell(questions, worlds, float(alone), least=most)],
        ),
        judged(
            "judge-corrected",
            "Corrected by labels, the same judge is back at alpha",
            f"at most {100 * ALPHA:g} % and 3.5 Monte-Carlo standard errors, {100 * most:.1f} %",
            "flattered arm called better",
            [Cell({**questions, "labelled": str(LABELLED)}, worlds, float(mended), most=most)],
        ),
    )


def _block(job: tuple[int, int, int]) -> tuple[int, int]:
    seed, first, number = job
    found = [_flattered(np.random.default_rng([seed, world])) for world in range(first, first + number)]
    return sum(alone for alone, _ in found), sum(mended for _, mended in found)


def _flattered(rng: np.random.Generator) -> tuple[bool, bool]:
    """Whether the flattered of two equal arms is called better by the judge alone, and when corrected."""
    member = np.repeat(np.arange(DOCUMENTS), EACH)
    names = [str(document) for document in member]
    shared = rng.normal(0, 0.7, DOCUMENTS)[member] + rng.normal(0, 2.0, len(member))  # logits
    truth, judge = [], []
    for false_positive in FALSE_POSITIVE:
        own = shared + rng.normal(0, 0.5, DOCUMENTS)[member]
        right = rng.random(len(member)) < expit(own)
        errs = rng.random(len(member)) < np.where(right, FALSE_NEGATIVE, false_positive)
        truth.append(right.astype(float))
        judge.append((right != errs).astype(float))
    labels = np.full(len(member), np.nan)
    chosen = sample_questions(names, LABELLED, int(rng.integers(2**31)))
    labels[chosen] = (truth[0] - truth[1])[chosen]
    difference = judge[0] - judge[1]
    lows = [found.bounds(ALPHA)[0] for found in (clustered_mean(difference, names), corrected(difference, labels, names).estimate)]
    return lows[0] is not None and lows[0] > 0, lows[1] is not None and lows[1] > 0
