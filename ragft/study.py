"""The whole story of a study: what `ragft run` does, from a folder of documents to a verdict, on one screen.

from ragft import Study, run
result = run(Study(domain="data/tarnbeck"))
result.decision.verdict, result.comparison.arms, result.scores
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ragft import manifest, protocol, recipe, scoring
from ragft.compare import Comparison, ScoreTable, at_margin, compare
from ragft.context import Context, with_limit
from ragft.cost import Prices
from ragft.decide import ArmFacts, Decision, decide
from ragft.domain import load_domain
from ragft.errors import MismatchError, MissingError
from ragft.facts import arm_facts
from ragft.files import check_writable
from ragft.gate import gate_warnings, pass_gate
from ragft.labelrate import LabelDoubt
from ragft.mix import at_mix
from ragft.models import find_model, is_hub_id
from ragft.placement import several_gpus, side_by_side
from ragft.plan import make_plan
from ragft.privacy import keep_private
from ragft.progress import Silent, Watcher
from ragft.readiness import check_study
from ragft.record import check_record, write_record
from ragft.report import write_report
from ragft.review import label_doubt
from ragft.search import search
from ragft.settings import Study, load_study, save_study
from ragft.store import Run, find_run, fingerprint, open_run, pretty_json, read_json, read_record, write_json, write_jsonl
from ragft.threads import wait_briefly
from ragft.units import Unit, plan_units

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Decider", "Result", "Study", "compare_run", "decide_run", "load_result", "load_study", "report_run", "run", "score_run"]

T = TypeVar("T")
Executor = Callable[[list[Unit], Watcher], None]


@dataclass(frozen=True)
class Result:
    """A finished study. `scores` is read when asked for: one row per arm, seed and question."""

    run: Run
    decision: Decision
    comparison: Comparison

    @property
    def scores(self) -> pd.DataFrame:
        return scoring.scores_frame(self.run)


def run(study: Study, runs: Path | str = "runs", watcher: Watcher | None = None, executor: Executor | None = None) -> Result:
    """Run the study to its verdict, or go on where a stopped run of the same inputs left off.

    Raises InputError or MissingError before anything slow when something is wrong, BusyError when another process
    runs the same study.
    """
    return carry_out(prepare(study, Path(runs)), watcher, executor)


def carry_out(context: Context, watcher: Watcher | None = None, executor: Executor | None = None) -> Result:
    """Run what was prepared. Raises BusyError when another process runs the same study, InputError where held-out questions leak into training."""
    with context.run.locked():
        context.run.sweep()
        pass_gate(context)
        start(context)
        context = search(context, watcher or Silent())
        (executor or one_after_another)(plan_units(context), watcher or Silent())
        score_run(context.run)
        compare_run(context.run)
        decide_run(context.run)
        manifest.finish(context.run)
        report_run(context.run)
    return load_result(context.run)


def follow_up(study: Study, runs: Path, work: Callable[[Context], T], watcher: Watcher) -> T:
    """Try something on the finished run of this study, then decide and report anew, for a need may rest on it.

    Raises MissingError where the study has not been run to its end, with these settings.
    """
    context = prepare(study, runs)
    path = context.run.folder / "manifest.json"
    if not path.is_file() or read_json(path)["status"] != "finished":
        raise MissingError(f"{context.run.folder}: this study has not been run to its end with these settings. First: ragft run {study.domain}")
    with context.run.locked():
        settled = search(context, watcher)
    done = work(settled)
    with context.run.locked():
        save_study(context.study, context.run.folder / "study.yaml")  # needs, prices and the like as they are now
        decide_run(context.run)
        report_run(context.run)
    return done


def prepare(study: Study, runs: Path) -> Context:
    """Check everything a study needs, and find its run folder by what goes into its answers."""
    check_writable(runs)
    wait_briefly()
    keep_private(hub=any(is_hub_id(name) for name in (study.model, study.embedder, study.reranker) if name))
    domain = load_domain(study.domain)
    study = study.model_copy(update={"name": study.name or domain.name})
    wanted = {need for arm in study.arms.values() if arm.retriever for need in recipe.needs(arm.retriever)}
    # the embedder first: a wrong one is said before a model is converted or fetched
    embedder = find_model(study.embedder, "embedder") if study.embedder and "embedder" in wanted else None
    reranker = find_model(study.reranker, "reranker") if study.reranker and "reranker" in wanted else None
    model = find_model(study.model, "generator")
    weights = [model.sha256, embedder.sha256 if embedder else None, *([reranker.sha256] if reranker else [])]
    key = fingerprint([study.answering(), domain.sha256, *weights, manifest.versions(study.precision)])
    context = Context(study, domain, model, embedder, open_run(runs, study.name, key), reranker)
    check_study(context)
    return with_limit(context)


def start(context: Context) -> None:
    """Write what the run is about: the resolved study, where everything came from, the held-out set."""
    test = context.domain.split("test")
    save_study(context.study, context.run.folder / "study.yaml")
    write_jsonl(context.run.folder / "questions.jsonl", [question for question, _ in test])
    write_jsonl(context.run.folder / "gold.jsonl", [gold for _, gold in test])
    if not (context.run.folder / "plan.json").is_file():  # what was said beforehand stays as it was said
        write_json(context.run.folder / "plan.json", make_plan(context))
    manifest.start(context)


def of_this_machine() -> Executor:
    """The executor that uses all GPUs of this machine; for programs whose main module can be imported (see ragft.placement)."""
    devices = several_gpus()
    if not devices:
        return one_after_another

    def execute(units: list[Unit], watcher: Watcher) -> None:
        from ragft.serving import release

        release()  # what a search left on the first of them
        side_by_side(devices)(units, watcher)

    return execute


def one_after_another(units: list[Unit], watcher: Watcher) -> None:
    """The executor of a single machine."""
    for number, unit in enumerate(units, start=1):
        with watcher.unit(unit.label, number, len(units)) as progress:
            unit.work(progress)


# ── the quick stages: seconds, from stored answers, at will ──────────────────────────────────────────────────────────


def score_run(run: Run) -> None:
    """answers.jsonl -> scores.jsonl, for every arm and seed."""
    scoring.score_run(run)


def compare_run(run: Run) -> Comparison:
    """scores.jsonl -> comparison.json."""
    found = _compared(run, read_study(run))
    write_json(run.folder / "comparison.json", found)
    return found


def decide_run(run: Run) -> Decision:
    """scores.jsonl, measured costs and needs, by the run's study.yaml -> comparison.json, decision.json, and record.json to replay them by."""
    study = read_study(run)
    decision = _decided(run, study, compare_run(run))
    write_json(run.folder / "decision.json", decision)
    write_record(run, study)
    return decision


def replay(run: Run) -> str:
    """Make the verdict again from the stored scores; returns the record's hash.

    Raises MissingError where there is no record, MismatchError where anything that the verdict rests on was changed, or
    where this version of ragft comes to another one.
    """
    study = read_study(run)
    said = check_record(run, study)
    found = _compared(run, study)
    for name, made in (("comparison.json", found), ("decision.json", _decided(run, study, found))):
        if pretty_json(made) != (run.folder / name).read_text(encoding="utf-8"):
            raise MismatchError(f"{run.folder / name}: the same scores give another one now; this is not the version of ragft that made it.")
    return said


def _compared(run: Run, study: Study) -> Comparison:
    table = scoring.score_table(run, study.metric, study.reference)
    return compare(table, metric=study.metric, reference=study.reference, margin=study.margin, alpha=study.alpha, slices=study.slices)


def _decided(run: Run, study: Study, found: Comparison) -> Decision:
    facts, table = arm_facts(run, study.metric), scoring.score_table(run, study.metric, study.reference)
    model = read_json(run.folder / "manifest.json")["model"]["name"]
    notes, changed = scoring.held_out_notes(run), _warnings(run, study, found)
    doubt = label_doubt(run, found)
    return decide(found, facts, model=model, needs=study.needs, prices=study.costs, table=table, notes=notes, warnings=changed, doubt=doubt)


def _warnings(run: Run, study: Study, found: Comparison) -> list[str]:
    """What was changed after answers were seen, and leaks that were waived."""
    return [*protocol.changes(run, study, found), *gate_warnings(run.folder)]


@dataclass(frozen=True)
class Decider:
    """A run as it can be decided again and again, as fast as a slider moves: `Decider.of(run)(margin=0.05)`.

    Of the margin, the prices, the needs and the mix of questions each stays the run's own unless given. What mix of questions
    would change the verdict is left out; it is in the run's decision.json.
    """

    run: Run
    found: Comparison
    facts: Mapping[str, ArmFacts]
    model: str
    study: Study
    notes: tuple[str, ...]
    doubt: LabelDoubt | None = None

    @classmethod
    def of(cls, run: Run) -> Decider:
        """Raises MissingError for a run that was not compared yet."""
        study = read_study(run)
        found = read_record(Comparison, run.folder / "comparison.json")
        model = read_json(run.folder / "manifest.json")["model"]["name"]
        notes = tuple(scoring.held_out_notes(run))
        return cls(run, found, arm_facts(run, study.metric), model, study, notes, label_doubt(run, found))

    @cached_property
    def table(self) -> ScoreTable:
        """Every score; read when a mix of questions is first asked for."""
        return scoring.score_table(self.run, self.found.metric, self.found.reference)

    def compared(self, *, margin: float | None = None, mix: Mapping[str, float] | None = None) -> Comparison:
        """What is found at another margin, or where the kinds of question (`mix`: stratum -> its part) come in another proportion."""
        found = self.found if margin is None else at_margin(self.found, margin)
        return at_mix(self.table, mix, found) if mix else found

    def __call__(
        self,
        *,
        margin: float | None = None,
        prices: Prices | None = None,
        needs: Mapping[str, float | bool] | None = None,
        mix: Mapping[str, float] | None = None,
    ) -> Decision:
        """Raises InputError for a need, a price or a mix that cannot be."""
        return self.on(self.compared(margin=margin, mix=mix), prices=prices, needs=needs)

    def on(self, found: Comparison, *, prices: Prices | None = None, needs: Mapping[str, float | bool] | None = None) -> Decision:
        """The decision on a comparison that `compared` made. Raises as a call does."""
        asked = dict(self.study.needs if needs is None else needs)
        changed = _warnings(self.run, self.study.model_copy(update={"margin": found.margin, "needs": asked}), found)
        return decide(
            found,
            self.facts,
            model=self.model,
            needs=asked,
            prices=prices or self.study.costs,
            notes=self.notes,
            warnings=changed,
            doubt=self.doubt,
        )


def report_run(run: Run) -> Path:
    """Everything in the run folder -> report.html and report.md; returns the first."""
    return write_report(run)


def read_study(run: Run) -> Study:
    """The run's resolved study."""
    return load_study(run.folder / "study.yaml")


def load_result(folder: Run | Path | str) -> Result:
    """A run's result as stored. Raises MissingError for a run that has not come to a verdict."""
    found = folder if isinstance(folder, Run) else find_run(folder)
    return Result(found, read_record(Decision, found.folder / "decision.json"), read_record(Comparison, found.folder / "comparison.json"))
