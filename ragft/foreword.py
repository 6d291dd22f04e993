"""What is said before a study runs: what it asks, what that many questions can show, and what is weak about it."""

from __future__ import annotations

from collections.abc import Sequence

from ragft import cautions, registry
from ragft.context import Context, searched_adapters, seeds_of, trial_tokens
from ragft.numbers import points
from ragft.plan import planned_design
from ragft.planning import Design, expected
from ragft.settings import Study


def foreword(context: Context) -> str:
    """What is about to run, and what so many questions can be expected to show."""
    study, documents = context.study, [gold.document for _, gold in context.domain.split("test")]
    tuned = [name for name, arm in study.arms.items() if arm.tuning]
    seeds = f", {len(study.seeds)} seed{'s' * (len(study.seeds) != 1)} a tuned arm" if tuned else ""
    head = f"{study.name}: {len(study.arms)} arm{'s' * (len(study.arms) != 1)} ({', '.join(study.arms)}){seeds}; {_of(documents)}."
    candidates = [name for name, arm in study.arms.items() if arm.candidate]
    rivals = [name for name in tuned if name in candidates]
    counts = {name: len(seeds_of(study, study.arms[name])) for name in tuned if not registry.is_control(study.arms[name].format)}
    strata = cautions.about_strata([gold.stratum for _, gold in context.domain.split("test")], bool(tuned))
    minds = [*cautions.about_documents(documents), *strata, *cautions.about_seeds(counts, len(study.seeds) > 1), *cautions.about_arms(rivals)]
    return "\n".join([head, *_searching(context), _expectation(study, planned_design(context)), *minds])


def _searching(context: Context) -> list[str]:
    """The budget with which settings are chosen, where the study has one."""
    budget, kinds = context.study.search, len(searched_adapters(context))
    if budget is None:
        return []
    dev = len(context.domain.sample("dev", budget.dev_questions))
    tuned = f", then as many for {'each of ' if kinds > 1 else ''}{kinds} kind{'s' * (kinds != 1)} of adapter" if kinds else ""
    tokens = f" ({trial_tokens(context.study):,} training tokens a trial)" if kinds else ""
    return [f"First, settings are chosen on {dev} dev questions only: {budget.trials} trials for retrieval{tuned}{tokens}."]


def _of(documents: Sequence[str]) -> str:
    """ "72 test questions from 30 documents"."""
    number = len(set(documents))
    return f"{len(documents)} test question{'s' * (len(documents) != 1)} from {number} document{'s' * (number != 1)}"


def _expectation(study: Study, planned: Design) -> str:
    """The gain that can be shown and the difference that can be ruled out, with 80 % power."""
    if not planned.challengers:
        return f"No arm is compared with {study.reference}."
    found = expected(planned)
    if found.gain is None:
        return f"Expect no gain over {study.reference} to be shown, however large: there are too few questions, documents or seeds."
    margin = points(study.margin)
    gain = f"Expect to show a true gain of about {points(round(found.gain, 2))} or more over {study.reference} (the margin of {margin} included)"
    if found.equivalence is None:
        equal = "equal arms cannot be proven equal within any margin"
    else:
        reach = "" if found.equivalence <= study.margin else f", not within {margin}"
        equal = f"equal arms can be proven equal within about {points(round(found.equivalence, 2))}{reach}"
    return f"{gain}; {equal}. Both with 80 % probability, if two arms differ on one question in five; promise nothing smaller."
