"""What a reader must know before trusting the numbers of a comparison: one sentence for each weakness of the question set or the seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from ragft.scoretable import ScoreTable
from ragft.stats import SeedVariance

FEW_DOCUMENTS = 10  # below this the intervals' error rate is not the stated one: docs/statistics.md
MIN_SEEDS = 3  # with two, one degree of freedom: the critical t is in the tens
MOST_CONFIRMED = 4  # tuned arms; each further one widens all intervals


def cautions(table: ScoreTable, reference: str, seeds: Mapping[str, SeedVariance]) -> list[str]:
    """The sentences; `seeds` are what is known of each tuned arm's seed variance."""
    tuned = {arm.name: len(arm.scores) for arm in table.arms if arm.tuning and not arm.control}
    known = any(variance.df for variance in seeds.values())
    rivals = [arm.name for arm in table.arms if arm.tuning and arm.deployable and arm.name != reference]
    strata = about_strata(table.strata, bool(tuned))
    return [*about_documents(table.documents), *strata, *about_seeds(tuned, known), *about_arms(rivals), *_about_missing(table)]


def about_seeds(tuned: Mapping[str, int], known: bool) -> list[str]:
    """Of tuned arms with their numbers of seeds; `known`: whether any seed variance is."""
    if not tuned:
        return []
    if not known:
        return [
            "No tuned arm has two scored seeds, so how much training runs differ is unknown and no tuned arm can be adopted. "
            f"Train with at least {MIN_SEEDS} seeds."
        ]
    enough = max(MIN_SEEDS, max(tuned.values()))
    short = ", ".join(f"{name} {count}" for name, count in tuned.items() if count < enough)
    if min(tuned.values()) < MIN_SEEDS:
        return [
            f"Some tuned arms have fewer than {enough} seeds ({short}): how much their training runs differ is hardly known, "
            f"and their intervals are very wide. Train with at least {MIN_SEEDS} seeds."
        ]
    return [f"Some tuned arms have fewer than {enough} seeds ({short}); their comparisons are less certain."] if short else []


def about_arms(rivals: Sequence[str]) -> list[str]:
    """Of the tuned arms that are compared with the reference."""
    if len(rivals) <= MOST_CONFIRMED:
        return []
    return [
        f"{len(rivals)} tuned arms are compared at once ({', '.join(rivals)}), and each widens the intervals of all. "
        f"Choose the method on dev questions first, and compare at most {MOST_CONFIRMED}."
    ]


def about_strata(strata: Sequence[str], tuned: bool) -> list[str]:
    """Of the stratum of each test question: where most are about documents that training never asks about, facts cannot have been learned."""
    answerable = [stratum for stratum in strata if stratum not in ("", "unanswerable")]
    unseen = answerable.count("untrained-document")
    if not tuned or 2 * unseen <= len(answerable):
        return []
    return [
        f"{unseen} of {len(answerable)} answerable test questions are about documents that no training question asks about: tuning on questions "
        "cannot teach their answers, only how to answer. To test it for knowledge, ask about the same facts in several wordings."
    ]


def about_documents(documents: Sequence[str]) -> list[str]:
    """Of the document of each test question."""
    sizes = Counter(documents)
    largest, most = sizes.most_common(1)[0]
    if len(sizes) < FEW_DOCUMENTS:
        carry = "document carries" if len(sizes) == 1 else "documents carry"
        return [f"Only {len(sizes)} {carry} the test questions: intervals are wide and rough. Ask about more documents."]
    if most > len(documents) / 3:
        return [f"{largest} carries {most} of the {len(documents)} test questions, so the result is mostly about that document."]
    return []


def _about_missing(table: ScoreTable) -> list[str]:
    sentences = []
    unasked = int((~table.applicable).sum())
    if unasked:
        sentences.append(f"{unasked} of the {len(table.questions)} test questions have no score in any arm; the results rest on the others.")
    for arm in table.arms:
        failed = np.isnan(arm.scores[:, table.applicable])
        if not arm.scored.any():
            sentences.append(f"{arm.name}: no question has a score under every seed, so this arm is left out of all tables and differences.")
        elif failed.any():
            share = 100 * failed.mean()
            sentences.append(f"{arm.name}: {share:.1f} % of its answers failed and are not scored; differences rest on the other questions.")
    return sentences
