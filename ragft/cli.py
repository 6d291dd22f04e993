"""The command line: arguments, exit codes and printing, nothing else.

Results go to stdout, progress to stderr. A mistake of the user's is one line and exit code 1.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragft import commands, listings, questions, views
from ragft.errors import InputError, RagftError, unknown
from ragft.files import say_disk_full, say_refused
from ragft.terminal import ChangesOption, JsonOption, RunArgument, RunsOption, StudyArgument, find, say, show

if TYPE_CHECKING:
    from ragft.store import Run

app = typer.Typer(
    name="ragft",
    help="Do we still need fine-tuning? RAG, fine-tuning and both, compared on your own documents, with a verdict.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

IMPORT_KINDS = ("squad", "pubmedqa", "jsonl", "csv")
LISTS = ("arms", "chunkers", "retrievers", "stages", "systems", "tunings", "formats", "metrics", "models")


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The study's folder; it is made.")],
    corpus: Annotated[Path, typer.Option(help="Your documents: md, txt, html, csv, jsonl, pdf or docx files.")],
    questions: Annotated[Path | None, typer.Option(help="Your questions and answers: a .csv or .jsonl file.")] = None,
    skip_broken: Annotated[bool, typer.Option("--skip-broken", help="Leave out documents that cannot be read; study.yaml names them.")] = False,
) -> None:
    """Make a study from a folder of documents and, if you have them, questions."""
    from ragft.domain.scaffold import init_study

    path = init_study(folder, corpus, questions, skip_broken=skip_broken)
    print(path)
    if questions is None:
        say(f"Next: write your questions into {folder / 'questions.jsonl'} (see {folder / 'questions.example.jsonl'}), then: ragft run {path}")
    else:
        say(f"Next: ragft run {path}")


@app.command("import")
def import_(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=f"The file's format: {', '.join(IMPORT_KINDS)}.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The data set.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The domain's folder; it is made.")],
) -> None:
    """Turn a public or exported data set into a domain and a study."""
    from ragft.domain.importers import import_data

    path = import_data(kind, file, folder)
    print(path)
    say(f"Next: ragft run {path}")


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="DOMAIN", help="A domain's folder: corpus/, questions.jsonl and, if there, study.yaml.")],
    quick: Annotated[bool, typer.Option("--quick", help="Only the checks of the text: seconds, no model.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Ask the model this many test questions at most.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check that a domain is fit to compare models by."""
    from ragft.privacy import keep_private
    from ragft.probe import check_domain
    from ragft.progress import Lines
    from ragft.threads import wait_briefly

    keep_private()
    wait_briefly()
    findings = check_domain(folder, None if quick else Lines(), limit)
    show(as_json, findings, listings.findings_text(findings))
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


@app.command()
def run(
    study: StudyArgument,
    runs: RunsOption = Path("runs"),
    limit: Annotated[int | None, typer.Option(min=1, help="Ask this many test questions at most, spread over all documents.")] = None,
    changes: ChangesOption = None,
    progress: Annotated[Path | None, typer.Option(metavar="FILE", help="Keep a JSON file that says how far it is, for other programs.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run a study to its verdict. Stopped at any moment, the same command goes on."""
    from ragft.foreword import foreword
    from ragft.progress import Lines
    from ragft.progressfile import telling
    from ragft.study import carry_out, load_study, of_this_machine, prepare

    try:
        with telling(progress, Lines()) as teller:
            context = prepare(load_study(study, [*(changes or []), *([f"limit={limit}"] if limit else [])]), runs)
            teller.about(context.run.folder)
            say(foreword(context))
            result = carry_out(context, teller, of_this_machine())
            show(as_json, views.result_json(result), views.result_text(result))
    except KeyboardInterrupt:
        say("\nStopped. The same command goes on where this one was.")
        raise typer.Exit(130) from None


@app.command()
def score(
    run: RunArgument,
    table: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write the scores as a table that `ragft decide --scores` reads.")] = None,
    nli: Annotated[str | None, typer.Option(metavar="MODEL", help="Also ask this NLI model whether answers follow from their passages.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Score a run's stored answers again (seconds; no model unless --nli names one)."""
    from ragft.study import read_study, score_run

    found = find(run)
    with found.locked():
        if nli is not None:
            _ask_nli(found, nli)
        score_run(found)
        if table is not None:
            from ragft.scorefile import write_scores

            write_scores(found, table, read_study(found).metric)
            say(f"{table}: every score by {read_study(found).metric}.")
    show(as_json, views.scores_json(found), views.scores_text(found))


def _ask_nli(run: Run, name: str) -> None:
    from ragft.entail import entail_run
    from ragft.models import find_model, is_hub_id
    from ragft.privacy import keep_private
    from ragft.progress import Lines

    keep_private(hub=is_hub_id(name))
    entail_run(run, find_model(name, "nli"), Lines())


@app.command()
def compare(run: RunArgument, as_json: JsonOption = False) -> None:
    """Compare the arms of a scored run again."""
    from ragft.study import compare_run

    found = find(run)
    with found.locked():
        comparison = compare_run(found)
    show(as_json, comparison, views.comparison_text(comparison))


@app.command()
def report(run: RunArgument) -> None:
    """Write a run's report.html and report.md again."""
    from ragft.study import report_run

    found = find(run)
    with found.locked():
        print(report_run(found))


commands.add_to(app)
questions.add_to(app)


@app.command()
def export(
    run: RunArgument,
    arm: Annotated[str, typer.Option(metavar="NAME", help="A fine-tuned arm of the run.")],
    to: Annotated[Path, typer.Option(metavar="DIR", help="The folder to write; it is made.")],
    seed: Annotated[int | None, typer.Option(help="Which of the arm's seeds; the lowest unless given.")] = None,
    merged: Annotated[bool, typer.Option("--merged", help="Fold the adapter into the weights: a whole model for transformers.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a fine-tuned arm as an adapter (peft's format where peft has the method) or a merged transformers model, with a model card."""
    from ragft.exports import export as write

    made = write(run, arm, to, seed=seed, merged=merged)
    show(as_json, made, str(made.folder))
    if len(made.seeds) > 1:
        say(f"Seed {made.seed} of {', '.join(map(str, made.seeds))}; another with --seed.")
    say(f"How to use it, and how it scored: {made.folder / 'README.md'}")


@app.command("ls")
def ls(runs: RunsOption = Path("runs"), as_json: JsonOption = False) -> None:
    """List the runs of a folder with their verdicts."""
    rows = views.runs_json(runs)
    show(as_json, rows, views.runs_text(rows, runs))


@app.command("show")
def show_(
    run: RunArgument,
    question: Annotated[str | None, typer.Option(help="A question's id: show every arm's answer to it.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show a run's table and verdict, or one question with all answers."""
    from ragft.study import load_result

    if question is not None:
        found = views.question_json(find(run), question)
        show(as_json, found, views.question_text(found))
        return
    result = load_result(find(run))
    show(as_json, views.result_json(result), views.result_text(result))


@app.command("list")
def list_(
    what: Annotated[str, typer.Argument(metavar="WHAT", help=f"One of: {', '.join(LISTS)}.")],
    model: Annotated[str | None, typer.Option(metavar="NAME", help="With tunings: the model that parameters are counted on.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List what a study can name."""
    if what not in LISTS:
        raise unknown("list", what, LISTS)
    if what == "tunings":
        found = listings.tunings(model)
        show(as_json, found, listings.tunings_text(found))
        return
    if model is not None:
        raise InputError(f"--model goes with tunings, not with {what}. Leave it out, or: ragft list tunings --model {model}")
    rows = listings.names_json(what)
    show(as_json, rows, listings.names_text(rows))


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Check that this machine has what a study needs."""
    from ragft.doctor import check

    checks = check()
    show(as_json, checks, listings.checks_text(checks))
    if not all(found.ok for found in checks):
        raise typer.Exit(1)


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code. What the user can mend becomes one line on stderr and exit code 1."""
    try:
        app(args=arguments)
    except SystemExit as end:  # how typer ends, with its own messages for wrong options
        return end.code if isinstance(end.code, int) else 0
    except RagftError as error:
        return _fail(str(error))
    except OSError as error:
        said = say_disk_full(error, Path(error.filename or ".")) or say_refused(error)
        if said is None:
            raise
        return _fail(str(said))
    return 0


def _fail(line: str) -> int:
    say("ragft: " + " ".join(line.split()))
    return 1


if __name__ == "__main__":
    sys.exit(main())
