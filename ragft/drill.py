"""The update drill: version 2 of the documents comes; what does each arm of a finished run answer, and how fast is it fresh?

    runs/<run>/drill.json
    runs/<run>/drill/<arm>/<state>/answers.jsonl     kept as they come: a job that was killed goes on
    runs/<run>/artifacts/                            version 2's index and adapters, beside those of the run

    context = search(prepare(load_study("data/tarnbeck"), Path("runs")), Silent())
    drill(context, Path("data/tarnbeck/corpus-v2"), Path("data/tarnbeck/questions-v2.jsonl"))

An arm is asked in up to three states: as it was, with the run's own index and adapter; re-indexed, with the index updated to the
new documents; re-trained, with an adapter trained anew from them too. Nothing but the documents and the training questions
differs between the states: a retriever that was chosen by itself, and the format, stay those of version 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ragft import registry
from ragft.build import resolve_retriever
from ragft.context import Context, seeds_of
from ragft.domain import Domain, load_domain
from ragft.drilled import Drill, DrillDifference, DrillRow, Judged, State, difference, joined, measure, read_drill
from ragft.errors import InputError, MissingError, RagftError, unknown
from ragft.ladder import RIGHT
from ragft.progress import Silent, Watcher
from ragft.readiness import check_study
from ragft.settings import ArmSettings
from ragft.store import Artifact, fingerprint, read_jsonl_as, write_json
from ragft.types import Answer, Gold, Question
from ragft.units import ANSWERS, DONE, Progress, adapter_artifact, ask, compose, index_artifact, is_answered, mark_answered, start_over_unless
from ragft.updates import ASKED, Case, cases, counts, load_update, sample, told_apart

QUESTIONS = 40  # of each kind of change, at most

Score = Callable[[Answer, Gold], float | None]


@dataclass(frozen=True)
class _Part:
    """One arm in one state."""

    name: str
    arm: ArmSettings  # in a new state with version 1's retriever and format in the place of what was left open
    seed: int
    state: State

    @property
    def indexes(self) -> bool:
        """Whether an index is built anew for this state."""
        return self.state != "as it was" and self.arm.retriever is not None

    @property
    def trains(self) -> bool:
        """Whether an adapter is trained anew for this state."""
        return self.state == "re-trained"

    def folder(self, context: Context) -> Path:
        return context.run.folder / "drill" / self.name / self.state.replace(" ", "-")


@dataclass(frozen=True)
class _Versions:
    """The finished run over version 1, with all its test questions, and the same settings over version 2."""

    old: Context
    new: Context

    def of(self, anew: bool) -> Context:
        return self.new if anew else self.old


def drill(
    context: Context, corpus: Path, questions: Path, arms: Sequence[str] | None = None, watcher: Watcher | None = None, limit: int = QUESTIONS
) -> Drill:
    """Update these arms (None: all but oracles and controls) to version 2, ask them, and write drill.json.

    `corpus` and `questions` are version 2's folder of documents and question file; a question is the same by its id. Of the
    test questions, at most `limit` of each kind of change are asked; each arm with its first seed, from the run's own
    answers where it has them. Rows of other arms that were drilled with the same questions stay. What a study left to a search
    must be settled in `context`. Raises InputError where version 2 has nothing that changed, or an arm is not in the study or
    cannot be drilled; MissingError for a file that is not there or an arm that has not answered yet; BusyError as a run does.
    """
    names = _chosen(context, arms)
    old = load_domain(context.study.domain) if context.study.limit else context.domain
    new = load_update(old, corpus, questions)
    score = registry.lookup("metric", context.study.metric).make
    found = [told_apart(case, partial(_right, score=score)) for case in cases(old, new)]
    _check_update(context, old, new, found, questions)
    asked = sample(found, limit)
    versions = _Versions(replace(context, domain=old), replace(context, domain=new))
    _check_arms(versions.new, names, questions)
    with context.run.locked():
        context.run.sweep()
        stored, parts, done = read_drill(context.run.folder), list(_parts(context, names)), list[_Done]()
        for number, part in enumerate(parts, start=1):
            with (watcher or Silent()).unit(f"drill {part.name}, {part.state}", number, len(parts)) as progress:
                done.append(_carry_out(versions, part, asked, progress))
        before = {one.part.name: one for one in done if one.part.state == "as it was"}
        judged = [_judged_answers(one, before[one.part.name], asked, score) for one in done]
        rows = tuple(map(_row, done, judged))
        fresh = Drill(
            old=old.sha256,
            new=new.sha256,
            metric=context.study.metric,
            reference=context.study.reference,
            questions=counts(found),
            asked=counts(asked),
            new_questions=sum(question.id not in old.gold for question, _ in new.split("test")),
            rows=rows,
            differences=tuple(_differences(context.study.reference, rows, judged)),
        )
        result = joined(stored, fresh, list(context.study.arms))
        write_json(context.run.folder / "drill.json", result)
    return result


# ── what is asked ────────────────────────────────────────────────────────────────────────────────────────────────────


def _chosen(context: Context, arms: Sequence[str] | None) -> list[str]:
    """The arms to drill, in the order given. Raises InputError for one that cannot be drilled, MissingError for one without answers."""
    known = context.study.arms
    names = list(known) if arms is None else list(dict.fromkeys(arms))
    for name in names:
        if name not in known:
            raise unknown("arm", name, known)
    if arms is None:
        names = [name for name in names if known[name].candidate]
    for name in names:
        if (system := known[name].system) or known[name].retriever == "oracle":
            what = "is a whole system, which ragft cannot update" if system else "is handed the evidence, which nobody has in use"
            raise InputError(f"arm '{name}' {what}: there is nothing to update. Leave it out.")
        if not (context.run.seed_folder(name, _seed(context, name)) / DONE).is_file():
            raise MissingError(f"{context.run.folder}: arm '{name}' has not answered yet. Finish the run first: ragft run")
    if not names:
        raise InputError("no arm to drill: all arms of this study are oracles, controls or whole systems. Add rag or lora to it.")
    return names


def _check_update(context: Context, old: Domain, new: Domain, found: Sequence[Case], questions: Path) -> None:
    """Raise InputError where there is nothing to adopt."""
    if [(d.id, d.text) for d in old.documents] == [(d.id, d.text) for d in new.documents]:
        raise InputError(f"version 2 has the same documents as {context.study.domain}. Give the corpus after the update.")
    number = counts(found)
    if not any(number[change] for change in ASKED[:3]):
        said = ", ".join(f"{n} {change}" for change, n in number.items() if n)
        raise InputError(
            f"{questions}: no test question has another answer than in version 1 ({said or 'none is in both'}), so nothing shows what was "
            "adopted. Keep the ids of version 1, and write down the answers of today; [] where the documents no longer answer."
        )


def _check_arms(new: Context, names: Sequence[str], questions: Path) -> None:
    """Raise InputError where an arm cannot be trained anew from version 2."""
    arms = {name: new.study.arms[name] for name in names}
    try:
        check_study(replace(new, study=new.study.model_copy(update={"arms": arms, "search": None})))
    except RagftError as error:
        raise InputError(f"{questions}: {error}") from error


def _parts(context: Context, names: Sequence[str]) -> Iterator[_Part]:
    """Every arm in each of its states, in order."""
    for name in names:
        arm, seed = context.study.arms[name], _seed(context, name)
        yield _Part(name, arm, seed, "as it was")
        settled = _settled(context, arm)
        if arm.retriever:
            yield _Part(name, settled, seed, "re-indexed")
        if arm.tuning:
            yield _Part(name, settled, seed, "re-trained")


def _seed(context: Context, name: str) -> int:
    return seeds_of(context.study, context.study.arms[name])[0]


def _settled(context: Context, arm: ArmSettings) -> ArmSettings:
    """The arm with what it left open as it was found for version 1: an update is not the moment to choose another retriever."""
    index = index_artifact(context, lambda done, total: None) if arm.retriever else None
    retriever = resolve_retriever(arm.retriever, index.folder) if arm.retriever and index else None
    return arm.model_copy(update={"retriever": retriever, "format": (arm.format or context.default_format) if arm.tuning else None})


# ── asking ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Done:
    """One arm in one state after it was asked. What was not renewed for the state is None."""

    part: _Part
    index: Artifact | None
    adapter: Artifact | None
    answers: Mapping[str, Answer]  # by question


def _carry_out(versions: _Versions, part: _Part, asked: Sequence[Case], progress: Progress) -> _Done:
    """Build what the state needs, and ask what is not answered yet."""
    if part.state != "as it was":  # first of all, whoever needs it: a training would build a whole new one
        index_artifact(versions.new, progress, previous=index_artifact(versions.old, progress).folder)
    index = index_artifact(versions.of(part.indexes), progress) if part.arm.retriever else None
    adapter = None
    if part.arm.tuning:
        arm = part.arm if part.trains else versions.old.study.arms[part.name]  # the very settings that the run's adapter has its key from
        adapter = adapter_artifact(versions.of(part.trains), arm, part.seed, progress)
    known = dict[str, Answer]()
    if part.state == "as it was":  # the same questions of the same index and adapter: what the run has asked is not asked again
        known = _read(versions.old.run.seed_folder(part.name, part.seed))
    questions = [versions.old.domain.questions[case.old.id] for case in asked if case.old.id not in known]
    answers = {**known, **_answers(versions, part, index, adapter, questions, progress)}
    return _Done(part, index if part.indexes else None, adapter if part.trains else None, answers)


def _read(folder: Path) -> dict[str, Answer]:
    return {answer.question: answer for answer in read_jsonl_as(Answer, folder / ANSWERS)}


def _answers(
    versions: _Versions, part: _Part, index: Artifact | None, adapter: Artifact | None, questions: Sequence[Question], progress: Progress
) -> dict[str, Answer]:
    """Answers to these questions, by id; those that are stored for the same inputs are not asked again."""
    if not questions:
        return {}
    there, folder = versions.of(part.state != "as it was"), part.folder(versions.old)
    inputs = fingerprint(
        {
            "arm": part.arm.model_dump(mode="json"),
            "study": [there.study.k, there.study.context_tokens],
            "index": index.sha256 if index else None,
            "adapter": adapter.sha256 if adapter else None,
            "questions": questions,
        }
    )
    if not is_answered(folder, inputs):
        start_over_unless(folder, inputs)
        ask(compose(there, part.arm, index, adapter), questions, folder, progress)
        mark_answered(folder, inputs)
    return _read(folder)


# ── what came of it ──────────────────────────────────────────────────────────────────────────────────────────────────


def _right(answer: Answer, gold: Gold, score: Score) -> bool | None:
    """Whether the answer counts as right; None where it is not scored."""
    return None if (found := score(answer, gold)) is None else found >= RIGHT


def _judged_answers(one: _Done, before: _Done, asked: Sequence[Case], score: Score) -> list[Judged]:
    """Every case as the arm answered it; `before` is the arm as it was."""
    return [
        Judged(
            change=case.change,
            document=case.old.document,
            new=_right(one.answers[case.old.id], case.new, score),
            old=_right(one.answers[case.old.id], case.old, score),
            before=_right(before.answers[case.old.id], case.old, score),
        )
        for case in asked
        if case.new
    ]


def _row(one: _Done, judged: Sequence[Judged]) -> DrillRow:
    index, adapter = one.index, one.adapter
    return DrillRow(
        arm=one.part.name,
        state=one.part.state,
        seed=one.part.seed,
        index_seconds=index.fit.seconds if index else None,
        training_seconds=adapter.fit.seconds if adapter else None,
        failed=adapter.fit.failed if adapter else "",
        **measure(judged, one.part.state != "as it was"),
    )


def _differences(reference: str, rows: Sequence[DrillRow], judged: Sequence[Sequence[Judged]]) -> Iterator[DrillDifference]:
    """Every re-trained arm against the re-indexed reference, where that was drilled."""
    minus = next((number for number, row in enumerate(rows) if (row.arm, row.state) == (reference, "re-indexed")), None)
    if minus is None:
        return
    for row, own in zip(rows, judged, strict=True):
        found = difference(row, rows[minus], own, judged[minus]) if row.state == "re-trained" else None
        if found:
            yield found
