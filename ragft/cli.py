"""The command line: arguments, exit codes and printing, nothing else.

Results go to stdout, progress to stderr. A mistake of the user's is one line and exit code 1.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ragft import listings, views
from ragft.errors import InputError, RagftError, unknown
from ragft.files import say_disk_full, say_refused

app = typer.Typer(
    name="ragft",
    help="Do we still need fine-tuning? RAG, fine-tuning and both, compared on your own documents, with a verdict.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run, as `ragft ls` prints it.")]
RunsOption = Annotated[Path, typer.Option("--runs", metavar="DIR", help="Where runs are kept.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
IMPORT_KINDS = ("squad", "pubmedqa", "jsonl", "csv")
LISTS = ("arms", "retrievers", "tunings", "formats", "metrics", "models")


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The study's folder; it is made.")],
    corpus: Annotated[Path, typer.Option(help="Your documents: md, txt, html, csv, jsonl, pdf or docx files.")],
    questions: Annotated[Path | None, typer.Option(help="Your questions and answers: a .csv or .jsonl file.")] = None,
) -> None:
    """Make a study from a folder of documents and, if you have them, questions."""
    from ragft.domain.scaffold import init_study

    path = init_study(folder, corpus, questions)
    print(path)
    if questions is None:
        _say(f"Next: write your questions into {folder / 'questions.jsonl'} (see {folder / 'questions.example.jsonl'}), then: ragft run {path}")
    else:
        _say(f"Next: ragft run {path}")


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
    _say(f"Next: ragft run {path}")


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
    from ragft.threads import wait_quietly

    keep_private()
    wait_quietly()
    findings = check_domain(folder, None if quick else Lines(), limit)
    _print(as_json, findings, listings.findings_text(findings))
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


@app.command()
def run(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="study.yaml, or the folder it is in.")],
    runs: RunsOption = Path("runs"),
    limit: Annotated[int | None, typer.Option(min=1, help="Ask this many test questions at most, spread over all documents.")] = None,
    changes: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, e.g. arms.rag.k=8. Repeatable.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run a study to its verdict. Stopped at any moment, the same command goes on."""
    from ragft.foreword import foreword
    from ragft.progress import Lines
    from ragft.study import carry_out, load_study, of_this_machine, prepare

    settings = load_study(study, [*(changes or []), *([f"limit={limit}"] if limit else [])])
    try:
        context = prepare(settings, runs)
        _say(foreword(context))
        result = carry_out(context, Lines(), of_this_machine())
    except KeyboardInterrupt:
        _say("\nStopped. The same command goes on where this one was.")
        raise typer.Exit(130) from None
    _print(as_json, views.result_json(result), views.result_text(result))


@app.command()
def score(run: RunArgument, as_json: JsonOption = False) -> None:
    """Score a run's stored answers again (seconds, no model)."""
    from ragft.study import score_run

    found = _find(run)
    with found.locked():
        score_run(found)
    _print(as_json, views.scores_json(found), views.scores_text(found))


@app.command()
def compare(run: RunArgument, as_json: JsonOption = False) -> None:
    """Compare the arms of a scored run again."""
    from ragft.study import compare_run

    found = _find(run)
    with found.locked():
        comparison = compare_run(found)
    _print(as_json, comparison, views.comparison_text(comparison))


@app.command()
def decide(run: RunArgument, as_json: JsonOption = False) -> None:
    """Decide again from a run's comparison and costs."""
    from ragft.study import decide_run

    found = _find(run)
    with found.locked():
        decision = decide_run(found)
    _print(as_json, decision, views.decision_text(decision))


@app.command()
def report(run: RunArgument) -> None:
    """Write a run's report.html and report.md again."""
    from ragft.study import report_run

    found = _find(run)
    with found.locked():
        print(report_run(found))


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
    _print(as_json, made, str(made.folder))
    if len(made.seeds) > 1:
        _say(f"Seed {made.seed} of {', '.join(map(str, made.seeds))}; another with --seed.")
    _say(f"How to use it, and how it scored: {made.folder / 'README.md'}")


@app.command("ls")
def ls(runs: RunsOption = Path("runs"), as_json: JsonOption = False) -> None:
    """List the runs of a folder with their verdicts."""
    rows = views.runs_json(runs)
    _print(as_json, rows, views.runs_text(rows, runs))


@app.command()
def show(
    run: RunArgument,
    question: Annotated[str | None, typer.Option(help="A question's id: show every arm's answer to it.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show a run's table and verdict, or one question with all answers."""
    from ragft.study import load_result

    if question is not None:
        found = views.question_json(_find(run), question)
        _print(as_json, found, views.question_text(found))
        return
    result = load_result(_find(run))
    _print(as_json, views.result_json(result), views.result_text(result))


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
        _print(as_json, found, listings.tunings_text(found))
        return
    if model is not None:
        raise InputError(f"--model goes with tunings, not with {what}. Leave it out, or: ragft list tunings --model {model}")
    rows = listings.names_json(what)
    _print(as_json, rows, listings.names_text(rows))


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Check that this machine has what a study needs."""
    from ragft.doctor import check

    checks = check()
    _print(as_json, checks, listings.checks_text(checks))
    if not all(found.ok for found in checks):
        raise typer.Exit(1)


def _find(path: Path) -> Any:
    from ragft.store import find_run

    return find_run(path)


def _print(as_json: bool, value: Any, text: str) -> None:
    if as_json:
        from ragft.store import to_json

        print(json.dumps(json.loads(to_json(value)), ensure_ascii=False, indent=1))
    else:
        print(text)


def _say(line: str) -> None:
    print(line, file=sys.stderr)


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
    _say("ragft: " + " ".join(line.split()))
    return 1


if __name__ == "__main__":
    sys.exit(main())
