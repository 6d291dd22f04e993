"""The guide as a reader sees it: the report's section, its short form, the page in docs and its figures."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from made_run import EVIL, Plan, make_run
from test_guide import METHODS, arms_of, whole_plan
from test_report import Page

from ragft.errors import MissingError
from ragft.guide import Guide, make_guide
from ragft.guidepage import guide_markdown, lines, summary, tally, write_document
from ragft.material import read_material
from ragft.report import write_report
from ragft.store import Run

COMMAND = "python pipelines/compare_peft.py data/my_domain/study.yaml"


@dataclass(frozen=True)
class Made:
    """The section of report.html, report.md, and the guide itself."""

    run: Run
    guide: Guide
    html: str
    text: str
    markdown: str


def made_of(folder: Path, plan: Plan) -> Made:
    path = write_report(run := make_run(folder, plan))
    html = path.read_text(encoding="utf-8").split('<section id="which-tuning">')[1].split("</section>")[0]
    found = make_guide(read_material(run))
    assert found is not None
    return Made(run, found, html, Page(html).text, (folder / "report.md").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Made:
    return made_of(tmp_path_factory.mktemp("whole"), whole_plan())


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> Made:
    return made_of(tmp_path_factory.mktemp("bare"), Plan())


def test_the_section_says_what_the_guide_holds(whole):
    for claim in whole.guide.claims:
        assert claim.text in whole.text and re.sub(r"\s+", " ", claim.evidence) in whole.text, claim.key
    for challenge in whole.guide.challenges:
        assert challenge.title in whole.text and challenge.words in whole.text, challenge.key
    for control in whole.guide.controls:
        assert control.words in whole.text
    for row in whole.guide.rows:
        assert f"{row.trainable:,.0f}" in whole.text


def test_all_charts_are_there_with_their_alternative(whole):
    charts = re.findall(r'<svg class="chart"[^>]*aria-label="([^"]+)"', whole.html)
    assert len(charts) == 6  # parameters and time, without and with passages; where methods act; where states change
    assert all(method in chart for chart in charts for method in METHODS)


def test_each_adapter_has_one_line_for_both_ways(whole):
    assert len(lines(whole.guide.rows)) == len(METHODS) + 3  # raft and two controls
    first = lines(whole.guide.rows)[0]
    assert (first.alone.arm, first.passages.arm) == ("adapter", "rag+adapter")


def test_the_tally_adds_up(whole):
    numbers = [int(number) for number in re.findall(r"\d+", tally(whole.guide.claims))]
    assert sum(numbers) == len(whole.guide.claims)


def test_one_method_is_short_and_says_what_is_missing(bare):
    assert len(re.findall(r'<svg class="chart"', bare.html)) == 1  # where it acts
    assert "Quality against cost" not in bare.html and "Under noise" not in bare.html and "Where hidden states" not in bare.text.split("was not")[0]
    for line in bare.guide.absent:
        assert line in bare.text and line.split(":")[0] in bare.markdown
    assert "The method of this study by what it takes" in bare.text


def test_no_tuned_arm_says_so(tmp_path):
    folder = tmp_path / "run"
    path = write_report(make_run(folder, Plan(arms={"base": {}, "rag": {"retriever": "bm25"}})))
    section = path.read_text(encoding="utf-8").split('<section id="which-tuning">')[1].split("</section>")[0]
    assert "no arm of this study is fine-tuned" in section
    assert "Which fine-tuning" not in (folder / "report.md").read_text(encoding="utf-8")
    assert not (folder / "guide.json").exists()


def test_the_report_writes_the_guide_as_a_record(tmp_path):
    write_report(make_run(tmp_path, Plan()))
    assert (tmp_path / "guide.json").is_file()


@pytest.mark.parametrize(
    "plan",
    [
        replace(whole_plan(), arms=arms_of(["lora", "prompt"]), seeds=(0,)),
        replace(whole_plan(), arms=arms_of(["lora", "prompt"]), dead="prompt", measured=False, documents=5),
        Plan(arms={"rag": {"retriever": "bm25"}, "raft": {"tuning": "lora", "retriever": "bm25", "format": "raft"}}),
        Plan(arms={"rag": {"retriever": "bm25"}, "lora": {"tuning": "lora"}}, dead="lora"),
        Plan(arms={**arms_of(["lora"]), f"z{EVIL}": {"tuning": "prompt"}}, text=f"{EVIL}\n\n# x", measured=True),
    ],
    ids=["one seed", "a failed arm", "RAFT only", "the only arm failed", "hostile"],
)
def test_nothing_is_printed_raw(tmp_path, plan):
    made = made_of(tmp_path, plan)
    page = guide_markdown(made.guide, COMMAND)
    for text in (made.text, made.markdown, page):
        assert re.search(r"\b(None|nan|NaN|True|False|inf)\b", text) is None
    assert "<script" not in made.html and "<img" not in made.html
    assert re.search(r"(?<!\\)<script", page) is None
    widths: dict[str, set[int]] = {}
    head = ""
    for line in page.splitlines():
        head = line if line.startswith("|") and not head else head if line.startswith("|") else ""
        if head:
            widths.setdefault(head, set()).add(len(re.findall(r"(?<!\\)\|", line)))
    assert widths and all(len(found) == 1 for found in widths.values())


def test_the_page_in_docs_links_the_figures_that_are_written(whole, tmp_path):
    page = tmp_path / "docs" / "peft.md"
    write_document(whole.run, page, COMMAND)
    assert "Run by ragft 0.1.0, on 2 x86\\_64 cores." in page.read_text(encoding="utf-8")
    text = page.read_text(encoding="utf-8")
    linked = re.findall(r"\]\((peft/[^)]+)\)", text)
    assert sorted(linked) == sorted(f"peft/{path.name}" for path in (tmp_path / "docs" / "peft").iterdir()) and len(linked) == 6
    for name in linked:
        root = ElementTree.fromstring((page.parent / name).read_text(encoding="utf-8"))
        assert root.attrib["role"] == "img" and len(root.attrib["aria-label"]) > 40
    assert f"```bash\n{COMMAND}\n```" in text  # as it is typed: no escaped marks


def test_the_page_has_every_claim_every_challenge_and_every_method(whole):
    text = guide_markdown(whole.guide, COMMAND).replace("\\", "")
    for claim in whole.guide.claims:
        assert f"| {claim.text} | arXiv {claim.source} | **{claim.status}** |" in text
    for challenge in whole.guide.challenges:
        assert f"| {challenge.title} | {challenge.state} |" in text
    for method in whole.guide.methods:
        assert f"| {method.name} | arXiv {method.paper} |" in text


def test_scripts_get_statuses_and_what_was_not_told_apart(whole):
    found = summary(whole.run)
    assert found["advice"] == {claim.key: claim.status for claim in whole.guide.claims}
    assert found["not_told_apart"]["alone"] == [whole.guide.groupings[0].members[0].arm, *whole.guide.groupings[0].like_best]


def test_a_document_needs_a_guide(tmp_path):
    run = make_run(tmp_path / "run", Plan(arms={"base": {}, "rag": {"retriever": "bm25"}}))
    write_report(run)
    with pytest.raises(MissingError, match="no arm is fine-tuned"):
        write_document(run, tmp_path / "peft.md", COMMAND)
    assert summary(run) == {"advice": {}, "not_told_apart": {}}


def test_how_settings_were_chosen_is_shown(whole, bare):
    assert "learning_rate 0.001" in whole.text and "1 complete" in whole.text
    assert "How the settings were chosen" in guide_markdown(whole.guide, COMMAND)
    assert "How the settings were chosen" not in bare.text


def test_noise_has_one_line_an_arm(whole):
    table = guide_markdown(whole.guide, COMMAND).split("## Under noise")[1].split("##")[0]
    assert "| arm | typos | distractors | second domain |" in table
    assert "| lora | −10.0 (−15.0 to −5.0), at 40 %, 20 questions | – | +5.0 (−2.0 to +12.0), at 30 %, 12 questions |" in table
    assert len([line for line in table.splitlines() if line.startswith("|")]) == 2 + len({row.arm for row in whole.guide.robustness})


def test_the_answer_in_short_names_the_cheap_and_the_forgetful(whole, bare):
    head = whole.text.split("How they score")[0]
    assert "p-tuning-v2 trains the fewest parameters (640)" in head and "Furthest from the base: full" in head
    assert "trains the fewest" not in bare.text.split("How it scores")[0]  # one method: no choice
