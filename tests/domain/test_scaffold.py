import json
import os

import pytest

from ragft.domain import load_domain
from ragft.domain.scaffold import init_study
from ragft.errors import InputError, MissingError
from ragft.settings import load_study

DOCUMENTS = {
    "pumps/kova.md": "# Kova 30\n\nThe Kova 30 has a maximum pressure of 42 bar. It weighs 12 kg.\n",
    "staff.txt": "Dr. Holt leads the team. She is in Ardley.",
    "faq.jsonl": '{"id": "k", "text": "The warranty lasts 30 months."}\n',
    "logo.png": "no text",
    "empty.md": "",
    ".git/config.md": "hidden",
}


@pytest.fixture
def docs(tmp_path):
    for name, text in DOCUMENTS.items():
        path = tmp_path / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "docs"


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


COPIED = ["corpus/faq.jsonl", "corpus/pumps/kova.md", "corpus/staff.txt"]


def test_without_questions_two_examples_show_how(docs, tmp_path):
    study = init_study(tmp_path / "my study", docs)
    folder = study.parent
    assert study == tmp_path / "my study" / "study.yaml"
    assert files(folder) == [*COPIED, "questions.example.jsonl", "study.yaml"]
    first, second = [json.loads(line) for line in (folder / "questions.example.jsonl").read_text().splitlines()]
    assert first["evidence"] == [{"document": "pumps/kova.md", "quote": "The Kova 30 has a maximum pressure of 42 bar."}]
    assert first["answers"] and second["answers"] == [] and second["document"] == "pumps/kova.md"
    os.rename(folder / "questions.example.jsonl", folder / "questions.jsonl")
    assert len(load_domain(folder).gold) == 2  # the examples are valid as they stand
    loaded = load_study(study)
    assert list(loaded.arms) == ["base", "rag", "lora", "rag+lora"] and loaded.name == "my-study"
    assert "logo.png: left out" in study.read_text()


def test_places_of_one_piece_of_evidence_are_each_looked_up(docs, tmp_path):
    questions = tmp_path / "questions.jsonl"
    questions.write_text(
        json.dumps({"question": "How heavy?", "answers": ["12 kg"], "evidence": [[{"quote": "weighs 12 kg"}, {"quote": "leads the team"}]]})
    )
    (line,) = (init_study(tmp_path / "new", docs, questions).parent / "questions.jsonl").read_text().splitlines()
    assert [place["document"] for place in json.loads(line)["evidence"][0]] == ["pumps/kova.md", "staff.txt"]


def test_with_a_csv(docs, tmp_path):
    table = tmp_path / "faq.csv"
    table.write_text(
        "question,answers,evidence,document\n"
        "How heavy is it?,12 kg|twelve kilograms,It weighs 12 kg.,\n"
        "Who leads?,Dr. Holt,leads the team,staff.txt\n"
        "How long is the warranty?,30 months,lasts 30 months,\n"
        "What does it cost?,,,pumps/kova.md\n"
    )
    study = init_study(tmp_path / "new", docs, table)
    assert files(study.parent) == [*COPIED, "questions.jsonl", "study.yaml"]
    gold = list(load_domain(study.parent).gold.values())
    assert [g.document for g in gold] == ["pumps/kova.md", "staff.txt", "faq.jsonl#k", "pumps/kova.md"]
    assert [g.answers for g in gold] == [("12 kg", "twelve kilograms"), ("Dr. Holt",), ("30 months",), ()]
    assert list(load_study(study).arms) == ["base", "oracle", "rag", "lora", "rag+lora", "raft"]


def test_with_a_jsonl_without_evidence(docs, tmp_path):
    lines = tmp_path / "q.jsonl"
    lines.write_text('{"question": "A?", "answer": "12 kg", "split": "test"}\n')
    study = init_study(tmp_path / "new", docs, lines)
    assert list(load_study(study).arms) == ["base", "rag"]
    assert "left out: lora (no question in the train split)" in study.read_text()


BAD = [
    ("q.csv", "question,answers,evidence\nA?,12 kg,It weighs 13 kg.\n", "q.csv:2: the evidence stands in no document: «It weighs 13 kg.»"),
    (
        "q.csv",
        "question,answers,evidence\nA?,a,e\n",
        "q.csv:2: the evidence stands in 3 documents (faq.jsonl#k, pumps/kova.md, staff.txt …): «e». Name one",
    ),
    ("q.csv", "question,answers,document\nA?,a,kova.md\n", "q.csv:2: no document 'kova.md' in the corpus. Did you mean 'pumps/kova.md'?"),
    ("q.csv", "question,answers,context\nA?,a,b\n", 'q.csv:2: a "context" here, but the documents come from --corpus'),
    ("q.csv", "question,anwsers\nA?,a\n", "q.csv:1: unknown column 'anwsers'. Did you mean 'answers'?"),
    ("q.csv", "question,answers\nA?,a\nA,b\n", "q.csv:3: this question stands on line 2 with another answer"),
    ("q.csv", "question,answers,evidence\nA?,a,[1\n", "q.csv:2: broken JSON in the evidence"),
    ("q.csv", b"question,answers\nA?,caf\xe9\n", "q.csv:2: not UTF-8"),
    ("q.jsonl", '{"question": "A?"}\n', 'q.jsonl:1: a question needs "answers"'),
    ("q.xlsx", "", "q.xlsx: questions are read from .csv, .jsonl, .tsv files"),
    ("docs/q.csv", "question,answers\nA?,a\n", "q.csv: the questions lie among the documents"),
]


@pytest.mark.parametrize(("name", "content", "message"), BAD)
def test_wrong_questions_are_one_line_and_leave_nothing(docs, tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as caught:
        init_study(tmp_path / "new", docs, tmp_path / name)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "new").exists() and not list(tmp_path.glob(".new*"))


def test_wrong_folders(docs, tmp_path):
    with pytest.raises(MissingError, match="no such folder"):
        init_study(tmp_path / "new", tmp_path / "nothing")
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="no document with text in it"):
        init_study(tmp_path / "new", tmp_path / "none")
    with pytest.raises(MissingError, match=r"q.csv: no such file"):
        init_study(tmp_path / "new", docs, tmp_path / "q.csv")
    (docs / "bad.txt").write_bytes(b"\0")
    with pytest.raises(InputError, match=r"bad.txt:1: binary data"):
        init_study(tmp_path / "new", docs)
    assert not (tmp_path / "new").exists()
    study = init_study(tmp_path / "without", docs, skip_broken=True)
    assert "bad.txt:1: binary data" in study.read_text() and not (study.parent / "corpus" / "bad.txt").exists()
    with pytest.raises(InputError, match="is a file"):
        init_study(docs / "staff.txt", docs)


def test_a_study_is_never_overwritten(docs, tmp_path):
    (docs / "empty.md").unlink()
    study = init_study(tmp_path / "new", docs)
    before = files(study.parent), study.read_text()
    with pytest.raises(InputError, match=r"already holds a study \(corpus, study.yaml\)"):
        init_study(tmp_path / "new", docs)
    assert (files(study.parent), study.read_text()) == before
