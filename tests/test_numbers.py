"""Numbers as text: units, signs, rounding, and the dash for what is not applicable."""

from __future__ import annotations

import pytest

from ragft import numbers


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (numbers.percent(0.5416), "54.2 %"),
        (numbers.percent(0.5), "50 %"),
        (numbers.percent(0.5, 1), "50.0 %"),
        (numbers.percent(0.0054, 2), "0.54 %"),
        (numbers.percent(None), "–"),
        (numbers.percent(-0.0), "0 %"),
        (numbers.signed(-0.0001), "0.0"),
        (numbers.signed(-0.012), "−1.2"),
        (numbers.signed(0.042), "+4.2"),
        (numbers.points(-0.01), "1 point"),
        (numbers.span(-0.011, 0.095), "−1.1 to +9.5"),
        (numbers.span(None, None, "–"), "–"),
        (numbers.seconds(0.004), "4 ms"),
        (numbers.seconds(0.494), "0.49 s"),
        (numbers.seconds(99.6), "1 min 40 s"),
        (numbers.seconds(3900), "1 h 5 min"),
        (numbers.seconds(None), "–"),
        (numbers.rough(0.2), "1 s"),
        (numbers.rough(8.4), "8 s"),
        (numbers.rough(47), "50 s"),
        (numbers.rough(94.9), "90 s"),
        (numbers.rough(96), "2 min"),
        (numbers.rough(59.4 * 60), "59 min"),
        (numbers.rough(59.6 * 60), "1 h 0 min"),
        (numbers.rough(4230), "1 h 10 min"),
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
