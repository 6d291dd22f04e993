"""What the command line prints: runs, tables, verdicts and names, as text or as values for JSON."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragft.errors import InputError, MissingError, unknown
from ragft.numbers import signed
from ragft.numbers import span as points_span
from ragft.searched import read_searched
from ragft.store import Run, read_json, read_jsonl_as
from ragft.words import KINDS, covered

if TYPE_CHECKING:
    from ragft.compare import Comparison, SliceRow
    from ragft.decide import Decision
    from ragft.result import Result

WIDTH = 118
NONE = "–"


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Aligned columns; the numbers of `right` are the columns set flush right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for number, header in enumerate(headers):
        made.add_column(header, justify="right" if number in right else "left", no_wrap=number == 0, overflow="fold")
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))  # Text: nothing in a cell is markup
    out = io.StringIO()
    longest = max((len(row[0]) for row in rows), default=0)  # a path in the first column is never folded
    Console(file=out, width=max(WIDTH, longest + 60), color_system=None).print(made)
    return "\n".join(line.rstrip() for line in out.getvalue().rstrip().splitlines())


def share(value: float | None) -> str:
    return NONE if value is None else f"{100 * value:.1f}"


def span(low: float | None, high: float | None) -> str:
    return NONE if low is None or high is None else f"{100 * low:.0f} to {100 * high:.0f}"


# ── a finished study ─────────────────────────────────────────────────────────────────────────────────────────────────


def result_json(result: Result) -> dict[str, Any]:
    return {
        "run": str(result.run.folder),
        "decision": result.decision,
        "comparison": result.comparison,
        "searched": read_searched(result.run),
        "report": str(result.run.folder / "report.html"),
    }


def result_text(result: Result) -> str:
    report = f"Report: {result.run.folder / 'report.html'}"
    return "\n\n".join([arms_text(result), *search_text(result.run), decision_text(result.decision), report])


def search_text(run: Run) -> list[str]:
    """The settings that were searched: what each search chose and how many trials it took; nothing where there was none."""
    found = read_searched(run)
    rows = [
        [
            one.what,
            ", ".join(f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}" for key, value in one.chosen.items()),
            f"{one.value:.3f}",
            str(len(one.trials)),
            str(one.count("pruned")),
            str(one.count("failed")),
        ]
        for one in (found.results if found else ())
    ]
    return [table(["searched on dev questions", "chosen", "value", "trials", "pruned", "failed"], rows, right=range(2, 6))] if rows else []


def arms_text(result: Result) -> str:
    """The table of arms: scores in percent with 95 % intervals, and what they took."""
    from ragft import scoring

    frame = scoring.scores_frame(result.run)
    rows = []
    for row in result.comparison.arms:
        part = frame[frame["arm"] == row.name]
        rows.append(
            [
                row.name,
                share(row.estimate.mean),
                span(row.low, row.high),
                " ".join(share(mean) for mean in row.seed_means) if len(row.seed_means) > 1 else NONE,
                _mean(part, "recall@k", 100, 0),
                _mean(part, "abstained", 100, 0),
                _mean(part, "false_answer", 100, 0),
                _mean(part, "seconds", 1, 2),
                str(int((part["outcome"] == "error").sum())),
            ]
        )
    found = result.comparison
    headers = ["arm", f"{found.metric} %", "95 % interval", "by seed", "recall@k %", "abstained %", "false answers %", "s/question", "errors"]
    caption = f"{found.questions} test questions from {found.documents} documents; reference arm: {found.reference}."
    if found.detectable is not None:
        gain = f"{100 * found.detectable:.0f} points" if found.detectable <= 1 else "none, however large"
        caption += f" Smallest gain found with 80 % power: {gain}."
    missing = [f"{name}: {words}." for name, words in covered(found).items()]
    return "\n".join([table(headers, rows, right=range(1, 9)), caption, *missing, *_strata(found)])


def _strata(found: Comparison) -> list[str]:
    """The arms' scores by what the training questions had covered, where that differs between questions."""
    rows = {(row.value, row.arm): row for row in found.slices if row.slice == "stratum"}
    kinds = list(dict.fromkeys(kind for kind, _ in rows))
    if len(kinds) < 2:
        return []
    arms = [row.name for row in found.arms]
    body = [
        [KINDS.get(kind, kind), str(max(row.n for (k, _), row in rows.items() if k == kind)), *(_score(rows.get((kind, arm))) for arm in arms)]
        for kind in kinds
    ]
    made = table([f"{found.metric} %, by kind", "questions", *arms], body, right=range(1, len(arms) + 2))
    return ["", made, "The verdict pools these kinds of question as they stand."]


def _score(row: SliceRow | None) -> str:
    return share(row.mean) if row else NONE


def _mean(frame: Any, column: str, scale: float, digits: int) -> str:
    values = frame[column].dropna()
    return f"{scale * values.mean():.{digits}f}" if len(values) else NONE


def decision_text(decision: Decision) -> str:
    """The verdict with its reasons."""
    lines = [f"Verdict: {decision.verdict} (recommended: {decision.recommend})", decision.headline, ""]
    lines.append(
        f"Holds for {decision.model}, metric {decision.metric}, margin {100 * decision.margin:g} points, alpha {decision.alpha:g} one-sided."
    )
    lines += _bullets("Because", decision.because)
    lines += _bullets("Would change if", decision.would_change_if)
    lines += _bullets("Ruled out", [f"{arm}: {'; '.join(unmet)}" for arm, unmet in decision.excluded.items()])
    lines += _bullets("Needs that are not settled", [f"{arm}: {'; '.join(waiting)}" for arm, waiting in decision.open_needs.items()])
    lines += _bullets("Mind", decision.warnings)
    return "\n".join(lines)


def _bullets(title: str, sentences: Sequence[str]) -> list[str]:
    return ["", f"{title}:", *(f"  - {sentence}" for sentence in sentences)] if sentences else []


def comparison_text(found: Comparison) -> str:
    rows = [
        [d.arm, d.minus, signed(d.estimate.mean), points_span(d.low, d.high, NONE), str(d.estimate.n)]
        for d in {(d.arm, d.minus): d for d in [*found.challengers, *found.against_base]}.values()
    ]
    rows += [
        ["interaction", f"{i.rag} x {i.tuned}", signed(i.estimate.mean), points_span(i.low, i.high, NONE), str(i.estimate.n)]
        for i in found.interactions
    ]
    return table(["arm", "minus", "points", "interval, all at once", "questions"], rows, right=range(2, 5))


def scores_json(run: Run) -> list[dict[str, Any]]:
    """Every metric's mean for each arm and seed."""
    from ragft import registry, scoring

    frame = scoring.scores_frame(run)
    metrics = list(registry.entries("metric"))
    return [
        {"arm": arm, "seed": seed, **{m: None if part[m].dropna().empty else float(part[m].dropna().mean()) for m in metrics}}
        for (arm, seed), part in frame.groupby(["arm", "seed"], sort=False)
    ]


def scores_text(run: Run) -> str:
    rows = scores_json(run)
    shown = ["match", "exact_match", "token_f1", "abstained", "recall@k", "sufficiency", "groundedness"]
    shown += [name for name in ("entailment", "citation_precision") if any(row[name] is not None for row in rows)]
    body = [[row["arm"], str(row["seed"]), *(NONE if row[m] is None else f"{row[m]:.3f}" for m in shown)] for row in rows]
    return table(["arm", "seed", *shown], body, right=range(1, 2 + len(shown)))


# ── runs and questions ───────────────────────────────────────────────────────────────────────────────────────────────


def runs_json(runs: Path) -> list[dict[str, Any]]:
    """The runs of a folder, newest first; one whose manifest or decision cannot be read has the status "broken"."""
    return newest_first([run_json(path.parent) for path in sorted(runs.glob("*/manifest.json"))])


def newest_first(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: str(row["began"] or ""), reverse=True)


def run_json(folder: Path) -> dict[str, Any]:
    """One run of that list."""
    row = dict.fromkeys(["run", "began", "status", "questions", "verdict", "recommend"]) | {"run": str(folder)}
    try:
        manifest = read_json(folder / "manifest.json")
        row |= {"began": manifest["began"], "status": manifest["status"], "questions": manifest["data"]["questions"]["test"]}
        if row["status"] == "running" and not Run(folder).busy:
            row["status"] = "stopped"  # killed, or the machine went down: nothing was left to say so
        if row["status"] == "finished":
            decided = read_json(folder / "decision.json")
            row |= {"verdict": decided["verdict"], "recommend": decided["recommend"]}
    except (InputError, MissingError, OSError, KeyError, TypeError):
        row["status"] = "broken"
    return row


def runs_text(rows: Sequence[dict[str, Any]], runs: Path) -> str:
    if not rows:
        return f"No runs in {runs}/. Start one with: ragft run study.yaml"
    body = [[row["run"], row["status"], str(row["questions"] or NONE), row["verdict"] or NONE, row["recommend"] or NONE] for row in rows]
    return table(["run", "status", "questions", "verdict", "recommended"], body, right=[2])


def question_json(run: Run, key: str) -> dict[str, Any]:
    """One question: gold and, for each arm and seed, answer, scores and passages."""
    from ragft import scoring
    from ragft.answerlog import question_lines, record_at
    from ragft.types import Answer, Question

    questions = {q.id: q.text for q in read_jsonl_as(Question, run.folder / "questions.jsonl")}
    if key not in questions:
        raise unknown("question", key, questions)
    gold = next(g for g in scoring.read_gold(run) if g.id == key)
    frame = scoring.scores_frame(run)
    answers = []
    for name, seed in scoring.finished(run):
        path = run.seed_folder(name, seed) / "answers.jsonl"
        answer = record_at(Answer, path, question_lines(path)[key])
        row = frame[(frame["arm"] == name) & (frame["seed"] == seed) & (frame["question"] == key)].iloc[0]
        passages = [f"{hit.chunk.heading}: {hit.chunk.text}" for hit in answer.hits or ()]
        answers.append(
            {
                "arm": name,
                "seed": seed,
                "answer": answer.text,
                "outcome": answer.outcome,
                "match": row["match"],
                "passages": passages,
                "prompt": answer.prompt,
            }
        )
    return {"id": key, "question": questions[key], "answers": gold.answers, "document": gold.document, "stratum": gold.stratum, "arms": answers}


def question_text(found: dict[str, Any]) -> str:
    expected = " | ".join(found["answers"]) or "(unanswerable: the right answer is to say so)"
    rows = [[a["arm"], str(a["seed"]), a["outcome"], NONE if a["match"] is None else f"{a['match']:g}", a["answer"]] for a in found["arms"]]
    head = f"{found['question']}\nExpected: {expected}   ({found['stratum']}, {found['document']})\n\n"
    return head + table(["arm", "seed", "outcome", "match", "answer"], rows)
