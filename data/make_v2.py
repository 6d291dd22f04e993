"""Version 2 of a domain, from its change log: corpus-v2/ and questions-v2.jsonl.

    python data/make_v2.py data/tarnbeck

changes.jsonl has one change a line: `edits` replace a text that stands once in a document, a document is deleted, or one is
added from changes/. `affects` lists the questions whose answer changes, with the old answer, the new one (none: no longer
answered) and its evidence; `requotes` those that stay right but whose quote reads differently now.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from ragft.domain.rows import read_jsonl
from ragft.errors import InputError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("domain", type=Path)
    make_v2(parser.parse_args().domain)


def make_v2(domain: Path) -> None:
    """Write DOMAIN/corpus-v2 and DOMAIN/questions-v2.jsonl anew. Raises InputError for a change that does not fit."""
    changes = [change for _, change in read_jsonl(domain / "changes.jsonl")]
    corpus = domain / "corpus-v2"
    shutil.rmtree(corpus, ignore_errors=True)
    shutil.copytree(domain / "corpus", corpus)
    for change in changes:
        if change["kind"] == "deleted-document":
            (corpus / change["document"]).unlink()
        if change["kind"] == "new-document":
            target = corpus / change["document"]
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(domain / "changes" / change["document"], target)
        for edit in change["edits"]:
            _edit(corpus / edit["document"], edit["old"], edit["new"], change["id"])
    lines = [line for _, line in read_jsonl(domain / "questions.jsonl")]
    rows = changed_questions(lines, changes, {path.relative_to(corpus).as_posix() for path in corpus.rglob("*") if path.is_file()})
    (domain / "questions-v2.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def _edit(path: Path, old: str, new: str, change: str) -> None:
    text = path.read_text(encoding="utf-8")
    if text.count(old) != 1:
        raise InputError(f"change {change}: «{old}» stands {text.count(old)} times in {path}, not once. Make it longer, or mend it.")
    path.write_text(text.replace(old, new), encoding="utf-8")


def changed_questions(lines: Iterable[dict[str, Any]], changes: Iterable[dict[str, Any]], documents: Collection[str]) -> list[dict[str, Any]]:
    """The questions with their answers and evidence in version 2; one that is no longer answered keeps its document, if that is still there.

    Raises InputError where the log's old answer is not the question's.
    """
    rows = {line["id"]: dict(line) for line in lines}
    for change in changes:
        for entry in change["affects"]:
            row = rows[entry["question"]]
            if row["answers"] != entry["old"]:
                raise InputError(f"change {change['id']}: question {row['id']} has the answers {row['answers']}, not {entry['old']}.")
            before = row["evidence"][0] if row["evidence"] else {}
            home = (before[0] if isinstance(before, list) else before).get("document")
            row |= {"answers": entry["new"], "evidence": entry.get("evidence", [])}
            row.pop("document", None)
            if not entry["new"]:
                row |= {"kind": "unanswerable", "reason": "superseded"} | ({"document": home} if home in documents else {})
            elif not entry["old"]:
                row["kind"] = "other"
                row.pop("reason", None)
        for entry in change.get("requotes", []):
            rows[entry["question"]] |= {"evidence": entry["evidence"]}
    for row in rows.values():
        if row.get("document") not in (None, *documents):  # a deleted document answers nothing either
            del row["document"]
    return list(rows.values())


if __name__ == "__main__":
    main()
