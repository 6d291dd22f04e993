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
from typing import TypeVar

from ragft import manifest, plugged, protocol, recipe, scoring
from ragft.compare import Comparison, ScoreTable, at_margin, compare
from ragft.context import Context, with_limit
from ragft.cost import Prices
from ragft.decide import ArmFacts, Decision, decide
from ragft.domain import load_domain
from ragft.errors import MismatchError, MissingError
from ragft.facts import arm_facts, facts_of
from ragft.files import check_writable
from ragft.gate import gate_warnings
from ragft.labelrate import LabelDoubt
from ragft.mix import at_mix
from ragft.models import find_model, is_hub_id
from ragft.privacy import keep_private
from ragft.progress import Silent, Watcher, fitting
from ragft.readiness import check_study
from ragft.record import check_record, write_record
from ragft.report import write_report
from ragft.result import Result, load_result
from ragft.review import label_doubt
from ragft.search import search
from ragft.settings import Study, load_study, save_study
from ragft.stages import KINDS, Executor, begin, of_this_machine, one_after_another, units_of
from ragft.store import Run, fingerprint, open_run, pretty_json, read_json, read_record, write_json
from ragft.threads import wait_briefly

__all__ = [
    "Decider",
    "Result",
    "Study",
    "compare_run",
    "decide_run",
    "load_result",
    "load_study",
    "of_this_machine",
    "report_run",
    "run",
    "score_run",
]

T = TypeVar("T")


def run(study: Study, runs: Path | str = "runs", watcher: Watcher | None = None, executor: Executor | None = None) -> Result:
    """Run the study to its verdict, or go on where a stopped run of the same inputs left off.

    Without a `watcher`, a notebook shows a bar and a terminal a line of progress; nothing is shown elsewhere, or with Silent().
    Raises InputError or MissingError before anything slow when something is wrong, BusyError when another process runs the same study.
    """
    return carry_out(prepare(study, Path(runs)), watcher or fitting(), executor)


def carry_out(context: Context, watcher: Watcher | None = None, executor: Executor | None = None) -> Result:
    """Run what was prepared. Raises BusyError when another process runs the same study, InputError where held-out questions leak into training."""
    with context.run.locked():
        settled = begin(context, watcher or Silent())
        (executor or one_after_another)(units_of(settled, KINDS), watcher or Silent())
        _conclude(context.run)
    return load_result(context.run)


def conclude(context: Context) -> Result:
    """Score, compare, decide and report a run whose units were carried out stage by stage (stages.py).

    Raises BusyError when another process holds the run, NotReadyError where a unit is not done.
    """
    with context.run.locked():
        units_of(begin(context, Silent(), ()), ())
        _conclude(context.run)
    return load_result(context.run)


def _conclude(run: Run) -> None:
    """From all answers to the verdict and its report."""
    score_run(run)
    compare_run(run)
    decide_run(run)
    manifest.finish(run)
    report_run(run)


def follow_up(study: Study, runs: Path, work: Callable[[Context], T], watcher: Watcher) -> T:
    """Try something on the finished run of this study, then decide and report anew, for a need may rest on it.

    Raises MissingError where the study has not been run to its end, with these settings.
    """
    context = prepare(study, runs)
    if not manifest.is_finished(context.run):
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
    study = study.model_copy(update={"name": study.name or domain.name, "domain": str(Path(study.domain).resolve())})
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


# ── the quick stages: seconds, from stored answers, at will ──────────────────────────────────────────────────────────


def score_run(run: Run) -> None:
    """answers.jsonl -> scores.jsonl, for every arm and seed. The study's plugins are loaded, for a metric may be among them."""
    study = read_study(run)
    for plugin in study.plugins:
        plugged.load(plugin)
    scoring.score_run(run)
    manifest.scored(run, protocol.metric_code(study))


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
    rows, golds = {place: scoring.score_rows(run, *place) for place in scoring.finished(run)}, scoring.read_gold(run)
    facts, table = facts_of(run, rows, golds, study.metric), scoring.table_of(run, rows, golds, study.metric, study.reference)
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
