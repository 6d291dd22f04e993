"""The validation: what is counted, what is judged, that ragft's own verdict is what is tried, and that a wrong one would be seen."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from ragft.compare import compare, pairwise
from ragft.cost import Measured, Metered
from ragft.decide import ArmFacts, decide
from ragft.errors import InputError
from ragft.rules import VERDICTS
from ragft.store import to_json
from ragft.validate import CHECKS, findings_text, limit, validate
from ragft.validation import Cell, Finding, Setup, at_least, at_most, judged, workers
from ragft.validationpage import document, write_document
from ragft.verdictchecks import ALPHA, EDGES, MARGIN, TUNED_VERDICTS, _adoption, _verdicts, adopted, designs, verdict
from ragft.worlds import TUNED, Design, everyone, worlds

# ── cells and findings ───────────────────────────────────────────────────────────────────────────────────────────────


def test_limits_by_hand():
    assert at_most(0.025, 2000) == pytest.approx(0.025 + 3.5 * np.sqrt(0.025 * 0.975 / 2000))
    assert at_least(0.75, 2500) == pytest.approx(0.75 - 3.5 * np.sqrt(0.75 * 0.25) / 50)


@pytest.mark.parametrize(
    ("cell", "ok", "words"),
    [
        (Cell({}, 100, 0.03, most=0.037), True, "at most 3.7 %"),
        (Cell({}, 100, 0.038, most=0.037), False, "at most 3.7 %"),
        (Cell({}, 100, 0.94, least=0.933), True, "at least 93.3 %"),
        (Cell({}, 100, 0.93, least=0.933), False, "at least 93.3 %"),
        (Cell({}, 100, 0.9, 0.73, 0.87), False, "73.0 to 87.0 %"),
        (Cell({}, 100, 0.7, 0.73, 0.87), False, "73.0 to 87.0 %"),
        (Cell({}, 100, 0.8, 0.73, 0.87), True, "73.0 to 87.0 %"),
    ],
)
def test_a_cell_is_right_within_its_limits(cell, ok, words):
    assert (cell.ok, cell.beyond <= 0, limit(cell)) == (ok, ok, words)


def test_one_wrong_cell_makes_a_finding_wrong():
    good, bad = Cell({"documents": "10"}, 100, 0.01, most=0.05), Cell({"documents": "20"}, 100, 0.06, most=0.05)
    assert judged("k", "name", "wanted", "adopted", [good, good]).ok
    found = judged("k", "name", "wanted", "adopted", [good, bad])
    assert not found.ok and found.found == "1.0 to 6.0 % in 2 cells, 1 outside"
    text = findings_text([found])
    assert "FAILED  name" in text and "0 of 1 findings hold." in text
    assert text.index("20         6.0 %") < text.index("10         1.0 %")  # the nearest to the limit, or beyond it, first


# ── what is tried is ragft's own verdict ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("design", [Design(10, 20), Design(20, unequal=True, graded=True, seed_points=0.0), Design(20, base=False)], ids=str)
def test_what_is_adopted_is_what_compare_and_decide_find(design):
    seen = set()
    for table in worlds(design, 40, everyone(0.15)):
        found = compare(table, metric="match", reference="rag", margin=MARGIN, alpha=ALPHA)
        arms = adopted(table)
        assert arms == [d.arm for d in found.challengers if d.arm in TUNED and d.low > MARGIN]
        name, arm = verdict(table, "dearer")
        assert (name in TUNED_VERDICTS) == bool(arms)
        assert arm in (arms or ["rag"])
        metered = {a.name: Metered(Measured(0.0), Measured(2.0 if a.tuning else 1.0), 0.5) for a in table.arms}
        facts = {a.name: ArmFacts(a.retriever, a.tuning, metered[a.name]) for a in table.arms}
        whole = decide(found, facts, model="made-up")
        assert (whole.verdict, whole.recommend) == (name, arm)
        seen.add(bool(arms))
    assert seen == {True, False}


def test_costs_decide_about_an_arm_that_is_only_as_good():
    table = next(worlds(Design(100, arm_document_sd=0.0, seed_points=0.0, graded=True), 1, everyone(0.0)))
    assert verdict(table, "cheaper")[0] == "adopt-tuned"
    assert verdict(table, "dearer")[0] == verdict(table, "unknown")[0] == "equivalent"


def test_the_cell_of_a_design_counts_its_worlds():
    design, number = Design(20, graded=True, arm_document_sd=1.0), 120
    cell, differ, sampled = _adoption((design, number, 3))
    assert cell.share == sum(bool(adopted(table)) for table in worlds(design, number, everyone(MARGIN), 3)) / number
    assert cell.beside["adopted at +10 points"] == sum(bool(adopted(table)) for table in worlds(design, 12, everyone(0.1), 3)) / 12
    assert (cell.worlds, cell.most, differ, sampled) == (number, at_most(ALPHA, number), 0, 20 + 12)


@pytest.mark.parametrize("design", [Design(20, 10, unequal=True), Design(20, 10, seed_points=3, one_wild=True)], ids=str)
def test_a_gain_of_exactly_the_margin_is_rarely_adopted(design):
    assert _adoption((design, 1500, 1))[0].ok


def test_a_rule_that_errs_would_be_seen():
    """Bounds that are not corrected for several chances, and the best mean, adopt more often than chance explains."""
    number = 1000
    loose = highest = 0
    for table in worlds(Design(20, graded=True, arm_document_sd=1.0, seed_points=0.0), number, everyone(MARGIN), 1):
        found = pairwise(table, [(arm, "rag") for arm in TUNED], alpha=ALPHA)
        loose += any(d.low > MARGIN for d in found)
        highest += any(d.estimate.mean > MARGIN for d in found)
    assert not Cell({}, number, loose / number, most=at_most(ALPHA, number)).ok
    assert highest / number > 0.5


def test_shares_of_verdicts():
    shares = _verdicts((Design(10), everyone(0.0), "unknown", 30, 0))
    assert set(shares) <= set(VERDICTS) and sum(shares.values()) == pytest.approx(1)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)


def test_every_verdict_that_claims_something_is_tried_where_it_is_wrong():
    assert {verdict for edge in EDGES for verdict in edge.wrong} == set(VERDICTS) - {"undecided", "trade-off"}


def test_the_full_validation_has_every_combination_once():
    found, quick = designs(False), designs(True)
    grid = {(d.documents, d.unequal, d.graded, d.arm_document_sd, d.seed_points) for d in found if d.questions == 10 and not d.one_wild}
    assert len(grid) == 4 * 2 * 2 * 3 * 4 and len(set(found)) == len(found)
    assert set(quick) < set(found) and len(quick) < 25


# ── the whole of it ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def findings():
    return validate(quick=True, worlds=100, processes=1)


def test_every_check_finds_something(findings):
    assert [finding.key for finding in findings] == [
        "margin",
        "whole",
        "edges",
        "power",
        "plan",
        "winner",
        "tie",
        "ladder",
        "ladder-sums",
        "break-even",
        "judge-alone",
        "judge-corrected",
    ]
    assert len(CHECKS) == 7
    by_key = {finding.key: finding for finding in findings}
    assert by_key["margin"].ok and by_key["whole"].ok and by_key["edges"].ok and by_key["tie"].ok
    for finding in findings:
        assert finding.ok == all(cell.ok for cell in finding.cells)
        assert all(list(cell.of) == list(finding.cells[0].of) for cell in finding.cells)


def test_text_and_json(findings):
    text = findings_text(findings)
    assert all(finding.name in text and finding.wanted in text for finding in findings)
    assert f"{sum(finding.ok for finding in findings)} of {len(findings)} findings hold." in text
    read = json.loads(to_json(list(findings)))
    assert [(one["key"], one["ok"], len(one["cells"])) for one in read] == [(f.key, f.ok, len(f.cells)) for f in findings]


def test_the_page_has_every_cell_and_its_figures(findings, tmp_path):
    page = tmp_path / "validation.md"
    write_document(findings, page, "ragft validate --quick")
    text = page.read_text(encoding="utf-8")
    assert text == document(findings, "validation", "ragft validate --quick")
    for name in ("margin", "power", "plan"):
        assert f"(validation/{name}.svg)" in text and (tmp_path / "validation" / f"{name}.svg").read_text().startswith("<svg")
    rows = sum(line.startswith("|") for line in text.splitlines())
    tables = 1 + sum(bool(finding.cells) for finding in findings)
    assert rows == 2 * tables + len(findings) + sum(len(finding.cells) for finding in findings)


def test_a_claim_that_does_not_hold_stands_out(findings):
    bad = replace(findings[0], ok=False, cells=(replace(findings[0].cells[0], share=0.5), *findings[0].cells[1:]))
    text = document([bad], "validation", "ragft validate")
    assert "**does not hold**" in text and "**50.0 %**" in text


def test_processes_change_nothing():
    jobs = [(Design(10), everyone(0.0), "unknown", 12, seed) for seed in range(4)]
    done = []
    with workers(2) as pool, workers(1) as alone:
        assert pool is not None and alone is None
        shared = Setup(True, 100, 0, pool).each(_verdicts, jobs, lambda now, total: done.append((now, total)))
    assert shared == Setup(True, 100, 0).each(_verdicts, jobs, lambda now, total: None)
    assert done == [(now, 4) for now in range(5)]


def test_too_few_worlds_and_a_seed_below_0_are_refused():
    with pytest.raises(InputError, match="99 worlds a cell show nothing"):
        validate(worlds=99)
    with pytest.raises(InputError, match="seed -1"):
        validate(seed=-1)


def test_a_finding_without_cells_has_no_table():
    assert findings_text([Finding("k", "name", True, "found", "wanted")]).splitlines()[:3] == [
        "ok      name",
        "        found   found",
        "        wanted  wanted",
    ]


def test_it_loads_no_torch():
    code = "import sys, ragft.validate, ragft.validationpage; print([m for m in ('torch', 'transformers', 'peft') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
