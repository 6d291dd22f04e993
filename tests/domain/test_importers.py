import json
from collections import Counter

import pytest

from ragft.domain import load_domain
from ragft.domain.importers import IMPORTERS, import_data
from ragft.domain.sentences import first_sentence, sentence_around
from ragft.domain.studyfile import safe_name
from ragft.errors import InputError, MissingError
from ragft.settings import load_study


@pytest.fixture
def bring(tmp_path):
    """Import this content as that kind; gives the folder and the lines of its questions.jsonl."""

    def brought(kind, content, name="input"):
        file = tmp_path / name
        file.write_text(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False), encoding="utf-8")
        study = import_data(kind, file, tmp_path / "out")
        assert study == tmp_path / "out" / "study.yaml"
        return study.parent, [json.loads(line) for line in (study.parent / "questions.jsonl").read_text(encoding="utf-8").splitlines()]

    return brought


def qa(key, question, *answers, start=0, **more):
    return {"id": key, "question": question, "answers": [{"text": text, "answer_start": start} for text in answers], **more}


def squad(*articles):
    return {"data": [{"title": title, "paragraphs": [{"context": c, "qas": q} for c, q in paragraphs]} for title, paragraphs in articles]}


KOVA = "The Kova 30 is a pump. It was made by Dr. Holt in 1999. It takes 4.2 bar!"


def test_squad(bring):
    folder, lines = bring(
        "squad",
        squad(
            (
                "Kova_30",
                [(KOVA, [qa("a", "Who made it?", "Dr. Holt", "Holt", "Dr. Holt", start=38), qa("b", "When did it sink?", is_impossible=True)])],
            ),
            ("Kova 30", [("Another text.", [qa(7, "What text?", "Another")])]),
            ("泵：离心/？", [("泵的压力是四十二巴。重量是十二公斤。", [qa("c", "重量是多少？", "十二公斤", start=13)])]),
        ),
    )
    assert sorted(p.name for p in (folder / "corpus").iterdir()) == ["Kova-30-1.txt", "Kova-30-2.txt", "泵-离心-1.txt"]
    assert (folder / "corpus/Kova-30-1.txt").read_text() == KOVA
    first, second, third, fourth = lines
    assert first["answers"] == ["Dr. Holt", "Holt"]
    assert first["evidence"] == [{"document": "Kova-30-1.txt", "quote": "It was made by Dr. Holt in 1999."}]
    assert (second["answers"], second["document"], "evidence" in second) == ([], "Kova-30-1.txt", False)
    assert third["id"] == "7"
    assert fourth["evidence"] == [{"document": "泵-离心-1.txt", "quote": "重量是十二公斤。"}]
    assert {line["split"] for line in lines} == {"train", "test"} and first["split"] == second["split"]
    assert load_domain(folder).gold["c"].answers == ("十二公斤",)
    assert not (folder / "splits.json").exists()


def test_an_answer_that_stands_off_by_one_and_a_byte_order_mark(bring):
    _, (line,) = bring("squad", squad(("T", [("\ufeffFirst 42 is wrong. The 42 here.", [qa("a", "What?", "42", start=25)])])))
    assert line["evidence"][0]["quote"] == "The 42 here."


def test_questions_asked_twice(bring):
    articles = [
        (
            "One",
            [("The pump has 42 bar.", [qa("a", "How much?", "42"), qa("b", "how much", "42 bar"), qa("e", " ", "42"), qa("u", "Which?", "pump")])],
        ),
        ("Two", [("The pump has 42 bar and 8 kg.", [qa("c", "How much?", "42"), qa("d", "Which?", "8 kg"), qa("f", "Other?", "8")])]),
        ("Three", [("The hose.", [qa("g", "Other?", is_impossible=True)])]),
    ]
    folder, lines = bring("squad", squad(*articles))
    assert [(line["id"], line["answers"]) for line in lines] == [("a", ["42", "42 bar"]), ("f", ["8"])]
    left_out = (folder / "study.yaml").read_text().splitlines()[1]
    counts = [int(word) for word in left_out.split() if word.isdigit()]
    assert sum(counts) + len(lines) == 8 and "1 without a text" in left_out and "2 asked of several documents with different answers" in left_out


PUBMED = {
    str(n): {"QUESTION": f"Does {n} help?", "CONTEXTS": ["We asked.", f"It was {n}."], "LABELS": ["AIM", "RESULTS"], "final_decision": "no"}
    for n in range(30)
}


def test_pubmedqa_with_the_official_test_split(bring, tmp_path):
    (tmp_path / "test_ground_truth.json").write_text(json.dumps({str(n): "no" for n in range(10)}))
    folder, lines = bring("pubmedqa", PUBMED)
    assert (folder / "corpus/3.md").read_text() == "# PubMed 3\n\n## AIM\n\nWe asked.\n\n## RESULTS\n\nIt was 3.\n"
    assert {line["id"] for line in lines if line["split"] == "test"} == {str(n) for n in range(10)}
    assert Counter(line["split"] for line in lines) == {"test": 10, "train": 15, "dev": 5}
    assert lines[3]["evidence"] == [{"document": "3.md"}] and lines[3]["answers"] == ["no"]


def test_pubmedqa_without_test_ids_and_with_those_of_another_release(bring, tmp_path):
    _, lines = bring("pubmedqa", PUBMED)
    assert {line["split"] for line in lines} == {"train", "dev", "test"}
    (tmp_path / "test_ground_truth.json").write_text('{"99": "yes"}')
    with pytest.raises(InputError, match=r"test_ground_truth.json: entry 99 does not fit"):
        import_data("pubmedqa", tmp_path / "input", tmp_path / "other")


def test_jsonl(bring):
    rows = [
        {"question": "A?", "answer": "42 bar", "context": "The pump. It has 42 bar. Good.", "id": "a", "kind": "value"},
        {"question": "B?", "answers": [], "context": "The pump. It has 42 bar. Good."},
        {"question": "C?", "answers": ["of two"], "contexts": ["Nothing.", "One of two."], "evidence": "One of\ttwo"},
        {"question": "D?", "answers": ["none of this"], "contexts": ["Nothing.", "Else."]},
        {"question": "E?", "answers": ["x"], "context": "Named text x.", "document": "pumps/kova.md"},
        {"question": "F?", "answers": ["42"], "contexts": ["It has 42.", "Has it 42?"], "evidence": [[{"quote": "has 42."}, {"quote": "it 42?"}]]},
    ]
    folder, lines = bring("jsonl", "\n".join(map(json.dumps, rows)))
    names = sorted(p.relative_to(folder / "corpus").as_posix() for p in (folder / "corpus").rglob("*") if p.is_file())
    assert names == ["context-1.txt", "context-2.txt", "context-3.txt", "context-4.txt", "context-5.txt", "context-6.txt", "pumps/kova.md"]
    assert [line.get("evidence") for line in lines] == [
        [{"document": "context-1.txt", "quote": "It has 42 bar."}],
        None,
        [{"document": "context-3.txt", "quote": "One of\ttwo"}],
        None,
        [{"document": "pumps/kova.md", "quote": "Named text x."}],
        [[{"document": "context-5.txt", "quote": "has 42."}, {"document": "context-6.txt", "quote": "it 42?"}]],
    ]
    assert lines[1]["document"] == "context-1.txt" and lines[3]["document"] == "context-2.txt"
    assert (lines[0]["id"], lines[0]["kind"], lines[1]["id"]) == ("a", "value", "q0002")
    assert len(load_domain(folder).gold) == 6


def test_csv(bring):
    table = (
        "Question;Answers;Context;Split;wording;closed_book\n"
        "How heavy?; 12 kg | twelve kilograms ;It weighs 12 kg.;test;1;True\nWho?;;It weighs 12 kg.;train;;\n"
    )
    folder, lines = bring("csv", table)
    assert [line["answers"] for line in lines] == [["12 kg", "twelve kilograms"], []]
    assert [line["split"] for line in lines] == ["test", "train"] and lines[0]["wording"] == 1
    assert lines[0]["closed_book"] is True and "closed_book" not in lines[1]
    study = load_study(folder)
    assert list(study.arms) == ["base", "oracle", "rag", "lora", "rag+lora"]
    assert "# left out: raft (no evidence on train questions)" in (folder / "study.yaml").read_text()


def test_the_study_is_complete_and_names_its_arms(bring):
    folder, _ = bring("squad", squad(*((f"T{n}", [(f"Text {n}.", [qa(f"{n}", f"Q{n}?", f"{n}")])]) for n in range(9))), name="my data: 1.json")
    study = load_study(folder)
    assert list(study.arms) == ["base", "oracle", "rag", "lora", "rag+lora", "raft"]
    assert (study.name, study.seeds, study.reference) == ("out", (0, 1, 2), "rag")
    assert study.domain == str(folder.resolve())


ONE = '{"data": [{"title": "T", "paragraphs": [{"context": "a b", "qas": [%s]}]}]}'
BAD = [
    ("squad", "[1", "input:1: broken JSON at column"),
    ("squad", "[1]", "input: expected an object"),
    ("squad", '{"data": 5}', 'input: "data" must be a list. Is this the format you named?'),
    ("squad", '{"data": [{"title": "T"}]}', 'data[0]: "paragraphs" must be a list'),
    ("squad", '{"data": [{"paragraphs": [{"qas": []}]}]}', 'data[0].paragraphs[0]: "context" must be a text'),
    ("squad", ONE % '{"question": "Q?", "answers": []}', 'data[0].paragraphs[0].qas[0]: "id" is missing'),
    ("squad", ONE % '{"id": 1, "question": "Q?", "answers": []}', "qas[0] (id 1): no answers. Mark a question"),
    ("squad", ONE % '{"id": 1, "question": "Q?", "answers": [{"text": "c", "answer_start": 0}]}', "the answer «c» is not in the paragraph"),
    ("squad", ONE % '{"id": 1, "question": "Q?", "answers": [{"text": "a", "answer_start": "0"}]}', '"answer_start" must be a whole number'),
    ("squad", ONE % ",".join(['{"id": 1, "question": "Q?", "is_impossible": true}'] * 2), "qas[1] (id 1): this id was used before, in "),
    (
        "pubmedqa",
        '{"1": {"QUESTION": "Q?", "CONTEXTS": ["a"], "final_decision": "si"}}',
        "entry 1: \"final_decision\" must be yes, no or maybe, found 'si'",
    ),
    ("pubmedqa", '{"1": {"QUESTION": "Q?", "final_decision": "no"}}', 'entry 1: "CONTEXTS" must be a list'),
    ("jsonl", '{"question": "Q?", "answer": "a"}', 'input: no line has a "context", so there are no documents. Give your documents: ragft init'),
    ("jsonl", '{"question": "Q?", "context": "a"}', 'input:1: a question needs "answers"'),
    ("jsonl", '{"question": "Q?", "answer": 4, "context": "a"}', 'input:1: "answers" must be a list of texts'),
    ("jsonl", '{"question": "Q?", "answer": ["a", 4], "context": "a"}', 'input:1: "answers" must be a list of texts'),
    ("jsonl", '{"question": 4, "answer": "a", "context": "a"}', 'input:1: a question needs "question" with a text'),
    ("jsonl", '{"question": "Q?", "answer": "a", "context": "a", "document": ["d"]}', 'input:1: "document" must be a text'),
    ("jsonl", '{"question": "Q?", "answer": "a", "context": "a"}\n{"question": "R?", "answer": "a", "evidence": "a"}', "input:2: evidence: "),
    ("jsonl", '{"question": "Q?", "answer": "a", "contexts": [4]}', 'input:1: "contexts" must be a text or a list of texts'),
    ("jsonl", '{"question": "Q?", "answer": "a", "answers": ["b"], "context": "a"}', 'input:1: both "answer" and "answers"'),
    ("jsonl", '{"question": "Q?", "answer": "a", "context": "a", "document": "../x"}', "input:1: '../x.txt' cannot be a document's name"),
    ("jsonl", '{"question": "Q?", "answer": "a", "context": "a", "evidence": "b"}', "input:1: the evidence is not in context-1.txt: «b»"),
    ("jsonl", '{"question": "Q?", "answer": "a", "context": "a", "paragraph": "a"}', "input:1: unknown column 'paragraph'"),
    ("jsonl", '{"question": "Q?", "answer": "a", "context": "a", "split": "train"}', 'no question is in the "test" split'),
    ("csv", "question,answer,contxt\nQ?,a,b\n", "input:1: unknown column 'contxt'. Did you mean 'context'?"),
    ("csv", 'question,answer,context\n"A\nB?",a,b\nQ?,a\n', "input:4: this row has not as many cells as the header"),
    ("csv", "question,answer,context,wording\nQ?,a,b,one\n", 'input:2: "wording" must be a whole number'),
    ("csv", "question,answer,context,split\nQ?,a,b,test\nq,c,b,test\n", "input:3: this question stands on line 2 with another answer"),
    ("csv", "question,answer,context,split\nQ?,a,b,test\nR?,c,b,\n", 'input:3: no "split" here'),
    ("csv", "question,answer,context,document\nQ?,a,b,d\nR?,c,e,d\n", "input:3: the document 'd.txt' has another text than on an earlier line"),
    ("csv", "", "input: no question in it"),
    ("sqad", "", "unknown format 'sqad'. Did you mean 'squad'?"),
]


@pytest.mark.parametrize(("kind", "content", "message"), BAD)
def test_wrong_input_is_one_line_and_leaves_nothing(bring, tmp_path, kind, content, message):
    with pytest.raises(InputError) as caught:
        bring(kind, content)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["input"]


@pytest.mark.parametrize("kind", IMPORTERS)
def test_no_file(tmp_path, kind):
    with pytest.raises(MissingError, match="no such file"):
        import_data(kind, tmp_path / "gone", tmp_path / "out")


@pytest.mark.parametrize("part", ["corpus", "questions.jsonl", "study.yaml"])
def test_a_domain_is_never_overwritten(bring, tmp_path, part):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / part).write_text("mine")
    with pytest.raises(InputError, match=f"already holds a study .{part}.. Give another folder"):
        bring("pubmedqa", PUBMED)
    assert [p.name for p in (tmp_path / "out").iterdir()] == [part]


# ── sentences and names ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "answer", "sentence"),
    [
        ("One two. Three four. Five.", "Three", "Three four."),
        ("One two. Three four. Five.", "two. Three", "One two. Three four."),  # an answer over two sentences is not cut
        ("It takes 4.2 bar. Good.", "bar", "It takes 4.2 bar."),
        ("Mr. J. F. Holt of the U.S. Army came. He left.", "Holt", "Mr. J. F. Holt of the U.S. Army came."),
        ('He said "Stop!" and "Go." Then left.', "Go", 'and "Go."'),
        ("Heading\nOne line here\nAnother", "line", "One line here"),
        ("一。二！“三。”四？五", "三", "“三。”"),
        ("一。二！“三。”四？五", "五", "五"),
        ("no end at all", "end", "no end at all"),
    ],
)
def test_the_sentence_around_an_answer(text, answer, sentence):
    start = text.index(answer)
    assert sentence_around(text, start, start + len(answer)) == sentence


def test_first_sentence():
    assert first_sentence("# Title\n\n  The first one. The second.\n") == "The first one."
    assert first_sentence("# Only a title") == "# Only a title"


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Sky_(United_Kingdom)", "Sky_-United_Kingdom"),
        ("../../etc/passwd", "etc-passwd"),
        ("让-皮埃尔·巴利冈", "让-皮埃尔-巴利冈"),
        ("？/:", "document"),
        ("", "document"),
    ],
)
def test_safe_names(title, name):
    assert safe_name(title) == name
    assert len(safe_name("字" * 300).encode()) < 200


# ── the published files ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "file", "documents", "questions", "language"),
    [
        ("squad", "xquad/xquad.en.json", 240, 1185, "en"),
        ("squad", "xquad/xquad.zh.json", 240, 1181, "zh"),
        ("squad", "cmrc2018-trial/cmrc2018_trial.json", 256, 1000, "zh"),
        ("pubmedqa", "pubmedqa/ori_pqal.json", 1000, 1000, "en"),
    ],
)
def test_published_files(public, tmp_path, kind, file, documents, questions, language):
    folder = import_data(kind, public / file, tmp_path / "out").parent
    domain = load_domain(folder)
    assert (len(domain.documents), len(domain.gold), domain.language, domain.notes) == (documents, questions, language, ())
    texts = {document.id: document.text for document in domain.documents}
    for gold in domain.gold.values():
        (evidence,) = gold.evidence
        quotes = [texts[span.document][span.start : span.end] for span in evidence.spans]
        assert gold.kind == "yes-no" or any(gold.answers[0] in quote for quote in quotes)
    shares = [len(domain.split(split)) / questions for split in ("train", "dev", "test")]
    assert shares == pytest.approx([0.40, 0.15, 0.45], abs=0.06)
