"""The report of a run made by hand: real scoring, comparison and decision over answers that a rule wrote, no model."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from ragft import diagnosis, numbers
from ragft.compare import Difference, Interaction
from ragft.cost import BreakEven
from ragft.diagnosis import PARTS, choose_examples, marked, part_of
from ragft.errors import MissingError
from ragft.report import write_report
from ragft.settings import Study, save_study
from ragft.stats import Estimate
from ragft.store import Run, write_json, write_jsonl
from ragft.study import compare_run, decide_run, score_run
from ragft.types import Answer, Chunk, Evidence, FitReport, Gold, Hit, Question, Span, Usage

EVIL = '"><img src=x onerror=alert(1)><script>alert(2)'  # no slash: it must also serve as an arm's name
TABLE = "a | b\n\n# c"
DEFAULT = {
    "base": {},
    "oracle": {"retriever": "oracle"},
    "rag": {"retriever": "bm25"},
    "lora": {"tuning": "lora"},
    "rag+lora": {"retriever": "bm25", "tuning": "lora"},
}
SKILL = {"base": 1, "oracle": 9, "rag": 6, "lora": 3, "rag+lora": 7}  # how many of ten answerable questions an arm has right


@dataclass(frozen=True)
class Plan:
    """What to make: `text` is planted wherever a user's or a model's text can be."""

    arms: dict = field(default_factory=lambda: dict(DEFAULT))
    seeds: tuple[int, ...] = (0, 1, 2)
    documents: int = 20
    text: str = ""
    evidence: bool = True
    unanswerable: bool = True
    error: str = ""  # the arm whose first answer fails
    needs: dict = field(default_factory=dict)


def make_run(folder: Path, plan: Plan) -> Run:
    """A finished run but for the report: two questions a document, every fifth of them unanswerable."""
    run = Run(folder)
    study = Study(domain=str(folder / "nowhere"), name=f"works{plan.text}", arms=plan.arms, seeds=plan.seeds, embedder=None, needs=plan.needs)
    save_study(study, folder / "study.yaml")
    golds = [gold_of(plan, number) for number in range(2 * plan.documents)]
    write_jsonl(folder / "questions.jsonl", [Question(g.id, f"What is value {g.id}?{plan.text}") for g in golds])
    write_jsonl(folder / "gold.jsonl", golds)
    write_manifest(run, study, plan)
    for name, arm in study.arms.items():
        slots = {**arm.model_dump(), "k": 3 if arm.retriever else None, "format": "qa" if arm.tuning else None, "learning_rate": 0.001}
        write_json(folder / "arms" / name / "arm.json", {"name": name, "model": "m", **slots})
        for seed in plan.seeds if arm.tuning else (0,):
            write_seed(run, plan, golds, name, arm, seed)
    score_run(run)
    compare_run(run)
    decide_run(run)
    return run


def gold_of(plan: Plan, number: int) -> Gold:
    document, answerable = f"d{number // 2:02d}{plan.text}.md", number % 5 != 4 or not plan.unanswerable
    spans = (Evidence((Span(document, 4, 12),)),) if answerable and plan.evidence else ()
    stratum = "trained-fact" if answerable else "unanswerable"
    answers = (f"{number} bar", f"{number} bar{plan.text}") if answerable else ()
    return Gold(f"q{number:02d}", answers, spans, document, "test", f"f{number}", 0, f"value{plan.text}", stratum)


def write_manifest(run: Run, study: Study, plan: Plan) -> None:
    source = {"name": f"tiny{plan.text}", "sha256": "a" * 64, "origin": plan.text}
    data = {"domain": f"works{plan.text}", "sha256": "b" * 64, "documents": plan.documents, "language": "en", "notes": [plan.text]}
    counts = {"train": 9, "dev": 3, "test": 2 * plan.documents}
    code = {"version": "0.1.0", "commit": None, "dirty": None}
    machine = {"system": "Linux", "processor": "x86_64", "cores": 2}
    rest = {
        "status": "running",
        "began": "2026-01-31T10:00:00+00:00",
        "finished": None,
        "code": code,
        "versions": {"python": "3.11"},
        "machine": machine,
    }
    names = {"model": source, "embedder": None, "seeds": list(plan.seeds), "arms": list(study.arms)}
    write_json(run.folder / "manifest.json", {**rest, **names, "data": {**data, "questions": counts, "trains_tested_facts": True}})


def write_seed(run: Run, plan: Plan, golds: list[Gold], name: str, arm, seed: int) -> None:
    folder, fit = run.seed_folder(name, seed), {}
    if arm.retriever:
        fit["index"] = {"folder": "artifacts/index-1", "sha256": "i", "fit": FitReport(2.0, 10**6, notes=(f"retriever auto = bm25{plan.text}",))}
    if arm.tuning:
        loss = tuple((100 * step, 3.0 / step + 0.1 * seed) for step in range(1, 30))
        trained = FitReport(60.0, 2 * 10**9, 5000, 100_000, 2900, 40, 20_000, loss, (f"note{plan.text}",))
        fit["adapter"] = {"folder": f"artifacts/adapter-{seed}", "sha256": f"a{seed}", "fit": trained}
    write_json(folder / "fit.json", fit)
    write_jsonl(folder / "answers.jsonl", [answer_of(plan, gold, number, name, arm, seed) for number, gold in enumerate(golds)])
    write_json(folder / "done.json", {})


def answer_of(plan: Plan, gold: Gold, number: int, name: str, arm, seed: int) -> Answer:
    skill = SKILL.get(name, 5)
    right = (7 * number + 3 * (number // 10)) % 10 < skill
    if arm.tuning and number % 20 == seed:  # seeds differ a little
        right = not right
    hits, shown = None, right or number % 2 == 0 or arm.retriever == "oracle"
    if arm.retriever:
        chunk = Chunk(f"{gold.document}:0-20", Span(gold.document, 0, 20), f"The {number:2d} bar is it.{plan.text}", f"heading{plan.text}")
        other = Chunk("other.md:0-5", Span("other.md", 0, 5), "Other", "heading")
        hits = (Hit(chunk if shown else other, 1, 1.0),)
    text, outcome = (
        (f"{number} bar", "ok") if right and gold.answers else ("I don't know.", "abstained") if number % 3 == 0 else (f"wrong{plan.text}", "ok")
    )
    if name == plan.error and number == 0:
        return Answer(gold.id, "", "error", hits, "prompt", None, 0, f"RuntimeError: {plan.text}")
    usage = Usage(300 if hits else 60, 4, 0.5 if hits else 0.2, 4.0, 8, 0.01 if hits else 0.0)
    return Answer(gold.id, text, outcome, hits, f"prompt {gold.id} {hits is None}{plan.text}", usage, number // 8)


class Page(HTMLParser):
    """What a browser would make of the page: tags, attributes, and the text a reader sees."""

    def __init__(self, html: str):
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self._skip = False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [(key, value or "") for key, value in attrs]
        self._skip = tag == "style"

    def handle_endtag(self, tag):
        self._skip = False

    def handle_data(self, data):
        if not self._skip:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))


def report_of(folder: Path, plan: Plan) -> tuple[str, Page, str]:
    path = write_report(make_run(folder, plan))
    html = path.read_text(encoding="utf-8")
    return html, Page(html), (folder / "report.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    return report_of(tmp_path_factory.mktemp("full"), Plan())


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    arms = {**DEFAULT, f"z{EVIL}": {"tuning": "lora"}}
    return report_of(tmp_path_factory.mktemp("hostile"), Plan(arms=arms, text=EVIL, seeds=(0, 1)))


# ── the page as a whole ──────────────────────────────────────────────────────────────────────────────────────────────


def test_sections_come_in_order(full):
    html, _, _ = full
    keys = ["verdict", "arms", "differences", "two-by-two", "losses", "slices", "retrieval", "training", "cost", "examples", "made-from"]
    assert re.findall(r'<section id="([^"]+)"', html) == keys
    assert re.findall(r'<a href="#([^"]+)"', html) == keys


def test_one_file_that_loads_nothing(full):
    html, page, _ = full
    assert page.tags.isdisjoint({"script", "img", "link", "iframe", "object", "embed", "form", "base"})
    assert [value for key, value in page.attributes if key in ("src", "href", "action", "data") and not value.startswith("#")] == []
    assert [url for url in re.findall(r"https?://[^\s\"<]+", html) if url != "http://www.w3.org/2000/svg"] == []
    assert "url(" not in html and "@import" not in html


def test_planted_markup_is_inert(hostile):
    html, page, _ = hostile
    assert page.tags.isdisjoint({"script", "img"})
    assert [key for key, _ in page.attributes if key.startswith("on")] == []
    # it is shown, as text: as arm, question, answer, document, heading, prompt, note
    assert page.text.count(EVIL) > 50
    for place in (f"z{EVIL}", f"?{EVIL}", f"wrong{EVIL}", f"d00{EVIL}.md", f"heading{EVIL}", f"note{EVIL}", f"tiny{EVIL}"):
        assert place in page.text, place
    assert "<script" not in html and "<img" not in html


def test_planted_markup_is_inert_in_markdown(hostile):
    *_, markdown = hostile
    assert re.search(r"(?<!\\)<", markdown) is None
    assert "&lt;script" in markdown


def test_no_value_is_printed_raw(full, hostile):
    for html, page, markdown in (full, hostile):
        for text in (page.text, markdown):
            assert re.search(r"\b(None|nan|NaN|True|False|inf)\b", text) is None
        assert "np.float" not in html


def test_every_chart_has_a_text_alternative(full):
    html, _, _ = full
    charts = re.findall(r'<svg class="chart"[^>]*>', html)
    assert len(charts) == 5  # arms, differences, interaction, losses, one loss curve shared by lora and rag+lora
    assert all('role="img"' in chart and re.search(r'aria-label="[^"]{20,}"', chart) for chart in charts)


def test_the_report_needs_no_tensors(tmp_path):
    run = make_run(tmp_path, Plan(seeds=(0,), documents=3))
    code = "import sys; from pathlib import Path; from ragft.store import Run; from ragft.report import write_report; write_report(Run(Path(sys.argv[1])));"
    code += "print([m for m in ('torch', 'transformers', 'streamlit', 'peft') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code, str(run.folder)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_run_without_a_verdict_is_refused(tmp_path):
    run = make_run(tmp_path, Plan(seeds=(0,), documents=3))
    (tmp_path / "decision.json").unlink()
    with pytest.raises(MissingError, match=r"decision\.json"):
        write_report(run)
    assert not (tmp_path / "report.html").exists()


# ── figures ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_verdict_holds_for_what_was_tested(full):
    _, page, markdown = full
    for text in (page.text, markdown):
        assert "40 questions" in text and "20 documents" in text and "tiny" in text and "3.0 points" in text


def test_intervals_are_shown_where_there_are_any(full, tmp_path):
    _, page, markdown = full
    assert "no interval" not in page.text.replace("an open circle has no interval", "").replace("no interval can be given", "")
    assert "no interval" not in markdown
    _, one, markdown = report_of(tmp_path, Plan(seeds=(0,)))
    assert "no interval (one seed)" in one.text and "no interval (one seed)" in markdown
    assert "nothing certain about lora, rag+lora" in one.text


def test_outcomes_add_up(full):
    *_, markdown = full
    rows = re.findall(r"(\d+) ok \+ (\d+) abstained \+ (\d+) truncated \+ (\d+) error = (\d+)", markdown)
    assert [int(row[-1]) for row in rows] == [40, 40, 40, 120, 120]
    assert all(sum(map(int, row[:-1])) == int(row[-1]) for row in rows)


def test_not_applicable_is_a_dash_not_a_zero(tmp_path):
    _, page, markdown = report_of(tmp_path, Plan(unanswerable=False, evidence=False, arms={"base": {}, "rag": {"retriever": "bm25"}}))
    cells = next(line for line in markdown.splitlines() if line.startswith("| rag ")).split("|")
    assert [cells[i].strip() for i in (6, 8)] == ["–", "–"]  # by seed, false answers
    assert "because none of the questions is unanswerable" in page.text
    assert re.search(r"rag bm25 3 – – – 0 ", page.text)  # recall, MRR, nDCG over 0 questions
    for words in ("no arm of this study is fine-tuned", "This study does not have all four"):
        assert words in page.text


def test_a_study_of_one_arm_has_nothing_to_compare(tmp_path):
    _, page, _ = report_of(tmp_path, Plan(arms={"rag": {"retriever": "bm25"}}))
    assert "no other deployable arm to compare with rag" in page.text


def test_failed_answers_are_shown_as_such(tmp_path):
    _, page, markdown = report_of(tmp_path, Plan(error="rag", documents=20))
    assert "1 error = 40" in markdown
    assert "failed, not scored" in page.text


def test_needs_that_are_not_met_are_named(tmp_path):
    _, page, markdown = report_of(tmp_path, Plan(needs={"citations": True}))
    assert "lora : without passages it has nothing to cite" in page.text
    assert "- lora: without passages it has nothing to cite" in markdown


def test_markdown_tables_keep_their_shape(tmp_path):
    name = "a|b`c*d"
    *_, markdown = report_of(tmp_path, Plan(arms={**DEFAULT, name: {"tuning": "lora"}}, text=TABLE))
    widths = [len(re.findall(r"(?<!\\)\|", line)) for line in markdown.splitlines() if line.startswith("|")]
    assert widths == [11] * (2 + 6) + [5] * (2 + 4)
    assert r"a\|b\`c\*d" in markdown
    assert [line for line in markdown.splitlines() if line.startswith("# ")] == [markdown.splitlines()[0]]


def test_the_evidence_is_highlighted_and_the_prompt_is_there(full):
    html, _, _ = full
    assert re.search(r"<blockquote>The <mark>..? bar i</mark>s it\.</blockquote>", html)
    assert re.search(r"<pre>prompt q\d\d False</pre>", html)
    assert re.search(r"<pre>prompt q\d\d True</pre>", html)


def test_two_reports_of_one_run_are_equal(tmp_path):
    run = make_run(tmp_path, Plan(seeds=(0,), documents=4))
    first = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == first


# ── diagnosis ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("outcome", "score", "recall", "answerable", "part"),
    [
        ("ok", 1.0, 1.0, True, "right"),
        ("truncated", 1.0, None, True, "right"),
        ("abstained", 1.0, None, False, "right"),
        ("abstained", 0.0, 1.0, True, "refused"),
        ("ok", 0.0, 1.0, True, "misread"),
        ("ok", 0.0, 0.5, True, "missed"),
        ("truncated", 0.0, 0.0, True, "missed"),
        ("ok", 0.0, None, True, "wrong"),
        ("ok", 0.0, float("nan"), True, "wrong"),
        ("ok", 0.0, None, False, "invented"),
        ("error", None, None, True, "failed"),
        ("error", float("nan"), 1.0, False, "failed"),
        ("ok", 0.6, 1.0, True, "right"),  # a graded metric
        ("ok", 0.4, 1.0, True, "misread"),
    ],
)
def test_each_answer_is_one_part(outcome, score, recall, answerable, part):
    assert part_of({"outcome": outcome, "match": score, "recall@k": recall}, "match", answerable) == part


def test_losses_add_up_to_all_answers_of_all_seeds():
    rows = [{"arm": "lora", "seed": s, "question": q, "outcome": "ok", "match": float(q == "a"), "recall@k": None} for s in (0, 1, 2) for q in "abc"]
    (found,) = diagnosis.losses(pd.DataFrame(rows), "match", {"a": True, "b": True, "c": False})
    assert found.counts == {"right": 3, "refused": 0, "misread": 0, "missed": 0, "wrong": 3, "invented": 3, "failed": 0}
    assert (found.answers, found.seeds) == (9, 3)
    assert sum(found.shares[part.key] for part in PARTS) == pytest.approx(1)


def gold(key: str, answerable: bool = True) -> Gold:
    return Gold(key, ("x",) if answerable else (), (), "d", "test", key, 0, "", "")


def test_examples_follow_the_rule_whatever_the_order():
    golds = [gold(f"r{i}") for i in range(4)] + [gold(f"t{i}") for i in range(4)] + [gold("n0"), gold("n1"), gold("u0", False), gold("u1", False)]
    kinds = {"r": ("right", "wrong"), "t": ("wrong", "right"), "n": ("wrong", "wrong"), "u": ("right", "invented")}
    marks = {g.id: dict(zip(("rag", "lora"), kinds[g.id[0]], strict=True)) for g in golds}
    chosen = choose_examples(marks, golds, "rag", "lora")
    assert [c.question[0] for c in chosen] == list("rrttnu")
    assert choose_examples(marks, golds[::-1], "rag", "lora") == chosen
    assert [c.why for c in chosen][::2] == ["rag is right, lora is not", "lora is right, rag is not", "no arm is right"]


def test_examples_are_filled_up_and_never_repeated():
    golds = [gold(f"r{i}") for i in range(9)]
    marks = {g.id: {"rag": "right", "lora": "wrong"} for g in golds}
    chosen = choose_examples(marks, golds, "rag", "lora")
    assert len(chosen) == len({c.question for c in chosen}) == 6
    assert [c.why for c in chosen] == ["rag is right, lora is not"] * 2 + ["the arms disagree"] * 4
    assert len(choose_examples(marks, golds[:3], "rag", None)) == 3


@pytest.mark.parametrize(
    ("evidence", "pieces"),
    [
        ([], [("0123456789", False)]),
        ([(12, 15)], [("01", False), ("234", True), ("56789", False)]),
        ([(0, 12), (18, 99)], [("01", True), ("234567", False), ("89", True)]),
        ([(12, 15), (13, 17)], [("01", False), ("23456", True), ("789", False)]),
        ([(0, 99)], [("0123456789", True)]),
    ],
)
def test_marked_splits_at_the_evidence(evidence, pieces):
    assert marked("0123456789", Span("d", 10, 20), [Span("d", a, b) for a, b in evidence]) == pieces


def test_evidence_of_another_document_is_not_marked():
    assert marked("abc", Span("d", 0, 3), [Span("e", 0, 3)]) == [("abc", False)]


def estimate(mean: float = 0.0, documents: int = 20) -> Estimate:
    return Estimate(mean, 0.1, 0.0, 9.0, 40, documents, 3)


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        (0.04, 0.10, "better by more than the margin"),
        (0.01, 0.10, "better, but perhaps by less than the margin"),
        (-0.02, 0.02, "no difference that matters"),
        (-0.02, 0.10, "not worse by more than the margin; possibly better"),
        (-0.10, 0.02, "not better by more than the margin; possibly worse"),
        (-0.10, -0.01, "worse, but perhaps by less than the margin"),
        (-0.10, -0.04, "worse by more than the margin"),
        (-0.10, 0.10, "open: better and worse by more than the margin are both possible"),
        (None, None, "no interval (one seed): the difference may be chance"),
    ],
)
def test_an_interval_in_words(low, high, says):
    assert diagnosis.meaning(Difference("a", "rag", estimate(), low, high, None, None), 0.03) == says


def test_why_there_is_no_interval():
    assert diagnosis.no_interval(estimate(documents=1)) == "no interval (one document)"
    assert diagnosis.no_interval(estimate(documents=2)) == "no interval (one seed)"


@pytest.mark.parametrize(
    ("low", "high", "both", "start"),
    [
        (0.01, 0.2, 0.9, "They help each other"),
        (-0.2, -0.01, 0.4, "They get in each other's way"),
        (-0.2, -0.01, 0.6, "They overlap"),
        (-0.02, 0.02, 0.6, "They add up"),
        (-0.2, 0.01, 0.6, "Undecided: the interval contains 0"),
        (None, None, 0.6, "Undecided, no interval (one seed)"),
    ],
)
def test_the_interaction_in_words(low, high, both, start):
    found = Interaction("base", "rag", "lora", "both", estimate(), low, high)
    assert diagnosis._interaction_words(found, 0.5, both, 0.03).startswith(start)


def test_break_even_in_words():
    assert "at any number" in diagnosis.break_even_words(BreakEven("lora", "rag", None, "always"), 100)
    assert "never cheaper" in diagnosis.break_even_words(BreakEven("lora", "rag", None, "never"), 100)
    above, below = BreakEven("lora", "rag", 50.0, "above"), BreakEven("lora", "rag", 50.0, "below")
    assert "above 50 questions" in diagnosis.break_even_words(above, 100)
    assert [diagnosis.break_even_words(even, 100).endswith("the cheaper one.") for even in (above, below)] == [True, False]


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (numbers.percent(0.5416), "54.2\N{NO-BREAK SPACE}%"),
        (numbers.percent(None), "–"),
        (numbers.percent(0.0), "0.0\N{NO-BREAK SPACE}%"),
        (numbers.signed(-0.0001), "0.0"),
        (numbers.signed(-0.012), "−1.2"),
        (numbers.signed(0.042), "+4.2"),
        (numbers.points(-0.01), "1.0 point"),
        (numbers.span(-0.011, 0.095), "−1.1 to +9.5"),
        (numbers.span(None, None, "–"), "–"),
        (numbers.seconds(0.004), "4 ms"),
        (numbers.seconds(0.494), "0.49 s"),
        (numbers.seconds(99.6), "1 min 40 s"),
        (numbers.seconds(3900), "1 h 5 min"),
        (numbers.seconds(None), "–"),
        (numbers.count(4884480), "4,884,480"),
        (numbers.size(19593064), "19.6 MB"),
        (numbers.size(512), "512 B"),
        (numbers.money(0.01372, "EUR"), "0.014 EUR"),
        (numbers.money(4.6, "EUR"), "4.60 EUR"),
        (numbers.money(1250, "EUR"), "1,250 EUR"),
        (numbers.money(0.0, "EUR"), "0.00 EUR"),
        (numbers.money(None, "EUR"), "–"),
        (numbers.ordinary("a|b\n<c>&*"), "a\\|b &lt;c\\>&amp;\\*"),
    ],
)
def test_numbers_as_people_read_them(shown, expected):
    assert shown == expected
