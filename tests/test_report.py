"""The report of a run made by hand: real scoring, comparison and decision over answers that a rule wrote, no model."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import pytest
from made_run import DEFAULT, EVIL, Plan, make_run

from ragft.errors import MissingError
from ragft.report import write_report
from ragft.risk import Risk, Risks
from ragft.store import Run, read_jsonl_as, write_json, write_jsonl
from ragft.study import compare_run, decide_run


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


@dataclass(frozen=True)
class Made:
    """A report, as bytes on disk and as a reader sees it."""

    folder: Path
    html: str
    page: Page
    markdown: str


def report_of(folder: Path, plan: Plan) -> Made:
    return read_report(write_report(make_run(folder, plan)))


def read_report(path: Path) -> Made:
    html = path.read_text(encoding="utf-8")
    return Made(path.parent, html, Page(html), (path.parent / "report.md").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def full(tmp_path_factory) -> Made:
    return report_of(tmp_path_factory.mktemp("full"), Plan())


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Made:
    """Markup planted everywhere, one failed answer, and a need that the closed-book arms do not meet."""
    arms = {**DEFAULT, f"z{EVIL}": {"tuning": "lora"}}
    plan = Plan(arms=arms, text=f"{EVIL}\n\n# x", seeds=(0, 1), error="rag", needs={"citations": True})
    return report_of(tmp_path_factory.mktemp("hostile"), plan)


# ── the page as a whole ──────────────────────────────────────────────────────────────────────────────────────────────


def test_sections_come_in_order(full):
    keys = [
        "verdict",
        "arms",
        "differences",
        "two-by-two",
        "losses",
        "slices",
        "retrieval",
        "training",
        "cost",
        "drill",
        "risks",
        "which-tuning",
        "examples",
        "plan",
        "made-from",
    ]
    assert re.findall(r'<section id="([^"]+)"', full.html) == keys
    assert re.findall(r'<li><a href="#([^"]+)"', full.html) == keys


def test_one_file_that_loads_nothing(full):
    assert full.page.tags.isdisjoint({"script", "img", "link", "iframe", "object", "embed", "form", "base"})
    assert [value for key, value in full.page.attributes if key in ("src", "href", "action", "data") and not value.startswith("#")] == []
    assert [url for url in re.findall(r"https?://[^\s\"<]+", full.html) if url != "http://www.w3.org/2000/svg"] == []
    assert "url(" not in full.html and "@import" not in full.html


def test_planted_markup_is_inert(hostile):
    assert hostile.page.tags.isdisjoint({"script", "img"})
    assert [key for key, _ in hostile.page.attributes if key.startswith("on")] == []
    assert "<script" not in hostile.html and "<img" not in hostile.html
    # it is shown, as text: as arm, question, answer, document, heading, note, model
    for place in (f"z{EVIL}", f"?{EVIL}", f"wrong{EVIL}", f"{EVIL} # x.md", f"heading{EVIL}", f"note{EVIL}", f"tiny{EVIL}"):
        assert place in hostile.page.text, place


def test_planted_markup_is_inert_in_markdown(hostile):
    assert re.search(r"(?<!\\)<", hostile.markdown) is None
    assert "&lt;script" in hostile.markdown


def test_markdown_tables_keep_their_shape(hostile):
    lines = hostile.markdown.splitlines()
    widths = [len(re.findall(r"(?<!\\)\|", line)) for line in lines if line.startswith("|")]
    widths_of_parts = [11] * (2 + 6) + [5] * (2 + 4) + [6] * (2 + 5) + [9] * (2 + 1) + [8] * (2 + 5) + [4] * (2 + 2)
    # arms, differences, odds, training, costs, what is said of lora
    assert widths == widths_of_parts
    assert [line for line in lines if line.startswith("# ")] == [lines[0]]
    assert r"\|\`\*" in hostile.markdown


def test_estimates_stand_beside_what_training_took(full, tmp_path):
    assert "Time a seed 63 s estimated before: 45 s" in full.page.text
    assert "Peak memory 2.0 GB estimated before: 2.5 GB" in full.page.text
    assert "| lora, format qa | lora, rag+lora | 2,900 | 63 s | 45 s | 2.0 GB | 2.5 GB | 2,900 |" in full.markdown
    without = report_of(tmp_path, Plan(estimate=()))
    assert "estimated before" not in without.page.text
    assert "| 63 s | – | 2.0 GB | – |" in without.markdown


def test_no_value_is_printed_raw(full, hostile):
    for made in (full, hostile):
        for text in (made.page.text, made.markdown):
            assert re.search(r"\b(None|nan|NaN|True|inf)\b", text) is None
        assert "np.float" not in made.html


def test_every_chart_has_a_text_alternative(full):
    charts = re.findall(r'<svg class="chart"[^>]*>', full.html)
    assert len(charts) == 7  # arms, differences, interaction, losses, one loss curve shared by lora and rag+lora, costs, where lora acts
    assert all('role="img"' in chart and re.search(r'aria-label="[^"]{20,}"', chart) for chart in charts)


def test_the_report_needs_no_tensors_and_is_the_same_again(full):
    before = (full.folder / "report.html").read_bytes()
    code = "import sys; from pathlib import Path; from ragft.store import Run; from ragft.report import write_report\n"
    code += "write_report(Run(Path(sys.argv[1])))\n"
    code += "print([m for m in ('torch', 'transformers', 'streamlit', 'peft') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code, str(full.folder)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert (full.folder / "report.html").read_bytes() == before


def test_a_run_without_a_verdict_is_refused(full, tmp_path):
    shutil.copytree(full.folder, tmp_path / "run")
    for name in ("decision.json", "report.html"):
        (tmp_path / "run" / name).unlink()
    with pytest.raises(MissingError, match=r"decision\.json"):
        write_report(Run(tmp_path / "run"))
    assert not (tmp_path / "run" / "report.html").exists()


# ── figures ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_verdict_holds_for_what_was_tested(full):
    for text in (full.page.text, full.markdown):
        assert "20 questions" in text and "10 documents" in text and "tiny" in text and "3 points" in text


def test_intervals_are_shown_where_there_are_any(full, tmp_path):
    assert "no interval (" not in full.page.text and "no interval (" not in full.markdown
    one = report_of(tmp_path, Plan(seeds=(0,)))
    assert "no interval (one seed)" in one.page.text and "no interval (one seed)" in one.markdown
    assert "What this study can find cannot be stated" in one.page.text


def test_outcomes_add_up(full):
    rows = re.findall(r"(\d+) ok \+ (\d+) abstained \+ (\d+) truncated \+ (\d+) error = (\d+)", full.markdown)
    assert [int(row[-1]) for row in rows] == [20, 20, 20, 60, 60]
    assert all(sum(map(int, row[:-1])) == int(row[-1]) for row in rows)


def test_parts_of_the_bars_add_up(full):
    table = full.html.split("<summary>The same as a table</summary>")[1].split("</table>")[0]
    rows = [[int(n) for n in re.findall(r'<td class="n">(?:<b>)?(\d+)', row)] for row in table.split("<tr>")[2:]]
    assert [row[-1] for row in rows] == [20, 20, 20, 60, 60]
    assert all(sum(row[:-1]) == row[-1] and len(row) == 11 for row in rows)


def test_where_points_are_lost_is_told_with_what_may_mend_it(full):
    for text in (full.page.text, full.markdown):
        assert "Of the 45 points that rag loses: 15 points because none of the evidence was among the passages (better retrieval: " in text
        assert "What is lost even with the gold passages, 25 points, no retrieval can bring: " in text
    assert "an answer that declined, or said too much, when the evidence was not among its passages is a loss of retrieval" in full.page.text
    assert "Knowledge or behaviour?" not in full.page.text  # there is no control


def test_without_a_bare_arm_the_prior_cannot_be_told(tmp_path):
    made = report_of(tmp_path, Plan(arms={"rag": {"retriever": "bm25"}}))
    assert "answers that the model gives with or without passages cannot be told from misreading" in made.page.text
    assert "Right where search missed" not in made.page.text  # nothing is tuned


def test_controls_tell_knowledge_from_behaviour(tmp_path):
    arms = {**DEFAULT, "else": {"tuning": "lora", "format": "other-documents"}, "swap": {"tuning": "lora", "format": "shuffled"}}
    made = report_of(tmp_path / "fine", Plan(arms=arms, skill={"else": 2, "swap": 1}))
    broken = report_of(tmp_path / "broken", Plan(arms=arms, skill={"else": 2, "swap": 9}))
    for text in (made.page.text, made.markdown):
        assert "lora against base: training on other documents (else) brings behaviour, " in text
        assert "swap was trained on exchanged answers; " in text and "surely a gain: the pipeline is broken" not in text
    for text in (broken.page.text, broken.markdown):
        assert "surely a gain: the pipeline is broken" in text


def test_the_rescue_rate_stands_beside_injected_misses(full, tmp_path):
    assert re.search(r"rag\+lora 11.1 % 0 % to 100 % 3 – –", full.page.text)
    for text in (full.page.text, full.markdown):
        assert "Search missed evidence of 3 scored questions only, so this says little: ragft risks STUDY injects misses" in text
    shutil.copytree(full.folder, tmp_path / "run")
    row = Risk("rag+lora", 0, "withheld", 40, 10, 0.25, 0.125, 0.375, "rag", 0.0, 0.25, 0.1, 0.4, 0, "")
    write_json(tmp_path / "run" / "risks.json", Risks((row,), "match"))
    text = read_report(write_report(Run(tmp_path / "run"))).page.text
    assert re.search(r"rag\+lora 11.1 % 0 % to 100 % 3 25 % 12.5 % to 37.5 % 40", text)
    assert "injects misses" not in text


def test_not_applicable_is_a_dash_not_a_zero(tmp_path):
    made = report_of(tmp_path, Plan(unanswerable=False, evidence=False, arms={"base": {}, "rag": {"retriever": "bm25"}}))
    cells = next(line for line in made.markdown.splitlines() if line.startswith("| rag ")).split("|")
    assert [cells[i].strip() for i in (6, 8)] == ["–", "–"]  # by seed, false answers
    assert "because none of the questions is unanswerable" in made.page.text
    assert re.search(r"rag bm25 3 – [\d.]+ % – – – – 0 ", made.page.text)  # recall, sufficiency, precision, MRR, MAP, nDCG over 0 questions
    for words in ("no arm of this study is fine-tuned", "This study does not have all four"):
        assert words in made.page.text


def test_a_study_of_one_arm_has_nothing_to_compare(tmp_path):
    made = report_of(tmp_path, Plan(arms={"rag": {"retriever": "bm25"}}))
    assert "no other deployable arm to compare with rag" in made.page.text


def test_failed_answers_are_shown_as_such(hostile):
    assert "1 error = 20" in hostile.markdown
    assert "failed, or not scored" in hostile.page.text


def test_what_failed_answers_could_change_is_said(hostile, full):
    for text in (hostile.page.text, hostile.markdown):
        found = re.search(
            r"rag ?: 5 % of its answers failed: it would score ([\d.]+) % if all of them were wrong, ([\d.]+) % if all were right\.", text
        )
        assert float(found[2]) - float(found[1]) == pytest.approx(5)
    assert "Missing answers" in hostile.page.text
    assert "answers failed" not in full.page.text and "answers failed" not in full.markdown


def test_needs_that_are_not_met_are_named(hostile):
    assert re.search(r"lora[^:]* : without passages it has nothing to cite", hostile.page.text)
    assert "- lora: without passages it has nothing to cite" in hostile.markdown


def test_an_arm_without_a_score_does_not_stop_the_report(full, tmp_path):
    shutil.copytree(full.folder, tmp_path / "run")
    run = Run(tmp_path / "run")
    for name in ("rag", "lora"):
        for path in (run.folder / "arms" / name).glob("seed-*/scores.jsonl"):
            write_jsonl(path, [{**row, "match": None, "outcome": "error"} for row in read_jsonl_as(dict, path)])
    compare_run(run)
    decide_run(run)
    assert "without a line here: rag, lora" in read_report(write_report(run)).page.text


@pytest.mark.parametrize(("outcome", "verdict"), [("error", "undecided"), ("ok", None)])
def test_what_failed_in_every_arm_blocks_the_verdict_and_what_the_metric_does_not_apply_to_does_not(tmp_path, outcome, verdict):
    run = make_run(tmp_path, Plan())
    before = decide_run(run)
    for path in run.folder.glob("arms/*/seed-*/scores.jsonl"):
        rows = read_jsonl_as(dict, path)
        write_jsonl(path, [{**row, "match": None, "outcome": outcome} if n < 4 else row for n, row in enumerate(rows)])
    compare_run(run)
    decision = decide_run(run)
    if verdict:
        assert decision.verdict == verdict and "missing" not in before.because[0]
        assert "with more than 5 % missing no verdict is given" in decision.because[0]
    else:
        assert "missing" not in decision.because[0] and any("4 of the" in warning for warning in decision.warnings)


def test_the_evidence_is_highlighted_and_the_prompt_is_there(full):
    assert re.search(r"<blockquote>The <mark>..? bar i</mark>s it\.</blockquote>", full.html)
    assert re.search(r"<pre>prompt q\d\d open</pre>", full.html)
    assert re.search(r"<pre>prompt q\d\d closed</pre>", full.html)


# ── slices fixed beforehand, and doses ───────────────────────────────────────────────────────────────────────────────


def test_slices_fixed_beforehand_come_first(tmp_path):
    from ragft.settings import load_study, save_study

    run = make_run(tmp_path, Plan())
    study = load_study(run.folder / "study.yaml").model_copy(update={"slices": ("stratum=trained-fact", "base=unknown")})
    save_study(study, run.folder / "study.yaml")
    found = compare_run(run)
    decide_run(run)
    report = read_report(write_report(run))
    section = report.html[report.html.index('id="slices"') : report.html.index('id="retrieval"')]
    assert section.index("Fixed beforehand</h3>") < section.index("Exploratory: these tables")
    table = section[section.index("<caption>") : section.index("</table>")]
    assert re.findall(r'<th scope="row">([^<]+)</th><td data-label="difference">([^<]+)</td>', table) == [
        (where, f"{arm} − rag")
        for where, arms in (
            ("facts trained in other words", ("base", "lora", "rag+lora", "raft")),
            ("questions that the model alone has wrong", ("lora", "rag+lora", "raft")),
        )
        for arm in arms
        if arm in found.family
    ]
    for one in found.confirmed:
        assert f"{100 * one.difference.estimate.mean:+.1f}".replace("-", "−") in table
    assert "Fixed beforehand" in report.markdown and report.markdown.count("| questions that the model alone has wrong |") >= 2
    assert "has no q here" in report.page.text


def test_without_slices_fixed_beforehand_there_is_no_table_of_them(full):
    assert "Fixed beforehand" not in full.page.text
    assert "By whether the model alone is right" in full.page.text
    assert "## By kind of question" in full.markdown


def test_a_dose_response_stands_below_training(tmp_path, full):
    wordings = {f"p{n}": {"tuning": "lora", "format": "paraphrase", "format_options": {"wordings": n}} for n in (1, 4, 16)}
    report = report_of(tmp_path, Plan(arms={**DEFAULT, **wordings}, skill={"p1": 2, "p4": 4, "p16": 5}))
    section = report.html[report.html.index('id="training"') : report.html.index('id="cost"')]
    assert "p1, p4, p16 (1, 4 and 16 wordings a fact): each doubling brings" in section
    assert "64 wordings, forecast" in section and "chance to overtake rag" in section
    assert "## More wordings of each fact" in report.markdown
    assert "More wordings of each fact" not in full.page.text + full.markdown
