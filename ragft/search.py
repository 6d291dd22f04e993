"""What a study leaves open is chosen on dev questions before any test question is asked: retrieval first, then each adapter.

    settled = search(context, watcher)

Every search has the same number of trials. Retrieval (chunk size, retriever, k) is searched once for all arms, so that
`rag+lora` keeps *the* index of `rag`; then the learning rate of each kind of adapter, with that retrieval. What a study
states on an arm is not searched. The search is handed a domain without test questions: it cannot ask one.

    RUN/search/trials.db   every trial as it ends (Optuna, SQLite); a search that was killed goes on from it
    RUN/search.json        all trials and what was chosen: with it, nothing is run again
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING, Any

from ragft import registry
from ragft.build import AUTO, recall_of, resolve_retriever
from ragft.context import (
    Context,
    adapter_name,
    adapter_plan,
    index_plan,
    learning_rate,
    opened,
    searched_adapters,
    searched_as,
    seeds_of,
    trial_tokens,
)
from ragft.errors import InputError
from ragft.finetune import DEV_EXAMPLES, build_adapter
from ragft.progress import Advance, Watcher
from ragft.rehearsal import rehearse_indexed
from ragft.searched import RETRIEVAL, Searched, SearchResult, read_searched, searched_path
from ragft.settings import ArmSettings, Search
from ragft.store import Artifact, fingerprint, write_json
from ragft.units import compose, index_artifact, training_dtype

if TYPE_CHECKING:
    from optuna.trial import Trial

    from ragft.trials import Settings, Task

MOST_PASSAGES = 4  # tried for k: more rarely fit the context budget
RATE_FACTOR = 3.0  # the second and third learning rate tried, around the method's own
RATE_REACH = 10.0  # how far from the method's own the sampler may go
PRUNE_P = 0.05  # of the paired test by which a retrieval trial is ended
PRUNE_QUESTIONS = 12  # answered before any trial is ended by it


def search(context: Context, watcher: Watcher) -> Context:
    """The context with every open setting chosen. Runs the trials that are missing; without `search` in the study, none."""
    if context.study.search is None:
        return context
    inputs, found = _inputs(context), read_searched(context.run)
    if found is None or found.inputs != inputs:
        found = Searched(tuple(_run_all(replace(context, domain=context.domain.without_test()), context.study.search, inputs, watcher)), inputs)
        write_json(searched_path(context.run), found)
    settled = settle(context, found.results)
    for tokens in set(_chunk_sizes(context)) - {settled.study.chunk_tokens}:
        context.run.discard("index", fingerprint(index_plan(_with_chunks(context, tokens)).key()))
    return settled


def is_settled(context: Context) -> bool:
    """Whether `search` has nothing to try: all trials of the study as it is now are stored, or it searches nothing."""
    if context.study.search is None:
        return True
    found = read_searched(context.run)
    return found is not None and found.inputs == _inputs(context)


def _inputs(context: Context) -> str:
    return fingerprint([context.study.answering(), context.domain.sha256, context.model.sha256, context.embedder and context.embedder.sha256])


def settle(context: Context, results: Iterable[SearchResult]) -> Context:
    """The context with what these searches chose in the place of what the study leaves open."""
    chosen = {found.what: found.chosen for found in results}
    passages = chosen.get(RETRIEVAL, {})
    arms = {name: _settled(arm, passages, _found_for(context, arm, chosen)) for name, arm in context.study.arms.items()}
    changes = {"arms": arms, "chunk_tokens": passages.get("chunk_tokens", context.study.chunk_tokens)}
    return replace(context, study=context.study.model_copy(update=changes))


def _found_for(context: Context, arm: ArmSettings, chosen: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What was chosen for the arm's training; nothing where it states its own."""
    if not arm.tuning or arm.learning_rate is not None:
        return {}
    return chosen.get(searched_as(context, arm)) or chosen.get(adapter_name(context, arm), {})


def _settled(arm: ArmSettings, passages: dict[str, Any], training: dict[str, Any]) -> ArmSettings:
    changes = dict(training)
    if arm.retriever == "auto" and "retriever" in passages:
        changes["retriever"] = passages["retriever"]
    if arm.retriever and arm.k is None and "k" in passages:  # the oracle's too: a ceiling for as many passages
        changes["k"] = passages["k"]
    return arm.model_copy(update=changes)


def _run_all(context: Context, budget: Search, inputs: str, watcher: Watcher) -> Iterator[SearchResult]:
    """The searches one after another. `context` has no test questions."""
    from ragft.trials import opened

    kinds = searched_adapters(context)
    with opened(context.run.folder / "search" / "trials.db") as storage:
        counts = _Counts(watcher, budget.trials, 1 + len(kinds))
        task = _retrieval_task(context, budget, inputs, counts)
        passages = _run(task, storage, counts, RETRIEVAL, context.study.reference, _retrieval_words(context, budget))
        yield passages
        context = settle(context, [passages])
        if kinds:
            rehearse_indexed(context, index_artifact(context, lambda done, total: None))
        for place, (what, arm) in enumerate(kinds.items(), start=1):
            task = _adapter_task(context, what, arm, budget, inputs)
            yield _run(task, storage, replace(counts, place=place), what, arm, _adapter_words(context, budget))


@dataclass(frozen=True)
class _Counts:
    """Where a search stands among all, for who watches."""

    watcher: Watcher
    trials: int
    searches: int
    place: int = 0

    def unit(self, what: str, trial: int) -> AbstractContextManager[Advance]:
        label = f"search {what}: trial {trial} of {self.trials}"
        return self.watcher.unit(label, self.place * self.trials + trial, self.searches * self.trials)


def _run(task: Task, storage: Any, counts: _Counts, what: str, arm: str, objective: str) -> SearchResult:
    """One search to its end. Raises InputError where no trial came to its own."""
    from ragft.trials import FAILED, MISSING, best, carry_out, row

    try:
        done = carry_out(task, storage, counts.trials, partial(counts.unit, what))
    except InputError as error:
        raise InputError(f"search {what}: {error}") from error
    chosen = best(task, done)
    if chosen is None:
        raise InputError(f"search {what}: all {len(done)} trials failed; the last: {done[-1].user_attrs.get(FAILED)} State one on arm '{arm}'.")
    assert chosen.value is not None
    missing = chosen.user_attrs.get(MISSING, 0)
    objective += f"; {missing} answers failed and count as wrong here" if missing else ""
    rows = tuple(row(number, trial) for number, trial in enumerate(done, start=1))
    return SearchResult(what, arm, objective, chosen.params, chosen.value, rows)


# ── retrieval ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _chunk_sizes(context: Context) -> tuple[int, ...]:
    """The study's own, half and twice: no more than the context budget holds, and more than the overlap."""
    study = context.study
    others = (study.chunk_tokens // 2, 2 * study.chunk_tokens)
    return (study.chunk_tokens, *(size for size in others if max(16, study.chunk_overlap + 1) <= size <= study.context_tokens))


def _with_chunks(context: Context, tokens: int) -> Context:
    return replace(context, study=context.study.model_copy(update={"chunk_tokens": tokens}))


def _retrieval_settings(context: Context, auto: str) -> tuple[Settings, ...]:
    """All settings that may be tried, the study's own first; `auto` is what its index takes for that name.

    A retriever or k that every arm states is not varied, nor is what no arm leaves open.
    """
    study = context.study
    shown = [arm for arm in study.arms.values() if arm.retriever not in (None, "oracle")]
    ref = study.arms[study.reference]
    open_retriever, open_k = any(arm.retriever == "auto" for arm in shown), any(arm.k is None for arm in shown)
    own_retriever = auto if open_retriever else str(ref.retriever)
    own_k = study.k if open_k else int(ref.k or study.k)
    retrievers = [own_retriever]
    if open_retriever:
        retrievers += [name for name in AUTO if name != auto and (name == "bm25" or context.embedder)]
    found: list[Settings] = [{"chunk_tokens": study.chunk_tokens, "retriever": own_retriever, "k": own_k}]
    for size in _chunk_sizes(context):
        ks = [k for k in range(1, MOST_PASSAGES + 1) if k * size <= study.context_tokens or k == 1] if open_k else [own_k]
        found += [{"chunk_tokens": size, "retriever": name, "k": k} for name in retrievers for k in ks]
    return tuple(settings for place, settings in enumerate(found) if settings not in found[:place])


def _retrieval_task(context: Context, budget: Search, inputs: str, counts: _Counts) -> Task:
    from optuna.distributions import CategoricalDistribution
    from optuna.pruners import WilcoxonPruner

    from ragft.trials import Task

    with counts.watcher.unit("search retrieval: index", 1, counts.searches * counts.trials) as progress:
        index = index_artifact(context, progress)
    settings = _retrieval_settings(context, resolve_retriever("auto", index.folder))
    space = {name: CategoricalDistribution(tuple(dict.fromkeys(one[name] for one in settings))) for name in settings[0]}
    # paired by question: a trial ends when it is worse than the best one on the questions that it has answered
    pruner = WilcoxonPruner(p_threshold=PRUNE_P, n_startup_steps=PRUNE_QUESTIONS)
    attempt = partial(_answer_dev, context, budget.dev_questions)
    return Task(f"{RETRIEVAL} {inputs}", True, space, settings[:1], settings, pruner, attempt)


def _retrieval_words(context: Context, budget: Search) -> str:
    number = len(context.domain.sample("dev", budget.dev_questions))
    return f"{context.study.metric} of the untuned model on {number} dev questions; of equals, the higher recall"


def _answer_dev(context: Context, number: int, settings: Settings, trial: Trial, progress: Advance) -> float:
    """The untuned model's mean score on dev questions with these passages. Raises Pruned (surely worse than the best) or NoValueError (all failed).

    Here a failed answer counts as wrong: a setting must not be chosen because questions that it breaks on are left out.
    """
    from ragft.trials import CURVE, MISSING, TIE, NoValueError, Pruned

    context = _with_chunks(context, settings["chunk_tokens"])
    index = index_artifact(context, progress)
    arm = compose(context, ArmSettings.model_validate({name: settings[name] for name in ("retriever", "k")}), index, None)
    asked = context.domain.sample("dev", number)
    golds, places = {gold.id: gold for _, gold in asked}, {question.id: place for place, (question, _) in enumerate(asked)}
    score = registry.lookup("metric", context.study.metric).make
    scores, recalls, curve, done, missing = list[float](), list[float](), list[tuple[int, float]](), 0, 0
    for batch in arm.prepare([question for question, _ in asked]):
        for answer in arm.answer(batch):
            failed = answer.outcome == "error"
            missing += failed
            value = 0.0 if failed else score(answer, golds[answer.question])
            if value is not None:  # None: the metric does not apply
                scores.append(value)
                trial.report(value, places[answer.question])
            if golds[answer.question].evidence:
                recalls.append(recall_of(answer.hits or (), golds[answer.question], settings["k"]))
        done += len(batch.ids)
        progress(done, len(asked))
        trial.set_user_attr(MISSING, missing)
        if scores:
            curve.append((done, fmean(scores)))
            trial.set_user_attr(CURVE, curve)
        if done < len(asked) and trial.should_prune():
            raise Pruned
    if not scores or missing == len(asked):
        raise NoValueError(f"{context.model.name} failed on all {len(asked)} dev questions; nothing can be chosen by them. Try another model.")
    trial.set_user_attr(TIE, fmean(recalls) if recalls else 0.0)
    return fmean(scores)


# ── adapters ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _adapter_task(context: Context, what: str, name: str, budget: Search, inputs: str) -> Task:
    """The search of one adapter's learning rate; `context` has the chosen retrieval."""
    from optuna.distributions import FloatDistribution

    from ragft.trials import Pace, Task

    arm = context.study.arms[name]
    own, tokens = learning_rate(arm), trial_tokens(context.study)
    assert tokens is not None
    space = {"learning_rate": FloatDistribution(own / RATE_REACH, own * RATE_REACH, log=True)}
    firsts = tuple({"learning_rate": rate} for rate in (own, float(f"{own * RATE_FACTOR:.2g}"), float(f"{own / RATE_FACTOR:.2g}")))
    limited = replace(context, domain=context.domain.limited(budget.dev_questions, "dev"))
    attempt = partial(_train_trial, limited, arm, tokens, index_artifact(context, lambda done, total: None))
    return Task(f"{what} {inputs}", False, space, firsts, (), Pace(tokens), attempt)


def _adapter_words(context: Context, budget: Search) -> str:
    number = min(len(context.domain.sample("dev", budget.dev_questions)), DEV_EXAMPLES)
    return f"loss in nats per answer token on {number} dev questions, after {trial_tokens(context.study):,} training tokens"


def _train_trial(context: Context, arm: ArmSettings, tokens: int, index: Artifact, settings: Settings, trial: Trial, progress: Advance) -> float:
    """The dev loss of an adapter trained with this learning rate. Raises DivergedError, and Pruned where it cannot become the best."""
    from ragft.trials import Pruned

    plan = replace(
        adapter_plan(context, arm, seeds_of(context.study, arm)[0]),
        dtype=training_dtype(context),
        learning_rate=settings["learning_rate"],
        train_tokens=tokens,
    )
    losses, whole = list[float](), [0]

    def advance(done: int, total: int) -> None:
        whole[:] = [total]
        progress(done, total)

    def watch(done: int, loss: float) -> None:
        losses.append(loss)
        trial.report(loss, done)
        if done < whole[0] and trial.should_prune():
            raise Pruned

    parts = opened(context, index)
    with context.run.scratch() as folder:
        build_adapter(plan, index.folder, parts, folder, advance, watch=watch)
    return losses[-1]
