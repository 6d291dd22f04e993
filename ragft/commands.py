"""The commands around a run: plan it before, drill it, try its risks and judge its answers afterwards, decide again, validate.

Arguments, exit codes and printing, nothing else; cli.py has the other commands and the entry point.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ragft.terminal import ArmsOption, ChangesOption, JsonOption, RunArgument, RunsOption, StudyArgument, find, names, say, show


def decide(
    run: Annotated[Path | None, typer.Argument(metavar="[RUN]", help="The folder of a run, as `ragft ls` prints it.")] = None,
    replay: Annotated[bool, typer.Option("--replay", help="Make the run's verdict again from its scores, and compare it bit for bit.")] = False,
    scores: Annotated[
        list[str] | None, typer.Option(metavar="[NAME=]FILE", help="Scores made elsewhere, instead of a run (docs/scores.md). Repeatable.")
    ] = None,
    reference: Annotated[str | None, typer.Option(metavar="ARM", help="With --scores: the RAG that fine-tuning has to beat.")] = None,
    margin: Annotated[float | None, typer.Option(help="With --scores: the gain worth paying for, as a share of 1; 0.03 unless given.")] = None,
    alpha: Annotated[float | None, typer.Option(help="With --scores: the error probability, one-sided; 0.025 unless given.")] = None,
    scorer: Annotated[str | None, typer.Option(metavar="NAME", help="With --scores: which of a log's scores.")] = None,
    settings: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --scores: YAML with margin, alpha, reference, needs, costs, slices, metric, model.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Decide again from a run's scores and costs, or from scores made elsewhere."""
    from ragft import views
    from ragft.errors import InputError

    asked = {name: value for name, value in (("reference", reference), ("margin", margin), ("alpha", alpha), ("scorer", scorer)) if value is not None}
    one_of_both = InputError("decide takes a run's folder, or scores: ragft decide RUN, or: ragft decide --scores scores.csv")
    if scores:
        if run is not None:
            raise one_of_both
        from ragft.scorefile import decide_scores
        from ragft.scoresettings import read_settings

        if replay:
            raise InputError("--replay goes with a run, not with --scores.")
        stated = read_settings(settings) if settings else {}
        comparison, decision = decide_scores(scores, **{**stated, **asked})
        both = {"decision": decision, "comparison": comparison}
        show(as_json, both, f"{views.comparison_text(comparison)}\n\n{views.decision_text(decision)}")
        return
    if run is None:
        raise one_of_both
    from ragft.study import decide_run
    from ragft.study import replay as replay_run

    if settings:
        raise InputError("--settings goes with --scores. Of a run, change study.yaml.")
    if asked:
        raise InputError(f"--{min(asked)} goes with --scores. Of a run, change study.yaml, or: ragft run STUDY --set {min(asked)}=VALUE")
    found = find(run)
    with found.locked():
        if replay:
            said = replay_run(found)
            show(
                as_json,
                {"run": str(found.folder), "record": said, "same": True},
                f"{found.folder}: the same verdict, bit for bit (record {said[:12]}).",
            )
            return
        decision = decide_run(found)
    show(as_json, decision, views.decision_text(decision))


def plan(
    study: StudyArgument,
    limit: Annotated[int | None, typer.Option(min=1, help="Ask this many test questions at most, spread over all documents.")] = None,
    runs: RunsOption = Path("runs"),
    changes: ChangesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say beforehand what a study can show, what to add, and how long it takes here, by a probe of seconds."""
    from dataclasses import replace

    from ragft.pace import probe
    from ragft.plan import make_plan
    from ragft.plantext import plan_text
    from ragft.progress import Lines
    from ragft.study import load_study, prepare

    context = prepare(load_study(study, [*(changes or []), *([f"limit={limit}"] if limit else [])]), runs)
    planned = replace(make_plan(context), work=probe(context, Lines()))
    show(as_json, planned, plan_text(planned))


def drill(
    study: StudyArgument,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Version 2: a folder with corpus/ and questions.jsonl, or only the documents.")],
    questions: Annotated[Path | None, typer.Option(metavar="FILE", help="Version 2's questions, where they lie elsewhere.")] = None,
    arms: ArmsOption = None,
    runs: RunsOption = Path("runs"),
    limit: Annotated[int, typer.Option(min=1, help="Ask so many questions of each kind of change at most.")] = 40,
    changes: ChangesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replace the documents of a finished run by their next version: what is fresh after re-indexing, what after re-training, and when."""
    from ragft.drill import drill as carry_out
    from ragft.followtext import drill_text
    from ragft.progress import Lines
    from ragft.study import follow_up, load_study

    corpus = to / "corpus" if questions is None and (to / "corpus").is_dir() else to
    asked = questions or to / "questions.jsonl"
    settings = load_study(study, changes or [])
    done = follow_up(settings, runs, lambda context: carry_out(context, corpus, asked, names(arms), Lines(), limit), Lines())
    show(as_json, done, drill_text(done))


def risks(
    study: StudyArgument,
    arms: ArmsOption = None,
    runs: RunsOption = Path("runs"),
    questions: Annotated[int, typer.Option(min=1, help="Try each risk on so many questions at most.")] = 40,
    changes: ChangesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Try the arms of a finished run on distractors, conflicts, injected orders and missing evidence, and what their adapters give away."""
    from ragft.followtext import risks_text
    from ragft.progress import Lines
    from ragft.risks import candidates
    from ragft.risks import risks as carry_out
    from ragft.study import follow_up, load_study

    settings = load_study(study, changes or [])
    done = follow_up(settings, runs, lambda context: carry_out(context, names(arms) or candidates(context), Lines(), questions), Lines())
    show(as_json, done, risks_text(done))


def judge(
    run: RunArgument,
    judge: Annotated[str, typer.Option(metavar="NAME", help="local, local:MODEL, or module:attribute, a LangChain chat model.")] = "local",
    labels: Annotated[Path | None, typer.Option(metavar="FILE", help="People's labels: a filled-in sheet.")] = None,
    label_sheet: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a sheet for people to fill in, and stop.")] = None,
    number: Annotated[int, typer.Option(min=1, help="With --label-sheet: all answers to so many questions.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """Let a judge grade a run's answers, and say what its grades are worth: agreement, error rates by arm, corrected differences."""
    from ragft.judged import assess
    from ragft.judges import make_judge, short_name
    from ragft.judgetext import judged_text
    from ragft.judging import judge_run
    from ragft.labels import read_labels, write_label_sheet
    from ragft.privacy import keep_private
    from ragft.progress import Lines
    from ragft.study import read_study, report_run

    found = find(run)
    if label_sheet is not None:
        sheet = write_label_sheet(found, label_sheet, number)
        show(as_json, sheet, f"{sheet.path}: {sheet.answers} answers to {sheet.questions} questions. Write 1 or 0 into the column 'correct'.")
        return
    keep_private()
    given, name = (read_labels(found, labels) if labels else None), short_name(judge)
    with found.locked(), Lines().unit(f"judge {name}", 1, 1) as progress:
        judge_run(found, make_judge(judge, read_study(found).model), name, progress)
        judged = assess(found, name, given)
        report_run(found)
    show(as_json, judged, judged_text(judged))


def validate(
    quick: Annotated[bool, typer.Option("--quick", help="Fewer worlds: under a minute.")] = False,
    worlds: Annotated[int | None, typer.Option(min=1, help="Worlds a cell; 2,000 unless given.")] = None,
    seed: Annotated[int, typer.Option(help="Of all random numbers.")] = 0,
    doc: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the table of all cells, and a figure beside it.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Simulate worlds whose truth is known and run ragft's own code on them: how often is its verdict wrong?"""
    from ragft import validate as checks
    from ragft.progress import Lines
    from ragft.validationpage import write_document

    found = checks.validate(quick, worlds, seed, Lines())
    if doc is not None:
        options = "".join([" --quick" if quick else "", f" --worlds {worlds}" if worlds else "", f" --seed {seed}" if seed else ""])
        write_document(found, doc, f"ragft validate{options} --doc {doc}")
        say(f"{doc}: the table of all cells.")
    show(as_json, found, checks.findings_text(found))
    if not all(finding.ok for finding in found):
        raise typer.Exit(1)


def dashboard(
    runs: RunsOption = Path("runs"),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where it listens.")] = 8501,
    address: Annotated[str, typer.Option(help="Of the network interface; whoever reaches it can read every run and start studies.")] = "localhost",
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open it in the browser.")] = True,
) -> None:
    """Look at runs in the browser: the verdict, what-if, every question, and new studies."""
    from ragft.dashboard.launch import launch

    launch(runs, port, address, browser)


def add_to(app: typer.Typer) -> None:
    """Register them."""
    for command in (plan, decide, drill, risks, judge, validate, dashboard):
        app.command()(command)
