"""The check of a judge that flatters an arm: it holds, and it can fail."""

from __future__ import annotations

import numpy as np

from ragft import judgechecks
from ragft.agreement import corrected
from ragft.judgechecks import judge_check
from ragft.validation import Setup

QUICK = Setup(True, 400, 0)


def test_a_judge_who_flatters_one_arm_is_brought_back_to_alpha():
    found = judge_check(QUICK, lambda done, total: None)
    assert [finding.ok for finding in found] == [True, True], found


def test_the_proof_notices_a_correction_that_does_nothing(monkeypatch):
    def nothing(judge, labels, names):
        return corrected(judge, np.where(np.isnan(labels), np.nan, judge), names)

    monkeypatch.setattr(judgechecks, "corrected", nothing)
    assert [finding.ok for finding in judge_check(QUICK, lambda done, total: None)] == [True, False]
