"""From documents to a study with a writer: what is kept, what each check leaves out, the estimate before, and going on after a kill."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from types import ModuleType

import pytest
from writers import ENGLISH, KNOWN, NUMBER, Script, write_corpus

from ragft.cli import main
from ragft.domain import load_domain
from ragft.domain.scaffold import init_study
from ragft.errors import InputError
from ragft.types import Chunk, Span
from ragft.written import estimate
from ragft.written.checks import Corpus
from ragft.written.estimate import Prices, rough_tokens
from ragft.written.make import write_facts
from ragft.written.study import plan_study, spread, write_study

OUT = "questions left out: "


@pytest.fixture
def name(monkeypatch):
    """Names a script's model, so that it can be given as a writer."""
    made = ModuleType("scripted_writer")
    monkeypatch.setitem(sys.modules, "scripted_writer", made)

    def give(script: Script) -> str:
        made.model = script.model
        return "scripted_writer:model"

    return give


@pytest.fixture
def written(tmp_path, name):
    """Makes a study of the small corpus with a script."""

    def make(script: Script, out: str = "mine"):
        corpus = tmp_path / f"docs-{script.language}"
        if not corpus.exists():
            write_corpus(corpus, script.language)
        made = write_study(plan_study(corpus, tmp_path / out, name(script)))
        return made, [json.loads(line) for line in (tmp_path / out / "questions.jsonl").read_text().splitlines()]

    return make


def adds_up(counts: dict[str, int]) -> bool:
    """Whether every question that was written is a fact or left out for one reason."""
    return counts["questions written"] == counts["facts"] + sum(number for what, number in counts.items() if what.startswith(OUT))


# ── what is made ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_study_that_loads_and_leaks_nothing(written, language, capsys):
    made, lines = written(Script(language))
    assert made.counts["facts"] == made.counts["questions written"] == 2 * NUMBER and adds_up(made.counts)
    domain = load_domain(made.study.parent)
    assert len(domain.split("test")) > 20 and domain.trains_tested_facts
    assert main(["questions", "check", str(made.study.parent), "--quick"]) == 0
    train = [line for line in lines if line["split"] == "train" and line["answers"]]
    held_out = [line for line in lines if line["split"] != "train" and line["answers"]]
    assert set(Counter(line["fact"] for line in train).values()) == {3}
    assert not {line["question"] for line in train} & {line["question"] for line in held_out}
    strata = {gold.stratum for _, gold in domain.split("test")}
    assert {"trained-fact", "untrained-fact", "untrained-document"} <= strata


def test_what_no_document_says_is_made_by_rules(written):
    made, lines = written(Script())
    unanswerable = [line for line in lines if line["kind"] == "unanswerable"]
    assert len(unanswerable) == made.counts["unanswerable questions"] == 2 * NUMBER // 8
    assert all("no document" in line["reason"] and "closed_book" not in line for line in unanswerable)


def test_what_the_writer_knows_without_documents_is_recorded_and_kept(written):
    made, lines = written(Script())
    known = {line["answers"][0] for line in lines if line.get("closed_book")}
    unknown = {line["answers"][0] for line in lines if line.get("closed_book") is False}
    assert known == {f"{n + 10}.5 kg" for n in range(0, NUMBER, KNOWN)} | {str(n + 1950) for n in range(0, NUMBER, KNOWN)}
    assert len(known | unknown) == 2 * NUMBER == made.counts["facts"], "none is left out for it"
    assert made.counts["of these, known to the writer without the documents"] == len(known)
    gold = load_domain(made.study.parent).gold
    assert {g.closed_book for g in gold.values() if g.answerable} == {True, False}
    assert {g.closed_book for g in gold.values() if not g.answerable} == {None}


# ── what is left out ─────────────────────────────────────────────────────────────────────────────────────────────────


def only(what: str, says) -> object:
    """Another reply where the user turn holds the text."""
    return lambda user, usual: says(usual) if what in user else usual


@pytest.mark.parametrize(
    ("sort", "change", "reason"),
    [
        ("questions", lambda said: said.replace("The Corvik pump weighs", "The Corvik pump has"), "the quote is not in the document"),
        ("questions", lambda said: said.replace("What does the Corvik pump", "What does it"), "the question does not stand alone"),
        ("questions", lambda said: said.replace("pump built", "pump of 1952 built"), "the answer is in the question"),
        ("questions", lambda said: said.replace('"answer": "1952"', '"answer": "12.5 kg"').replace("It was built in 1952.", "The Corvik pump weighs 12.5 kg."), "the same is asked already"),
        ("train", lambda said: said.replace("Tell me", "This passage tells"), "a wording of it is wrong: the question does not stand alone"),
        ("train", lambda said: said.replace("How heavy is the Corvik pump?", "Is it true that the Corvik pump weighs 12.5 kg?"), "a wording of it is wrong: the answer is in the question"),
        ("train", lambda said: said.replace("What is the mass of the Corvik pump?", "How heavy is the Corvik pump"), "two of its wordings are the same"),
        ("answerable", lambda said: said.replace('"answerable": true', '"answerable": false'), "the critic does not find the answer in the passage"),
        ("answerable", lambda said: said.replace('"stands_alone": true', '"stands_alone": false'), "the critic does not know what is asked"),
        ("answerable", lambda said: said.replace('"one_answer": true', '"one_answer": false'), "the critic sees another right answer"),
        ("answerable", lambda said: "It is fine.", "a reply about it failed"),
    ],
)  # fmt: skip
def test_one_pump_is_left_out_for_a_reason(written, sort, change, reason):
    """Of the pump Corvik alone, with whatever else is asked about it; all others stay."""
    made, lines = written(Script(change={sort: only("Corvik", change)}))
    left_out = {what.removeprefix(OUT): number for what, number in made.counts.items() if what.startswith(OUT)}
    assert set(left_out) == {reason} and adds_up(made.counts)
    assert made.counts["facts"] == 2 * NUMBER - left_out[reason] and left_out[reason] in (1, 2)
    assert sum(bool(line["answers"]) and "Dorvik" in line["question"] for line in lines) >= 2


def answers(which: str, holds: str, says: str):
    """Another answer where passages are read and the question names the pump: `holds` tells its own passage from others."""

    def change(user, usual):
        passages, _, question = user.rpartition("Question: ")
        return says if "Corvik" in question and (holds in passages) is (which == "own") else usual

    return {"passages": change}


def test_another_answer_in_other_passages_leaves_a_question_out_and_the_same_does_not(written):
    sentence = "The Corvik pump weighs 12.5 kg."
    made, _ = written(Script(change=answers("others", sentence, "It weighs 99 kg, and was built in 1800.")))
    assert made.counts[OUT + "other passages give another answer"] == 2 and adds_up(made.counts)
    same, _ = written(Script(change=answers("others", sentence, "12.5 kg, 1952")), "same")
    assert same.counts["facts"] == 2 * NUMBER


def test_what_the_writer_cannot_answer_from_its_passage_is_left_out(written):
    made, _ = written(Script(change=answers("own", "The Corvik pump weighs 12.5 kg.", "I don't know.")))
    assert made.counts[OUT + "the writer does not answer it right from its own passage"] == 2 and adds_up(made.counts)


def test_each_held_out_wording_must_be_answered(written):
    def change(user, usual):
        return "99 kg" if user.endswith("A carrier asks about the Corvik pump. Which figure do I name?") else usual

    made, _ = written(Script(change={"passages": change}))
    assert made.counts[OUT + "the writer does not answer it right from its own passage"] == 1 and adds_up(made.counts)


def test_the_same_question_with_two_answers_is_left_out_both_times(written):
    asked = only("Corvik", lambda said: said.replace("In which year was the Corvik pump built?", "What does the Corvik pump weigh?"))
    made, _ = written(Script(change={"questions": asked}))
    assert made.counts[OUT + "written with another answer too"] == 2 and adds_up(made.counts)


def test_a_writer_that_finds_fault_with_everything_leaves_too_little(written, tmp_path):
    with pytest.raises(InputError, match=r"0 of 48 questions about 24 passages passed.*48 the critic sees another right answer"):
        written(Script(change={"answerable": lambda user, usual: usual.replace('"one_answer": true', '"one_answer": false')}))
    assert not (tmp_path / "mine" / "study.yaml").exists()


def test_a_document_gives_no_more_than_its_limit(tmp_path, name):
    planned, counts = plan_study(write_corpus(tmp_path / "docs"), tmp_path / "mine", name(Script()), per_document=1), Counter()
    facts = write_facts(Corpus(planned.documents, planned.chunks), planned.passages, planned.replies, 1, counts, lambda done, total: None)
    assert counts[OUT + "over the limit of a document"] == len(facts) == len({fact.document for fact in facts}) == NUMBER


# ── before and after ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_estimate_comes_first_and_nothing_is_sent(tmp_path, name, capsys):
    corpus, script = write_corpus(tmp_path / "docs"), Script()
    command = ["questions", "make", str(corpus), "--out", str(tmp_path / "mine"), "--writer", name(script)]
    assert main([*command, "--price-read", "2", "--price-written", "8"]) == 0
    said = capsys.readouterr().out
    assert "passages: 24, documents: 24" in said and "at the prices given" in said and "--yes" in said
    assert re.search(r"at most +456 calls \(those that fail and are made again not counted\)", said)
    read, wrote = (int(number.replace(",", "")) for number in re.findall(r"about +([\d,]+) tokens", said))
    assert len(str(read).rstrip("0")) <= 2 and wrote == 24_000 and "Cost: about 0." in said
    assert said.count("at most") == 1, "only the calls are bounded"
    assert not script.calls and not (tmp_path / "mine").exists()
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["tokens_read"] == pytest.approx(read, rel=0.05)
    assert found["cost"] is None and found["calls"] == 456 and not script.calls
    assert main([*command, "--yes"]) == 0
    said = capsys.readouterr()
    assert said.out.strip() == str(tmp_path / "mine" / "study.yaml") and "48 facts" in said.err and "prompts sent to the writer" in said.err
    assert 0 < sum(script.calls.values()) <= found["calls"]
    read = sum(rough_tokens(system) + rough_tokens(user) for system, user in script.prompts)
    assert found["tokens_read"] / 3 < read <= found["tokens_read"]


def test_the_estimate_by_hand():
    assert [rough_tokens(text) for text in ("", "abcd", "abcde", "水泵", "水泵 KV-7")] == [0, 1, 2, 2, 4]
    chunk = Chunk("a:0-4", Span("a", 0, 4), "abcd", "A")
    one, two = (estimate.estimate("w", [chunk] * number, 5, Prices(2.0, 8.0)) for number in (1, 2))
    assert (one.calls, one.passages, one.documents, one.replies_kept) == (19, 1, 1, 5)  # 1, and 6 of each of 3 questions
    assert one.tokens_written == 3 * (100 + 25 + 5 * 30 + 4 * 15)
    assert one.cost == pytest.approx((one.tokens_read * 2 + one.tokens_written * 8) / 1e6)
    assert (two.calls, two.tokens_read, two.tokens_written) == (2 * one.calls, 2 * one.tokens_read, 2 * one.tokens_written)
    assert estimate.estimate("w", [chunk], 0, Prices(None, 8.0)).cost == pytest.approx(one.tokens_written * 8 / 1e6)


def test_a_killed_job_goes_on_and_makes_the_same(tmp_path, name, written):
    whole = Script()
    _, expected = written(whole, "whole")
    corpus = tmp_path / "docs-en"

    def kill(user, usual):
        if "Morvik" in user:
            raise KeyboardInterrupt
        return usual

    killed = Script(change={"train": kill})
    with pytest.raises(KeyboardInterrupt):
        write_study(plan_study(corpus, tmp_path / "mine", name(killed)))
    assert not (tmp_path / "mine" / "study.yaml").exists()
    rest = Script()
    planned = plan_study(corpus, tmp_path / "mine", name(rest))
    kept = planned.estimate.replies_kept
    assert kept >= NUMBER + 2 * NUMBER + 16, "questions, critiques and the first wordings"
    write_study(planned)
    assert [json.loads(line) for line in (tmp_path / "mine" / "questions.jsonl").read_text().splitlines()] == expected
    assert sum(rest.calls.values()) == sum(whole.calls.values()) - kept, "nothing is asked for twice"
    assert rest.calls["questions"] == rest.calls["answerable"] == 0


def test_after_init_the_study_gets_its_questions(tmp_path, name):
    study = init_study(tmp_path / "mine", write_corpus(tmp_path / "docs"))
    assert write_study(plan_study(tmp_path / "mine", None, name(Script()))).study == study
    assert (tmp_path / "mine" / "replies.jsonl").is_file() and "oracle" in study.read_text()
    assert main(["questions", "check", str(tmp_path / "mine"), "--quick"]) == 0


def test_what_is_wrong_is_said_before_anything_is_sent(tmp_path, name):
    corpus, script = write_corpus(tmp_path / "docs"), Script()
    with pytest.raises(InputError, match="lies among the documents"):
        plan_study(corpus, corpus / "mine", name(script))
    with pytest.raises(InputError, match="--out"):
        plan_study(corpus, None, name(script))
    with pytest.raises(InputError, match="module:attribute"):
        plan_study(corpus, tmp_path / "mine", "gpt-4")
    (tmp_path / "few").mkdir()
    (tmp_path / "few" / "a.md").write_text(f"# {ENGLISH[0]}\n\nNothing much.\n")
    with pytest.raises(InputError, match="1 passages for questions"):
        plan_study(tmp_path / "few", tmp_path / "mine", name(script))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "questions.jsonl").write_text("")
    with pytest.raises(InputError, match="already holds a study"):
        plan_study(corpus, tmp_path / "mine", name(script))
    assert not script.calls


def test_options_of_a_writer_need_one(tmp_path, capsys):
    assert main(["questions", "make", str(write_corpus(tmp_path / "docs")), "--out", str(tmp_path / "mine"), "--yes"]) == 1
    assert "--writer" in capsys.readouterr().err


def test_passages_are_spread_over_a_document():
    chunks = [Chunk(f"{name}:{n}", Span(name, n, n + 1), "x", name) for name, number in (("a", 9), ("b", 2)) for n in range(number)]
    assert [chunk.id for chunk in spread(chunks, 3)] == ["a:0", "a:3", "a:6", "b:0", "b:1"]
