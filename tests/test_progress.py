"""Progress lines say what happened: worked, found done, or failed."""

from __future__ import annotations

import pytest

from ragft.progress import Bar, Lines, Silent, fitting, say


def lines(capsys) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_unit_that_worked_is_done_and_one_that_did_not_was_done_before(capsys):
    watcher = Lines()
    with watcher.unit("index", 1, 2) as advance:
        advance(0, 6)
    with watcher.unit("train", 2, 2):
        pass
    assert lines(capsys) == ["[1/2] index: done in 0:00", "[2/2] train: already done"]


def test_time_left_is_counted_anew_for_a_new_total(capsys, monkeypatch):
    clock = iter([0.0, 0.0, 100.0, 100.0, 110.0, 120.0])
    monkeypatch.setattr("ragft.progress.time.monotonic", lambda: next(clock))
    with Lines().unit("index", 1, 1) as advance:
        advance(0, 5)  # documents, at 0 s
        advance(4, 5)
        advance(0, 40)  # chunks, from 100 s on
        advance(10, 40)
    assert lines(capsys) == ["[1/1] index: 4 of 5, 0:25 left", "[1/1] index: 10 of 40, 0:30 left", "[1/1] index: done in 2:00"]


def test_error_has_a_line_of_its_own_in_a_terminal(capsys, monkeypatch):
    watcher = Lines()
    monkeypatch.setattr(watcher, "_live", True)
    with pytest.raises(ValueError, match="full"), watcher.unit("train", 1, 1) as advance:
        advance(1, 2)
        raise ValueError("full")
    assert capsys.readouterr().err.endswith(" left\n")


def test_first_build_of_an_index_is_not_already_done(tiny_study, tmp_path, capsys):
    """A lexical index embeds nothing, and was built all the same."""
    from ragft.stages import plan_units
    from ragft.study import prepare

    study = tiny_study.model_copy(update={"arms": {"rag": tiny_study.arms["rag"]}})
    index = plan_units(prepare(study, tmp_path))[0]
    for said in ("done in", "already done"):
        with Lines().unit(index.label, 1, 1) as advance:
            index.work(advance)
        assert said in capsys.readouterr().err


def test_a_terminal_gets_a_line_and_a_log_nothing(monkeypatch):
    """A notebook's bar is tested in notebooks (test_notebooks.py)."""
    assert isinstance(fitting(), Silent)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert isinstance(fitting(), Lines)


def test_a_bar_counts_units_and_shows_what_they_say_as_text(monkeypatch):
    shown = []

    class Cell:
        def update(self, data, raw):
            shown.append(data)

    monkeypatch.setattr("IPython.display.display", lambda *_, **__: Cell())
    monkeypatch.setattr("ragft.progress.BAR_SECONDS", 0.0)
    bar = Bar()
    with bar.unit("train <b>", 1, 2) as advance:
        advance(5, 10)
        say(advance, "about <i> 5 s")
    with bar.unit("answer", 2, 2):
        pass
    assert [data["text/plain"].split("\n")[0] for data in shown] == [
        "0 % [1/2] train <b>",
        "25 % [1/2] train <b>: 5 of 10",
        "50 % [2/2] answer",
        "100 % 2 of 2 steps done",
    ]
    assert shown[-1]["text/plain"].endswith("\n[1/2] train <b>: about <i> 5 s")
    assert all("<b>" not in data["text/html"] and "<i>" not in data["text/html"] for data in shown)
