"""`ragft check`: every check on a tiny domain, once right and once with the mistake it is for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ragft.audit import Expected, audit, read_expected
from ragft.cli import main
from ragft.domain import load_domain
from ragft.domain.ledger import sentences
from ragft.errors import InputError
from ragft.probe import check_domain, copier
from ragft.progress import Silent

KOVA = "# Kova 30\n\n## Limits\n\nThe Kova 30 has a maximum pressure of 42 bar. The Kova 30 weighs 12 kg.\n"
SELD = "# Seld 9\n\n## Limits\n\nThe Seld 9 has a maximum pressure of 17 bar. Anna Holt designed the Seld 9 in Turku.\n"
FACTS = [
    {"fact": "f1", "subject": "Kova 30", "relation": "maximum pressure", "value": "42 bar", "documents": ["kova.md"], "frequency": 1},
    {"fact": "f2", "subject": "Seld 9", "relation": "designed by", "value": "Anna Holt", "documents": ["seld.md"], "frequency": 1},
]
P42 = [{"document": "kova.md", "quote": "The Kova 30 has a maximum pressure of 42 bar."}]
HOLT = [{"document": "seld.md", "quote": "Anna Holt designed the Seld 9 in Turku."}]


def asked(key, fact, wording, split, question, answers, evidence, **more):
    return {"id": key, "fact": fact, "wording": wording, "split": split, "question": question, "answers": answers, "evidence": evidence, **more}


QUESTIONS = [
    asked("q1", "f1", 0, "train", "What is the maximum pressure of the Kova 30?", ["42 bar"], P42, kind="value"),
    asked("q2", "f1", 1, "train", "How many bar does a Kova 30 stand?", ["42 bar"], P42, kind="value"),
    asked("q3", "f1", 2, "test", "At which pressure must one stop with the Kova 30?", ["42 bar"], P42, kind="value"),
    asked("q4", "f2", 0, "test", "Who designed the Seld 9?", ["Anna Holt"], HOLT, kind="person"),
    asked("q5", "u1", 0, "test", "What does the Kova 30 cost?", [], [], kind="unanswerable", document="kova.md", reason="absent-attribute"),
]


@pytest.fixture
def make(tmp_path):
    def made(questions=QUESTIONS, facts=FACTS, expected="", **documents) -> Path:
        (tmp_path / "corpus").mkdir(exist_ok=True)
        for name, text in {"kova.md": KOVA, "seld.md": SELD, **{f"{k}.md": v for k, v in documents.items()}}.items():
            (tmp_path / "corpus" / name).write_text(text)
        (tmp_path / "questions.jsonl").write_text("\n".join(map(json.dumps, questions)))
        (tmp_path / "facts.jsonl").write_text("\n".join(map(json.dumps, facts)))
        (tmp_path / "expected.yaml").write_text(expected)
        return tmp_path

    return made


def found(folder):
    return {f.name: f for f in audit(load_domain(folder), folder, read_expected(folder))}


def changed(key, **values):
    return [{**q, **values} if q["id"] == key else q for q in QUESTIONS]


def test_a_good_domain_passes_and_its_numbers_are_counted(make):
    findings = found(make(expected="documents: 2\nwords: [10, 30]\ntest: {trained-fact: 1}\nreasons: {absent-attribute: 1}\ntrained_facts: 1"))
    assert [f for f in findings.values() if not f.ok] == []
    assert findings["documents"].found == "2 (2 md)"
    assert findings["words a document"].found == "19 to 21; 40 in all"
    assert findings["answers that stand in their evidence"].found == "4 of 4"
    assert findings["ledger, questions and corpus agree"].found == "2 facts: 2 stated once, 0 twice, 0 more often"
    assert findings["trained facts with three wordings"].found == "1"
    assert findings["test: untrained-document"].found == "1"


def test_a_reason_that_is_a_sentence_of_its_own_is_no_category(make):
    more = [{**QUESTIONS[4], "id": f"q{n}", "question": f"What does the Kova {n} cost?", "reason": reason} for n, reason in
            ((6, "kova.md names no price."), (7, "No price of a Kova 7."), (8, "twice"), (9, "twice"))]  # fmt: skip
    findings = found(make([*QUESTIONS, *more], expected="reasons: {absent-attribute: 1}"))
    assert {name: f.found for name, f in findings.items() if "unanswerable," in name or "unanswerable:" in name} == {
        "test, unanswerable: absent-attribute": "1",
        "test, unanswerable: twice": "2",
        "test, unanswerable, each for a reason of its own": "2",
    }


@pytest.mark.parametrize(
    ("name", "wrong", "said"),
    [
        ("documents", {"expected": "documents: 3"}, ""),
        ("words a document", {"expected": "words: [20, 30]"}, "kova.md: 19"),
        ("test: trained-fact", {"expected": "test: {trained-fact: 2}"}, ""),
        ("dev: unanswerable", {"expected": "dev: {unanswerable: 1}"}, ""),
        ("test, kind list", {"expected": "test_kinds: {list: 1}"}, ""),
        ("trained facts with three wordings", {"expected": "trained_facts: 2"}, ""),
        ("answers that stand in their evidence", {"questions": changed("q3", answers=["17 bar"])}, "q3: no answer in its evidence: 17 bar"),
        (
            "held-out questions nearly as in training",
            {"questions": changed("q3", question="What is the maximum pressure of a Kova 30?")},
            "q3 is nearly q1",
        ),
        ("ledger, questions and corpus agree", {"facts": FACTS[:1]}, "f2: asked about, but not in the ledger"),
        ("ledger, questions and corpus agree", {"facts": [*FACTS, {**FACTS[0], "fact": "f3"}]}, "f3: in the ledger, but no question asks about it"),
        ("ledger, questions and corpus agree", {"facts": [{**FACTS[0], "frequency": 2}, FACTS[1]]}, "f1: frequency 2, but 1 documents"),
        ("ledger, questions and corpus agree", {"facts": [{**FACTS[0], "documents": ["seld.md"]}, FACTS[1]]}, "f1: seld.md does not hold '42 bar'"),
        (
            "ledger, questions and corpus agree",
            {"note": "# Note\n\nMind the maximum pressure of the Kova 30, which is 42 bar.\n"},
            "f1: note.md states it too",
        ),
        (
            "ledger, questions and corpus agree",
            {"note": "# Note\n\nMind the maximum pressure of the Kova 30, which is 40 bar.\n"},
            "f1 ('42 bar'): note.md has another value",
        ),
        (
            "pairs that share 10 words in a row",
            {"note": "# N\n\nYes: the Kova 30 has a maximum pressure of 42 bar. The end.", "expected": "documents: 1"},
            "kova.md and note.md: «",
        ),
    ],
)
def test_each_mistake_is_found(make, name, wrong, said):
    finding = found(make(**wrong))[name]
    assert not finding.ok
    assert any(said in problem for problem in finding.problems) if said else finding.problems == ()


def test_without_promises_a_users_documents_may_repeat_each_other(make):
    findings = found(make(note="# N\n\nYes: the Kova 30 has a maximum pressure of 42 bar. The end.", facts=[]))
    assert all(f.ok for f in findings.values())
    assert findings["pairs that share 10 words in a row"].found == "1"


@pytest.mark.parametrize(
    ("text", "said"),
    [("documnets: 3", "Did you mean 'documents'"), ("documents: many", "documents: Input should be"), ("words: {", "broken YAML")],
)
def test_a_wrong_promise_is_one_line(tmp_path, text, said):
    (tmp_path / "expected.yaml").write_text(text)
    with pytest.raises(InputError, match=r"expected\.yaml") as caught:
        read_expected(tmp_path)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_copier_that_knows_is_caught(make):
    """Twenty untrained facts whose answers the nearest training question gives away."""
    words = "amber basil cedar dahlia ebony fennel garnet hazel iris jade kelp larch maple nettle olive pine quartz rowan sage thyme".split()  # noqa: SIM905
    text = "# List\n\n" + "\n\n".join(f"Tag {word} stands for room {n + 100}." for n, word in enumerate(words))
    leaky, honest = [], []
    for n, word in enumerate(words):
        quote = [{"document": "list.md", "quote": f"Tag {word} stands for room {n + 100}."}]
        leaky.append(asked(f"t{n}", f"a{n}", 0, "train", f"Room of {word}?", [f"room {n + 100}"], quote, kind="place"))
        honest.append(asked(f"t{n}", f"a{n}", 0, "train", f"Room of {words[n - 1]} or so?", [f"room {n + 100}"], quote, kind="place"))
        for questions in (leaky, honest):
            questions.append(asked(f"h{n}", f"b{n}", 0, "test", f"Where does {word} lead?", [f"room {n + 100}"], quote, kind="place"))
    results = []
    for questions in (leaky, honest):
        folder = make(questions=questions, facts=[], list=text, expected="documents: 1")
        domain = load_domain(folder)
        results.append(copier(domain, True))
    assert [f.ok for f in results] == [False, True]
    assert results[0].found == "20 of 20 right, 1.0 by chance"


def test_the_whole_check_with_a_tiny_model(make, tiny_model):
    folder = make(expected="closed_book_at_most: 0.5\nbm25_recall_at_5: [0.1, 0.5]")
    (folder / "study.yaml").write_text(f"domain: .\nmodel: {tiny_model}\nembedder: null\narms: [base, rag]\nchunk_tokens: 64\n")
    findings = {f.name.replace(str(tiny_model), "model"): f for f in check_domain(folder, Silent(), limit=2)}
    assert findings["model, closed-book"].ok and findings["model, closed-book"].wanted == "at most 50 %"
    recall = findings["BM25 recall@5"]
    assert not recall.ok and recall.found == "100.0 % of 2 held-out questions" and recall.wanted == "10 to 50 %"


def test_without_evidence_nothing_is_claimed_of_search_and_model(make, tiny_model):
    folder = make(questions=[{**q, "evidence": [], "document": "kova.md"} for q in QUESTIONS], facts=[])
    (folder / "study.yaml").write_text(f"domain: .\nmodel: {tiny_model}\nembedder: null\narms: [base, rag]\n")
    last = check_domain(folder, Silent())[-1]
    assert last.ok and last.found == "not asked: no test question has evidence"


def test_the_command(make, capsys):
    assert main(["check", str(make()), "--quick"]) == 0
    assert "checks passed" in capsys.readouterr().out
    assert main(["check", str(make(expected="documents: 9")), "--quick", "--json"]) == 1
    rows = json.loads(capsys.readouterr().out)
    assert rows[0] == {"name": "documents", "ok": False, "found": "2 (2 md)", "wanted": "at least 9", "problems": []}


def test_sentences_and_rows():
    assert sentences("One is. Two is!\n| a | b |\n三个。四个。") == ["One is.", "Two is!", "| a | b |", "三个。", "四个。"]


def test_nothing_is_promised_by_default():
    assert Expected() == read_expected(Path("nowhere"))


def test_the_general_set_is_counted(tmp_path, capsys):
    (tmp_path / "questions.jsonl").write_text('{"question": "What colour is grass?", "answers": ["green"]}')
    (tmp_path / "instructions.jsonl").write_text('{"id": "i1", "instruction": "Say hi.", "check": "contains", "value": "hi"}')
    (tmp_path / "prose.txt").write_text("A walk. " * 1500)
    assert main(["check", str(tmp_path), "--quick", "--json"]) == 1
    rows = json.loads(capsys.readouterr().out)
    assert [(row["name"], row["found"], row["ok"]) for row in rows] == [
        ("questions", "1", False),
        ("instructions", "1", False),
        ("words of prose", "3,000", True),
    ]
