"""Write what the documentation takes from the code: every command, study key and name, the methods' pictures, the verdicts' words.

    python pipelines/make_docs.py            # after a change of these; seconds on any machine, no model
    python pipelines/make_docs.py --check    # exit code 1 where a page is stale, and which

Only what stands between `<!-- made: NAME -->` and `<!-- end -->` in docs/ is replaced, and the pictures docs/methods/*.svg and
docs/verdicts.svg. Prints JSON: the files that were, or would be, written anew.
"""

from __future__ import annotations

import sys
from pathlib import Path

from docparts import commands, keys, marked, methods, public, registered, verdicts

from ragft.scripting import job_parser, run_job

DOCS = Path(__file__).parents[1] / "docs"


def main(arguments: list[str] | None = None) -> int:
    parser = job_parser(__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where something is stale")
    given = parser.parse_args(arguments)
    return run_job("make_docs", lambda: renew(given.check), lambda found: int(given.check and bool(found["stale"])))


def renew(check: bool) -> dict[str, list[str]]:
    """The files that are stale; unless it is only a check they are written anew."""
    stale = {path: text for path, text in made(DOCS).items() if not path.is_file() or path.read_text(encoding="utf-8") != text}
    if not check:
        for path, text in stale.items():
            path.write_text(text, encoding="utf-8")
    return {"stale" if check else "written": sorted(path.relative_to(DOCS.parent).as_posix() for path in stale)}


def made(docs: Path) -> dict[Path, str]:
    """Every file of docs/ that has a part from the code, as it should be. Raises KeyError for a mark of which there is no part."""
    parts = {
        "commands": commands.commands_part(),
        **keys.parts(),
        **registered.parts(),
        **public.parts(),
        **verdicts.parts(),
        **methods.parts((docs / "peft.md").read_text(encoding="utf-8")),
    }
    pages = {path: path.read_text(encoding="utf-8") for path in sorted(docs.rglob("*.md"))}
    found = {path: marked.renewed(text, parts) for path, text in pages.items() if marked.names(text)}
    drawn = {docs / "methods" / name: svg for name, svg in methods.figures().items()}
    return {**found, **drawn, docs / "verdicts.svg": verdicts.figure()}


if __name__ == "__main__":
    sys.exit(main())
