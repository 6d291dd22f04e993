"""Tables of scores made elsewhere -> the table that is compared, and back: a run's scores as such a table.

comparison, decision = ragft.decide_scores(frame)   # or "scores.csv", or several of them

docs/scores.md describes the columns, the logs of Inspect and lm-evaluation-harness, and how a file is named. Loads no torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ragft import notebook, pictures, registry
from ragft.charts import Chart
from ragft.compare import Comparison, compare
from ragft.cost import Measured, Metered, Prices, measured, measured_by_batch, timed_once
from ragft.decide import Decision, decide
from ragft.errors import InputError, unknown
from ragft.needs import ArmFacts
from ragft.quantities import Fixed, Quantity, Rate, Waits, rate
from ragft.scored import score_frame
from ragft.scorerows import read_rows
from ragft.scoretable import ArmScores, ScoreTable, applies
from ragft.store import Run, write_text

if TYPE_CHECKING:
    import pandas as pd

    from ragft.scoresource import Given

UNNAMED = "a model that the scores do not name"


@dataclass(frozen=True)
class Scores:
    """Scores as they are compared and decided on."""

    table: ScoreTable
    facts: dict[str, ArmFacts]  # of every arm
    reference: str
    metric: str  # the scorer of the logs, else "score"
    warnings: tuple[str, ...] = field(default=())


class Verdict(NamedTuple):
    """A comparison and what it comes to: `comparison, decision = decide_scores(…)`."""

    comparison: Comparison
    decision: Decision

    def plot(self, what: str = "arms") -> Chart:
        """A chart: "arms", each with its interval, or "differences" from the reference. Raises InputError for another name."""
        return pictures.plot(self.comparison, self.decision.recommend, what)

    def __repr__(self) -> str:
        return f"Verdict({self.decision.verdict}, {self.decision.recommend})"

    def _repr_html_(self) -> str:
        return notebook.verdict(self.comparison, self.decision)


def decide_scores(
    scores: Given | Iterable[Given],
    *,
    reference: str | None = None,
    margin: float = 0.03,
    alpha: float = 0.025,
    metric_name: str | None = None,
    needs: Mapping[str, float | bool] | None = None,
    prices: Prices | None = None,
    model: str | None = None,
    scorer: str | None = None,
    slices: Sequence[str] = (),
) -> Verdict:
    """The comparison and the verdict from scores made elsewhere; see `read_scores` for frames, files and errors.

    `margin` is in shares of 1, `alpha` one-sided. `metric_name` and `model` are what the verdict calls them, `slices` those fixed beforehand.
    """
    read, found = _compared(scores, reference, margin, alpha, metric_name, scorer, slices)
    name = model or read.table.arm(read.reference).model or UNNAMED
    return Verdict(found, decide(found, read.facts, model=name, needs=needs, prices=prices, table=read.table, warnings=read.warnings))


def compare_scores(
    scores: Given | Iterable[Given],
    *,
    reference: str | None = None,
    margin: float = 0.03,
    alpha: float = 0.025,
    metric_name: str | None = None,
    scorer: str | None = None,
    slices: Sequence[str] = (),
) -> Comparison:
    """The comparison alone: every arm with its interval, paired differences from the reference, the 2x2. As `decide_scores` otherwise."""
    return _compared(scores, reference, margin, alpha, metric_name, scorer, slices)[1]


def _compared(
    scores: Given | Iterable[Given],
    reference: str | None,
    margin: float,
    alpha: float,
    metric_name: str | None,
    scorer: str | None,
    slices: Sequence[str],
) -> tuple[Scores, Comparison]:
    if not 0 <= margin <= 1:
        raise InputError(f"the margin is a share from 0 to 1, such as 0.03 for 3 points, not {margin:g}.")
    if not 0 < alpha < 0.5:
        raise InputError(f"alpha is a probability above 0 and below 0.5, such as 0.025, not {alpha:g}.")
    read = read_scores(scores, reference=reference, scorer=scorer)
    metric = metric_name or read.metric
    return read, compare(read.table, metric=metric, reference=read.reference, margin=margin, alpha=alpha, slices=slices)


def read_scores(scores: Given | Iterable[Given], *, reference: str | None = None, scorer: str | None = None) -> Scores:
    """DataFrames, tables and logs, one or several of them together, as one table. Later ones add arms and seeds to the earlier ones'.

    A frame and a table have the columns of docs/scores.md: arm, question and score at the least. A path may be written
    `ARM[@SEED][:RETRIEVER:TUNING]=PATH`, which says of a log what it does not hold. `reference` is an arm; None: the only plain RAG
    there is, or `rag`. `scorer` chooses among the scores of a log. Raises MissingError for a
    file that is not there, MismatchError where arms were asked other questions, InputError for anything else that is wrong.
    """
    import pandas as pd

    rows = read_rows([scores] if isinstance(scores, str | Path | pd.DataFrame) else scores, scorer)
    table, reference, notes = _table(rows.frame, reference)
    return Scores(table, _facts(rows.frame, table), reference, rows.metric or "score", (*rows.warnings, *notes))


# ── rows -> table ────────────────────────────────────────────────────────────────────────────────────────────────────


def _table(rows: pd.DataFrame, asked: str | None) -> tuple[ScoreTable, str, list[str]]:
    """The table, its reference, and what a reader must know of it. The number of each row's question becomes its column `code`."""
    import pandas as pd

    rows["code"], names = pd.factorize(rows["question"])
    questions = tuple(names)
    arms = tuple(_arm(str(name), part, len(questions)) for name, part in rows.groupby("arm", sort=False))
    reference = _reference(arms, asked)
    documents, notes = _documents(rows, questions)
    strata, kinds = (_of_question(rows, questions, column) for column in ("stratum", "kind"))
    own = rows[rows["arm"] == reference]
    first = own[own["seed"] == own["seed"].min()]
    hit = np.full(len(questions), np.nan)
    hit[first["code"]] = first["hit"]
    scored, declined = np.full(len(questions), False), np.full(len(questions), False)
    scored[rows["code"][rows["score"].notna()]] = True
    declined[rows["code"][rows["score"].isna() & ~rows["outcome"].str.lower().isin(["", "error"])]] = True
    return (
        ScoreTable(questions, documents, strata, kinds, arms, hit, applies(scored, declined)),
        reference,
        [*notes, *_absent(rows, arms, len(questions))],
    )


def _arm(name: str, part: pd.DataFrame, questions: int) -> ArmScores:
    """One arm's scores, its seeds in their numerical order; a question that a seed lacks is NaN, as is one that is unscored."""
    seeds = sorted(set(part["seed"]))
    place = {seed: i for i, seed in enumerate(seeds)}
    scores = np.full((len(seeds), questions), np.nan)
    scores[part["seed"].map(place), part["code"]] = part["score"]
    row = part.iloc[0]
    form = row["format"] or None
    control = registry.is_control(form) if np.isnan(row["control"]) else bool(row["control"])
    k = None if np.isnan(row["k"]) else int(row["k"])
    dose = None if np.isnan(row["dose"]) else float(row["dose"])
    slots = (row["retriever"] or None, row["tuning"] or None, form, row["model"], k, row["adapters"], control)
    return ArmScores(name, scores, *slots, dose, row["recipe"], row["system"])


def _reference(arms: Sequence[ArmScores], asked: str | None) -> str:
    names = [arm.name for arm in arms]
    if asked is not None:
        if asked not in names:
            raise unknown("arm (as reference)", asked, names)
        return asked
    plain = [arm.name for arm in arms if arm.deployable and arm.retriever and not arm.tuning]
    if len(plain) == 1 or "rag" in plain:
        return "rag" if "rag" in plain else plain[0]
    if not plain:
        raise InputError(f"no arm has a retriever and no tuning, so none is the RAG to compare with. Name a reference: {', '.join(names)}.")
    raise InputError(f"several arms could be the reference, the RAG of today: {', '.join(plain)}. Name one.")


def _of_question(rows: pd.DataFrame, questions: Iterable[str], column: str) -> tuple[str, ...]:
    said = rows[rows[column] != ""].drop_duplicates("question")
    by_question = dict(zip(said["question"], said[column], strict=True))
    return tuple(by_question.get(question, "") for question in questions)


def _documents(rows: pd.DataFrame, questions: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """The document of each question; where none is given, each question stands for itself."""
    found = _of_question(rows, questions, "document")
    if not any(found):
        return tuple(questions), [
            "No documents are given, so every question counts as independent of the others. Questions of one document are not: "
            "the intervals are then too narrow. Add a column document."
        ]
    if not all(found):
        missing = questions[found.index("")]
        raise InputError(f"question '{missing}' has no document, and others have. Give every question its document, or none.")
    return found, []


def _absent(rows: pd.DataFrame, arms: Sequence[ArmScores], questions: int) -> list[str]:
    """A sentence for each arm that lacks questions which others have."""
    sizes = rows["arm"].value_counts()
    short = {arm.name: (len(arm.scores) * questions, int(len(arm.scores) * questions - sizes[arm.name])) for arm in arms}
    return [f"{name}: {lacking} of {all_} scores are not in the files; they count as unscored." for name, (all_, lacking) in short.items() if lacking]


def _facts(rows: pd.DataFrame, table: ScoreTable) -> dict[str, ArmFacts]:
    """What each arm took and did, from the columns that say it; None where they do not."""
    facts = {}
    for arm in table.arms:
        part = rows[rows["arm"] == arm.name]
        alone, gib, untrained = part["alone_seconds"].dropna(), part["answer_gib"].max(), part["untrained"].iloc[0]
        asked = part["false_answer"].isna() & table.answerable[part["code"]]
        measured: dict[str, Quantity | None] = {
            "p95_latency_seconds": Waits(tuple(alone)) if len(alone) else None,
            "peak_memory_gib": None if np.isnan(gib) else Fixed(float(gib)),
            "false_answer_rate": _rate(part, part["false_answer"], table),
            "abstention_rate": _rate(part, part["abstained"].where(asked), table),
        }
        facts[arm.name] = ArmFacts(
            retriever=arm.retriever,
            tuning=arm.tuning,
            metered=None if untrained else _metered(part),
            measured={need: quantity for need, quantity in measured.items() if quantity is not None},
            untrained=untrained,
        )
    return facts


def _rate(part: pd.DataFrame, values: pd.Series, table: ScoreTable) -> Rate | None:
    """The share of an arm's answers, seeds averaged by question."""
    seeds = {seed: i for i, seed in enumerate(sorted(set(part["seed"])))}
    matrix = np.full((len(seeds), len(table.questions)), np.nan)
    matrix[part["seed"].map(seeds), part["code"]] = values
    return rate(matrix, table.documents)


def _metered(part: pd.DataFrame) -> Metered | None:
    """What the arm took; None unless its set-up (every seed's training, or an index) and at least one answer was timed."""
    training, index, timed = part.drop_duplicates("seed")["training_seconds"], part["index_seconds"].dropna().unique(), part[part["seconds"].notna()]
    if timed.empty or training.isna().any() > training.isna().all() or (training.isna().all() and not len(index)):
        return None
    indexed = measured(index.tolist()) if len(index) else Measured(0.0)
    trained = measured(training.tolist()) if training.fillna(0).any() else Measured(0.0)
    # an answer without a batch was timed on its own
    batches = [(row.seed, row.batch or row.Index) for row in timed[["seed", "batch"]].itertuples()]
    update = part["update_seconds"].iloc[0]
    return Metered(
        setup_seconds=trained.plus(indexed),
        question_seconds=measured_by_batch(timed["seconds"].tolist(), batches),
        share_correct=_mean(part["score"]) or 0.0,
        setup_gib=_most(part["setup_gib"]),
        answer_gib=_most(part["answer_gib"]),
        training_tokens=_mean(part.drop_duplicates("seed")["training_tokens"]) or 0.0,
        prompt_tokens=_mean(part["prompt_tokens"]) or 0.0,
        completion_tokens=_mean(part["completion_tokens"]) or 0.0,
        update_seconds=None if np.isnan(update) else timed_once(float(update), [trained, indexed]),
        index_seconds=indexed,
    )


def _most(values: pd.Series) -> float:
    return float(values.max()) if values.notna().any() else 0.0


def _mean(values: pd.Series) -> float | None:
    known = values.dropna()
    return float(np.mean(known.to_numpy(dtype=float))) if len(known) else None


# ── a run's scores ───────────────────────────────────────────────────────────────────────────────────────────────────


def write_scores(run: Run, path: Path, metric: str) -> None:
    """`score_frame` as a file."""
    write_text(path, score_frame(run, metric).to_csv(index=False, lineterminator="\n"))
