"""A domain from what is at hand: documents in a folder or in memory, questions in a file, in memory, or none yet.

from ragft import make_domain
make_domain("manuals", {"pump.md": "It holds 42 bar."}, [{"question": "How much does it hold?", "answers": ["42 bar"], "document": "pump.md"}])
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragft.asking.study import make_study
from ragft.domain import Domain, load_domain
from ragft.domain.draft import check_free
from ragft.domain.frames import write_documents, write_questions
from ragft.domain.scaffold import init_study
from ragft.errors import RagftError
from ragft.store import write_text

if TYPE_CHECKING:
    import pandas as pd

    Rows = pd.DataFrame | Iterable[Mapping[str, Any]]


def make_domain(folder: Path | str, documents: Path | str | Mapping[str, str] | Rows, questions: Path | str | Rows | None = None) -> Domain:
    """Make `folder` with the documents, the questions and a study.yaml: what `Study(domain=folder)` and `load_study(folder)` take.

    `documents`: a folder, a mapping of names to texts, or rows (a DataFrame, a list of mappings) with `name` and `text`; a name without
    .md or .txt gets .txt. `questions`: a .csv or .jsonl file, or rows with `question`, `answers` (one text, or a list; none: the documents
    do not answer it) and what else questions.jsonl knows; None: some are made from the documents by rules, which is worth reading
    before it is trusted. Raises InputError or MissingError, and writes nothing, where something is wrong in them or the folder holds a study.
    """
    folder = Path(folder)
    check_free(folder)
    with tempfile.TemporaryDirectory() as beside, _named_by_row(Path(beside)):
        corpus, asked, names = Path(beside, "documents"), Path(beside, "questions.jsonl"), dict[str, str]()
        if isinstance(documents, str | Path):
            corpus = Path(documents)
        else:
            corpus.mkdir()
            names = write_documents(corpus, documents)
        if isinstance(questions, str | Path):
            asked = Path(questions)
        elif questions is not None:
            write_questions(asked, questions, names)
        study = make_study(corpus, folder).study if questions is None else init_study(folder, corpus, asked)
        write_text(study, study.read_text(encoding="utf-8").replace(f"{beside}/", ""))
    return load_domain(folder)


@contextmanager
def _named_by_row(beside: Path) -> Iterator[None]:
    """Around reading what was written there: a mistake is in a row of what was given, and no file is named that is gone."""
    try:
        yield
    except RagftError as error:
        said = str(error).replace(f"{beside / 'questions.jsonl'}:", "questions row ").replace(f"{beside}/", "")
        if said == str(error):
            raise
        raise type(error)(said) from error
