"""Write what the documentation takes from the code: every command, study key and name, the methods' pictures, the verdicts' words.

    python pipelines/make_docs.py            # after a change of these; seconds, no model
    python pipelines/make_docs.py --check    # exit code 1 where a page is stale, and which

Only what stands between `<!-- made: NAME -->` and `<!-- end -->` in docs/ is replaced, and the pictures docs/methods/*.svg and
docs/verdicts.svg. Prints JSON: the files that were, or would be, written anew.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from docparts import commands, keys, marked, methods, public, registered, verdicts

DOCS = Path(__file__).parents[1] / "docs"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where something is stale")
    arguments = parser.parse_args()
    stale = {path: text for path, text in made(DOCS).items() if not path.is_file() or path.read_text(encoding="utf-8") != text}
    if not arguments.check:
        for path, text in stale.items():
            path.write_text(text, encoding="utf-8")
    print(json.dumps({"stale" if arguments.check else "written": sorted(path.relative_to(DOCS.parent).as_posix() for path in stale)}, indent=1))
    return int(arguments.check and bool(stale))


def made(docs: Path) -> dict[Path, str]:
    """Every file of docs/ that has a part from the code, as it should be. Raises KeyError for a mark of which there is no part."""
    parts = {
        "commands": commands.commands_part(),
        "public": public.public_part(),
        **keys.parts(),
        **registered.parts(),
        **verdicts.parts(),
        **methods.parts((docs / "peft.md").read_text(encoding="utf-8")),
    }
    pages = {path: path.read_text(encoding="utf-8") for path in sorted(docs.rglob("*.md"))}
    found = {path: marked.renewed(text, parts) for path, text in pages.items() if marked.names(text)}
    drawn = {docs / "methods" / name: svg for name, svg in methods.figures().items()}
    return {**found, **drawn, docs / "verdicts.svg": verdicts.figure()}


if __name__ == "__main__":
    sys.exit(main())
