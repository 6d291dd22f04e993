"""Dose-response in words and pictures."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_dose import found_in, study, table_with

from ragft.compare import compare
from ragft.dosepage import chance, dose_words, view
from ragft.pages import environment


def words(arms, **change):
    (found,) = found_in(arms)
    return dose_words(replace(found, **change), "rag")


def test_a_line_that_rises():
    (found,) = found_in(study())
    told = dose_words(found, "rag")
    assert told[0].startswith("p1, p4, p16 (1, 4 and 16 wordings a fact): each doubling brings 5.2 points")
    assert "(interval +" in told[0] and "not shown" not in told[0]
    forecast = found.forecasts[1]
    assert (
        f"At 64 wordings, 4 times the most that was tried, a straight line over the logarithm of the dose forecasts {100 * forecast.estimate.mean:.1f} %"
        in told[1]
    )
    assert told[2] == f"The chance that 64 wordings overtake rag is {100 * forecast.overtakes:.0f} %, if that line holds."
    assert told[3].startswith("The measured doses do not contradict a straight line (p = 0.")


def test_a_flat_line_is_not_called_a_gain():
    assert "so that more wordings are not shown to change anything" in words(study(shares=(0.3, 0.3, 0.3)))[0]


def test_a_line_that_falls_costs():
    assert "each doubling costs" in words(study(shares=(0.7, 0.5, 0.2)))[0]


@pytest.mark.parametrize(
    ("shares", "how"),
    [
        ((0.1, 0.6, 0.6), "shrink with the dose, so the forecast is rather too high"),
        ((0.1, 0.1, 0.7), "grow with the dose, so the forecast may be too low"),
    ],
)
def test_a_line_that_does_not_fit_is_not_to_be_trusted(shares, how):
    said = words(study(shares=shares))[-1]
    assert said.startswith("A straight line does not fit (p ") and how in said and said.endswith("Do not trust it.")


def test_two_doses_are_a_guess():
    assert words(study((1.0, 4.0), (0.2, 0.3)))[-1].startswith("Two doses always lie on a line")


def test_a_forecast_beyond_everything_is_not_given():
    told = words(study(shares=(0.1, 0.5, 0.95)))
    assert "a score outside 0 to 100 %, so it cannot hold that far" in told[1]
    assert "%)" not in told[1] and not any("overtake" in line for line in told)


def test_without_intervals_nothing_is_forecast():
    (only,) = words(study(seeds=1))
    assert only.endswith("cannot be told, because there are no intervals. Train with at least three seeds.")


def test_without_the_reference_nothing_is_said_of_overtaking():
    (found,) = found_in(study())
    silent = tuple(replace(f, overtakes=None) for f in found.forecasts)
    assert not any("overtake" in line for line in dose_words(replace(found, forecasts=silent, reference=None), "rag"))


def test_a_chance_is_never_quite_certain():
    assert [chance(share) for share in (0.0, 0.12, 0.999, None)] == ["below 1 %", "12 %", "above 99 %", "–"]


@pytest.mark.parametrize("arms", [study(), study(shares=(0.1, 0.5, 0.95)), study(seeds=1), study((1.0, 4.0), (0.9, 0.1))])
def test_the_page_shows_every_dose_forecast_and_the_reference(arms):
    found = compare(table_with(arms), metric="match", reference="rag", margin=0.03, alpha=0.025)
    html = environment().get_template("dose.html").render(doses=view(found), c=found)
    dose = found.doses[0]
    for label in [
        *(f"{size:g} wording{'s' * (size > 1)} ({arm})" for arm, size in zip(dose.arms, dose.doses, strict=True)),
        *(f"{f.dose:g} wordings, forecast" for f in dose.forecasts),
    ]:
        assert '<text class="name" x="0" y="' in html and f">{label}</text>" in html, label
    assert html.count("<tr>") == 1 + 3 and "chance to overtake rag" in html
    assert all(line.replace("'", "&#39;") in html for line in dose_words(dose, "rag"))


def test_without_doses_there_is_nothing():
    found = compare(table_with(study((4.0,), (0.3,))), metric="match", reference="rag", margin=0.03, alpha=0.025)
    assert view(found) == []
    assert environment().get_template("dose.html").render(doses=[], c=found).strip() == ""
