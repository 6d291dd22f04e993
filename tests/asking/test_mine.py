"""What the rules find in a document, form by form, and what they leave."""

from __future__ import annotations

import pytest

from ragft.asking.mine import Statement, mine
from ragft.types import Document


def found(text: str, title: str = "Kova 7 pump: data sheet") -> list[Statement]:
    return list(mine(Document("a.md", text, title)))


def told(text: str, title: str = "Kova 7 pump: data sheet") -> list[tuple[str, str, str, str]]:
    return [(one.form, one.subject, one.attribute, one.value) for one in found(text, title)]


TABLE = """# Kova 7 pump: data sheet

| Property | Kova 7 |
|---|---|
| Order code | 64-3071 |
| Case | - |

## Bays

| Bay | Warden | Opened |
|:--|--:|---|
| Bay 9 | Ada Quill | 4 May 2020 |
| 10 | Bo Lind | 5 May 2020 |
"""


def test_tables_of_one_thing_and_of_many():
    assert told(TABLE) == [
        ("attribute", "Kova 7", "Order code", "64-3071"),
        ("attribute", "Bay 9", "Warden", "Ada Quill"),
        ("attribute", "Bay 9", "Opened", "4 May 2020"),
    ]
    assert [one.kind for one in found(TABLE)] == ["code", "name", "date"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("- **Highest pressure:** 42 bar", ("attribute", "Kova 7 pump", "Highest pressure", "42 bar")),
        ("part: OC-551; fits: Ombrey H2", ("attribute", "OC-551", "fits", "Ombrey H2")),
        ("The product owner of the Kova 7 is Ada Quill, who came in May.", ("thing", "the product owner of the Kova 7", "", "Ada Quill")),
        ("The threshold of the Pellan P4 is 6.8 mm/s. It can be changed.", ("thing", "the threshold of the Pellan P4", "", "6.8 mm/s")),
        ("Incident INC-22 was closed on 9 May 2025.", ("when", "Incident INC-22", "closed", "9 May 2025")),
        ("The Lindhavn office was opened by Ada Quill.", ("by whom", "The Lindhavn office", "opened", "Ada Quill")),
        ("In procedure PR-08 the housing meets 3.7 bar.", ("gap", "In procedure PR-08 the housing meets ____", "", "3.7 bar")),
    ],
)
def test_each_rule(line, expected):
    assert expected in told(f"# Kova 7 pump: data sheet\n\n{line}\n")


def test_chinese():
    text = "# LX-40 型揉捻机说明书\n\n| 项目 | LX-40 型 |\n|---|---|\n| 订货号 | 31-0742 |\n\nHG-3 型提香柜的设计者是厉鸣筝。\n\nSQ-9 型杀青机从冷炉点火到可以投叶，预热需要26分钟。\n"
    assert told(text, "LX-40 型揉捻机说明书") == [
        ("attribute", "LX-40 型", "订货号", "31-0742"),
        ("attribute", "HG-3 型提香柜", "设计者", "厉鸣筝"),
        ("gap", "SQ-9 型杀青机从冷炉点火到可以投叶，预热需要____", "", "26分钟"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "Note: read this first",  # no key
        "It was closed on 9 May 2025.",  # points at something outside
        "After that: once in three weeks",
        "See also: https://example.org/42",
        "The Korvid 210 marks the pipe as suspect.",  # part of a name, no amount
        "The order code of the Kova 7 is not known.",
        "Order code: n/a",
        "Applies to: the Kova 7",
    ],
)
def test_what_is_left(line):
    assert told(f"# Kova 7 pump: data sheet\n\n{line}\n") == []


def test_text_that_is_broken_at_a_width_is_put_together_and_quoted():
    (one,) = found("# Kova 7 pump\n\nThe product owner of the Kova 7 is\nAda Quill, who came\nin May.\n\n- a list\n")
    assert one.value == "Ada Quill" and one.quote == "The product owner of the Kova 7 is Ada Quill, who came in May."


@pytest.mark.parametrize(
    "text",
    [
        "RELEASE NOTE\n\nSummary\nThe Kova 7 firmware stays on the market for 30 months.",
        "It was made for Kova 7 owners.\nWhat it checks\nThe Kova 7 firmware stays on the market for 30 months.",
    ],
)
def test_a_heading_without_a_mark_is_no_part_of_the_sentence_below_it(text):
    (one,) = [one for one in found(text) if one.form == "gap"]
    assert one.subject == "The Kova 7 firmware stays on the market for ____"


def test_a_line_that_goes_on_is_no_heading():
    (one,) = found("The Kova 7 and the\nBurrell 9 are both sold with a warranty of 30 months.")
    assert one.subject.startswith("The Kova 7 and the Burrell 9")


def test_a_row_of_all_others_is_about_nothing():
    assert told("| Lid | Meaning | Count |\n|---|---|---|\n| blue | kept | 4 |\n| none | do not use | 5 |\n", "Lids") == [
        ("attribute", "blue", "Meaning", "kept"),
        ("attribute", "blue", "Count", "4"),
    ]


def test_a_running_number_names_nothing():
    text = "no: 1; name: Ada Quill; role: warden; floor: second"
    assert told(text, "staff") == [("attribute", "Ada Quill", "role", "warden"), ("attribute", "Ada Quill", "floor", "second")]


def test_a_definition_list():
    (one, other) = found("# Kova 7 pump\n\nOrder code\n: 64-3071\n\nFinish\n: slate blue\n", "Kova 7 pump")
    assert (one.subject, one.attribute, one.value, one.quote) == ("Kova 7 pump", "Order code", "64-3071", "Order code : 64-3071")
    assert other.value == "slate blue"


def test_a_time_is_no_title_with_a_remark():
    assert told("| Time | Event |\n|---|---|\n| 23:35 | mains supply trips |\n", "Report of INC-7") == [
        ("attribute", "23:35", "Event", "mains supply trips")
    ]


def test_a_row_that_does_not_name_its_thing_is_told_where_it_stands():
    text = "# Delivery rounds\n\n| Day | Driver | Van |\n|---|---|---|\n| Tuesday | Ada Quill | Magpie |\n"
    assert {one.within for one in found(text, "Delivery rounds")} == {"Delivery rounds"}
    assert {one.within for one in found(TABLE)} == {""}


def test_nothing_is_found_twice_or_in_code():
    assert len(found("# Kova 7 pump\n\nOrder code: 64-3071\n\nOrder code: 64-3071\n")) == 1
