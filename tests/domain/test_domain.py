import json

import pytest

from ragft.domain import load_domain
from ragft.domain.records import Quotes, plain
from ragft.errors import InputError, MissingError
from ragft.types import Document, Span

TEST = {"split": "test"}


def line(question="How heavy is it?", answers=("12 kg",), **more):
    return {"question": question, "answers": list(answers), **more}


def error(load, *arguments) -> str:
    with pytest.raises(InputError) as caught:
        load(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_question_and_its_gold_are_kept_apart(load):
    quote = {"document": "pumps/kova.md", "quote": "maximum pressure of 42 bar. It"}  # the document has a line break there
    domain = load([line("What pressure?", ["42 bar"], id="q1", fact="f", wording=2, kind="value", evidence=[quote], **TEST)])
    ((question, gold),) = domain.split("test")
    assert (question.id, question.text) == ("q1", "What pressure?")
    (evidence,) = gold.evidence
    assert [domain.documents[0].text[s.start : s.end] for s in evidence.spans] == ["maximum pressure of 42 bar.\nIt"]
    assert (gold.document, gold.fact, gold.wording, gold.kind, gold.stratum) == ("pumps/kova.md", "f", 2, "value", "untrained-document")
    assert domain.name == "domain" and domain.language == "en" and domain.notes == ()


def test_a_piece_of_evidence_may_stand_in_several_places(load):
    places = [{"document": "pumps/kova.md", "quote": "12 kg"}, {"document": "pumps/kova.md", "quote": "42 bar"}]
    either, both = load([line("A?", evidence=[places], **TEST), line("B?", evidence=places, **TEST)]).gold.values()
    assert [len(piece.spans) for piece in either.evidence] == [2]  # one piece, found in either place
    assert [len(piece.spans) for piece in both.evidence] == [1, 1]  # two pieces, both needed


def test_defaults(load):
    domain = load([line(id=0, **TEST, evidence=[{"document": "pumps/kova.md"}]), line("Who?", [], document="pumps/kova.md", **TEST)])
    first, second = domain.gold.values()
    assert (first.id, first.fact, first.kind) == ("0", "0", "other")
    assert first.evidence[0].spans == (Span("pumps/kova.md", 0, len(domain.documents[0].text)),)
    assert second.id.startswith("q-") and second.kind == second.stratum == "unanswerable"
    assert first.closed_book is None


def test_what_the_writer_knew_is_kept_and_makes_no_other_domain(load):
    known, unknown = (load([line(id="a", closed_book=value, **TEST)]) for value in (True, False))
    assert (known.gold["a"].closed_book, unknown.gold["a"].closed_book) == (True, False)
    assert known.sha256 == unknown.sha256, "nothing is indexed or trained by it"


BAD = [
    ("{oops", "questions.jsonl:1: broken JSON at column 2"),
    ("\n[]\n", "questions.jsonl:2: expected an object"),
    ("", "no question in it"),
    ([line(answer="x")], ":1: unknown key 'answer'. Did you mean 'answers'?"),
    ([line(question=" ")], ':1: a question needs "question"'),
    ([{"question": "Q?"}], ':1: "answers" must be a list of texts'),
    ([{"question": "Q?", "answers": "42"}], ':1: "answers" must be a list of texts'),
    ([line(answers=[" "])], ':1: "answers" must be a list of texts'),
    ([line(split="tests")], ":1: unknown split 'tests'. Did you mean 'test'?"),
    ([line(split=["test"])], ":1: unknown split"),
    ([line(wording="2")], ':1: "wording" must be a whole number'),
    ([line(closed_book="yes")], ':1: "closed_book" must be true or false'),
    ([line(id=["a"])], ':1: "id" must be a text'),
    ([line(evidence="It weighs 12 kg")], ':1: "evidence" must be a list'),
    ([line(evidence=["It weighs 12 kg"])], ":1: a piece of evidence is {"),
    ([line(evidence=[[]])], ":1: a piece of evidence is {"),
    ([line(evidence=[[{"document": "pumps/kova.md"}, "It weighs 12 kg"]])], "or a list of such if any one is enough"),
    ([line(evidence=[{"document": "pumps/kova.md", "quotes": "x"}])], "unknown key of a piece of evidence 'quotes'. Did you mean 'quote'?"),
    ([line(evidence=[{"quote": "12 kg"}])], ':1: evidence: "document" must be the name of a document'),
    ([line(evidence=[{"document": "kova.md", "quote": "12 kg"}])], "no document 'kova.md' in the corpus. Did you mean 'pumps/kova.md'?"),
    ([line(evidence=[{"document": "pumps/kova.md", "quote": 12}])], 'the "quote" of a piece of evidence must be a text'),
    ([line(evidence=[{"document": "pumps/kova.md", "quote": "It weighs 13 kg."}])], "the evidence is not in pumps/kova.md: «It weighs 13 kg.»."),
    ([line(answers=[], evidence=[{"document": "pumps/kova.md"}])], ":1: evidence for a question without answers"),
    ([line(document=["pumps/kova.md"])], ':1: "document" must be the name of a document'),
    ([line(document="pumps/vela.md")], "no document 'pumps/vela.md' in the corpus. Did you mean 'pumps/kova.md'?"),
    ([line(id="a"), line("B?", id="a")], ":2: id 'a' was used on line 1"),
    ([line(), line()], ":2: this question stands already on line 1"),
    ([line(id="a", **TEST), line("how heavy is it", ["13 kg"], id="b", **TEST)], ":2: this question stands on line 1 with another answer"),
    ([line(id="a", **TEST), line(answers=[], id="b", **TEST)], ":2: this question stands on line 1 with another answer"),
    ([line(id="a", **TEST), line(id="b", split="train")], ":2: this question is in the train split and, on line 1, in the test split"),
    ([line(id="a", **TEST), line("B?", id="b")], ':2: no "split" here, but other lines have one'),
    ([line(split="train")], 'no question is in the "test" split'),
]


@pytest.mark.parametrize(("lines", "message"), BAD)
def test_bad_questions_are_one_line_with_file_line_and_remedy(load, lines, message):
    assert message in error(load, lines)


def test_missing_parts(make, tmp_path):
    with pytest.raises(MissingError, match="corpus: no such folder"):
        load_domain(tmp_path / "nothing")
    folder = make([line()])
    (folder / "questions.jsonl").unlink()
    with pytest.raises(MissingError, match=r"questions.jsonl: no questions\. Write one JSON object a line"):
        load_domain(folder)


def test_an_unknown_document_does_not_list_a_thousand(load):
    documents = {f"d{n:04}.txt": "text" for n in range(200)}
    assert len(error(load, [line(document="zzzz")], documents)) < 300


def test_equal_repeats_are_kept_and_noted(load):
    domain = load([line(id="a", **TEST), line("How heavy is it", ["12 KG", "twelve"], id="b", **TEST)])
    assert len(domain.split("test")) == 2
    assert any("1 questions stand more than once" in note for note in domain.notes)


def test_what_is_the_same_question():
    assert plain("How heavy is the café?") == plain(" how heavy, is the CAFE ")
    assert plain("At 4.2 bar?") != plain("At 42 bar?")
    assert plain("What is C++?") != plain("What is C#?")
    assert plain("泵的压力？") == plain("泵的压力")
    assert plain("がく") != plain("かく")
    assert plain("???") == "???"


def test_quotes_are_found_at_every_place_across_line_breaks():
    text = "x  42\n\nbar. y 42 bar.\t42 barometers"
    quotes = Quotes({"d": Document("d", text, ""), "empty": Document("empty", "", "")})
    spans = quotes.find("d", " 42 bar ")
    assert [text[s.start : s.end] for s in spans] == ["42\n\nbar", "42 bar", "42 bar"]
    assert quotes.find("d", "24 bar") == () == quotes.find("empty", "x")
    assert Quotes({"d": Document("d", "重量是 十二公斤。", "")}).find("d", "是 十二") == (Span("d", 2, 6),)


def test_questions_without_a_document_are_grouped_by_rare_words(load):
    documents = {"kova.txt": "The pump Kova has 42 bar.", "vela.txt": "The pump Vela has 8 bar.", "泵.txt": "离心泵的压力是四十二巴。"}
    domain = load([line("What has Vela?", ["8 bar"], id="a", **TEST), line("离心泵的压力？", ["四十二巴"], id="b", **TEST)], documents)
    assert [g.document for g in domain.gold.values()] == ["vela.txt", "泵.txt"]
    assert "2 of 2 questions name no document" in domain.notes[0]


MANY = {f"d{n}.txt": f"Text number {n}." for n in range(20)}


def test_splits_are_made_by_document_stored_and_never_move(make):
    lines = [line(f"Question {i} of {n}?", [str(n)], id=f"{n}-{i}", document=name) for n, name in enumerate(MANY) for i in range(3)]
    folder = make(lines, MANY)
    first = load_domain(folder)
    stored = json.loads((folder / "splits.json").read_text())
    assert {g.id: g.split for g in first.gold.values()} == stored
    assert all(len({g.split for g in first.gold.values() if g.document == name}) == 1 for name in MANY)
    more = [*lines, *(line(f"New {n}?", ["x"], id=f"new-{n}", document=name) for n, name in enumerate(MANY))]
    second = load_domain(make(more, MANY))
    assert {key: second.gold[key].split for key in stored} == stored
    assert all(len({g.split for g in second.gold.values() if g.document == name}) == 1 for name in MANY)


def test_a_question_repeated_over_documents_gets_one_split(load):
    lines = [line(f"Question {n}?", ["x"], id=f"{n}", document=name) for n, name in enumerate(MANY)]
    lines += [line("The same question?", ["x"], id=f"same-{n}", document=name) for n, name in enumerate(MANY)]
    domain = load(lines, MANY)
    assert len({g.split for g in domain.gold.values() if g.id.startswith("same")}) == 1


@pytest.mark.parametrize("content", ['["a"]', '{"a": "tests"}', "{broken"])
def test_a_broken_splits_file(make, content):
    folder = make([line(id="a")])
    (folder / "splits.json").write_text(content)
    with pytest.raises(InputError, match=r"splits.json: .*[Dd]elete"):
        load_domain(folder)


def test_strata(load):
    kova, other = {"document": "pumps/kova.md"}, {"document": "o.txt"}
    documents = {"pumps/kova.md": "Kova", "o.txt": "Other"}
    domain = load(
        [
            line("A?", id="a", fact="f1", split="train", **kova),
            line("B?", id="b", fact="f1", **TEST, **kova),
            line("C?", id="c", fact="f2", **TEST, **kova),
            line("D?", id="d", **TEST, **other),
            line("E?", [], id="e", fact="f1", **TEST, **kova),
        ],
        documents,
    )
    assert [g.stratum for _, g in domain.split("test")] == ["trained-fact", "untrained-fact", "untrained-document", "unanswerable"]
    assert domain.trains_tested_facts


def test_the_fingerprint_is_over_everything_that_matters(load):
    one = line(id="a", evidence=[{"document": "pumps/kova.md", "quote": "12 kg"}], **TEST)
    base = load([one]).sha256
    assert load([one]).sha256 == base
    assert load([{**one, "answers": ["12 kilograms"]}]).sha256 != base
    assert load([{**one, "question": "How heavy is it??"}]).sha256 != base
    assert load([{**one, "evidence": [{"document": "pumps/kova.md", "quote": "weighs 12 kg"}]}]).sha256 != base
    assert load([one], {"pumps/kova.md": "It weighs 12 kg!"}).sha256 != base


def test_limited_spreads_over_documents(load):
    lines = [line(f"Q{i} of {n}?", [str(n)], id=f"{n}-{i}", document=name, **TEST) for n, name in enumerate(MANY) for i in range(5)]
    lines.append(line("Train?", id="t", document="d0.txt", split="train"))
    domain = load(lines, MANY)
    few = domain.limited(20)
    assert {g.document for _, g in few.split("test")} == set(MANY) and len(few.split("train")) == 1
    assert set(few.gold) <= set(domain.limited(33).gold) and domain.limited(None) is domain.limited(1000) is domain
    assert set(few.questions) == set(few.gold)
