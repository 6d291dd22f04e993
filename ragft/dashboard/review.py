"""The page "Review": people judge the labels of a run, a key a verdict and a second one to accept it; then the run is decided again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from ragft.dashboard import address, looks, runs
from ragft.dashboard.kept import answers_stamp, kept
from ragft.decide import Decision
from ragft.review import FILE, OK, VERDICTS, Review, read_review, review_sentences
from ragft.reviewsheet import BOTH, DISPUTED, SAMPLE, Row, review_of, review_rows, store_review
from ragft.store import Run, read_record
from ragft.study import decide_run, report_run

KEYS = {OK: "A", "wrong": "X", "ambiguous": "M", "unanswerable": "U"}
NAMES = {OK: "Right", "wrong": "Wrong", "ambiguous": "Ambiguous", "unanswerable": "Not in the documents"}
WHY = {
    SAMPLE: "drawn at random",
    DISPUTED: "all arms have it wrong",
    BOTH: "drawn at random, and all arms have it wrong",
}
ID = "id"  # of the question, in the address
SIZES, USUAL, FEWEST = (20, 40, 60, 100, 200), 60, 20
PLACE, PENDING, UNDO, CHANGED = "review_place", "review_pending", "review_undo", "review_changed"


@dataclass(frozen=True)
class Desk:
    """What lies before the reviewer."""

    run: Run
    rows: Sequence[Row]
    review: Review | None
    verdicts: dict[str, tuple[str, str]]  # question -> verdict and note


def show() -> None:
    run = runs.current()
    st.title("Review")
    if st.session_state.get("review_run") != str(run.folder):  # another run: nothing pending is about it
        for key in (PLACE, PENDING, UNDO, CHANGED):
            st.session_state.pop(key, None)
        st.session_state["review_run"] = str(run.folder)
    looks.say(
        "Are the reference answers right? Judge a random sample, and the questions that every arm has wrong. How many labels are wrong bounds what "
        "a verdict can claim. It is kept in <code>{}</code> of the run, as by <code>ragft questions review</code>.",
        FILE,
    )
    desk = _desk(run)
    if runs.is_example(run):
        st.info("This is a bundled example, which stays as it is. Choose a run of your own to judge its labels.", icon=":material/lock:")
    _progress(desk)
    if desk.rows:
        _one(desk)
    _decide(desk)


def _desk(run: Run) -> Desk:
    review = read_review(run)
    number = review.sampled if review else int(st.session_state.get("review_size", USUAL))
    rows = _rows(run, min(number, len(runs.material(run).golds)))
    return Desk(run, rows, review, {row.question: (row.verdict, row.note) for row in review.rows} if review else {})


@kept("Drawing the sample, and finding what every arm has wrong …", entries=4, by=answers_stamp)
def _rows(run: Run, number: int) -> Sequence[Row]:
    return review_rows(run, number)


# ── progress ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _progress(desk: Desk) -> None:
    sampled = [row for row in desk.rows if row.sampled]
    judged, drawn = (sum(row.gold.id in desk.verdicts for row in some) for some in (desk.rows, sampled))
    if desk.review is None and not runs.is_example(desk.run):
        st.selectbox("Questions drawn at random", SIZES, index=SIZES.index(USUAL), key="review_size", help="Fixed with the first verdict.")
    words = (
        f"{judged} of {len(desk.rows)} judged: {drawn} of {len(sampled)} drawn at random, {judged - drawn} of {len(desk.rows) - len(sampled)} others"
    )
    st.progress(judged / max(1, len(desk.rows)), text=words)
    if desk.review and _enough(desk):
        for sentence in review_sentences(desk.review):
            looks.say("{}", sentence)
    elif desk.review:
        st.caption(f"How many labels are wrong is said once {FEWEST} of the random sample, or all of it, are judged.")


def _enough(desk: Desk) -> bool:
    """Whether the rate says more than that nearly nothing is known."""
    judged = sum(row.sampled and row.gold.id in desk.verdicts for row in desk.rows)
    return judged >= min(FEWEST, sum(row.sampled for row in desk.rows))


# ── one question ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _one(desk: Desk) -> None:
    keys = [row.gold.id for row in desk.rows]
    if st.session_state.get(PLACE) not in keys:
        st.session_state[PLACE] = address.asked(ID, lambda key: key in keys) or _next_open(desk, "") or keys[0]
    address.say(ID, st.session_state[PLACE])
    row = desk.rows[keys.index(st.session_state[PLACE])]
    _steps(keys, row.gold.id)
    looks.section("reviewed.html", {"row": row, "why": WHY[row.why], "answers": sorted(row.answers.items(), key=lambda item: -len(item[1]))})
    verdict, note = desk.verdicts.get(row.gold.id, ("", ""))
    if verdict:
        st.caption(f"Judged: {NAMES[verdict]}" + (f" · {looks.plain(note)}" if note else ""))
    if runs.is_example(desk.run):
        return
    own = f"review_note_{desk.run.folder.name}_{row.gold.id}"
    note = st.text_input("Comment", value=note, key=own, placeholder="what is wrong, or where it stands")
    _verdicts(desk, row, note)


def _next_open(desk: Desk, after: str) -> str:
    """The first question without a verdict, from that one on; "": all have one."""
    keys = [row.gold.id for row in desk.rows]
    begin = keys.index(after) + 1 if after in keys else 0
    return next((key for key in [*keys[begin:], *keys[:begin]] if key not in desk.verdicts), "")


def _steps(keys: Sequence[str], key: str) -> None:
    place = keys.index(key)

    def go(step: int) -> None:
        st.session_state[PLACE] = keys[place + step]
        st.session_state.pop(PENDING, None)

    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Previous", shortcut="K", disabled=place == 0, on_click=go, args=(-1,))
        st.button("Next", shortcut="J", disabled=place == len(keys) - 1, on_click=go, args=(1,))
        st.caption(f"{place + 1} of {len(keys)}", width="content")


def _verdicts(desk: Desk, row: Row, note: str) -> None:
    """A key says what, a second one accepts it."""

    def suppose(verdict: str) -> None:
        st.session_state[PENDING] = (row.gold.id, verdict)

    with st.container(horizontal=True):
        for verdict, key in KEYS.items():
            if verdict == "unanswerable" and not row.gold.answers:
                continue  # that is what the label says: it is right
            st.button(NAMES[verdict], shortcut=key, on_click=suppose, args=(verdict,), help=f"{VERDICTS[verdict].capitalize()}.")
    about, supposed = st.session_state.get(PENDING, ("", ""))
    if about == row.gold.id:
        with st.container(horizontal=True, vertical_alignment="center"):
            accepted = st.button(f"Accept “{NAMES[supposed]}”", shortcut="Y", type="primary")
            st.caption("Y accepts; another verdict's key changes it.", width="content")
        if accepted:
            _keep(desk, row.gold.id, (supposed, note.strip()))
    if st.session_state.get(UNDO) in desk.verdicts and st.button(f"Undo the verdict on {looks.plain(st.session_state[UNDO])}", shortcut="Z"):
        _keep(desk, st.session_state[UNDO], None)


def _keep(desk: Desk, question: str, verdict: tuple[str, str] | None) -> None:
    """Write it down, and go on: to the next open question, or back to the one that is open again. Raises BusyError where the run is held."""
    with desk.run.locked():
        before = read_review(desk.run)  # the command line may have written one meanwhile
        verdicts = {row.question: (row.verdict, row.note) for row in before.rows} if before else {}
        verdicts.pop(question, None)
        if verdict:
            verdicts[question] = verdict
        store_review(desk.run, review_of(desk.run, desk.rows, verdicts, before))
    st.session_state.pop(PENDING, None)
    st.session_state.pop(CHANGED, None)
    if verdict:
        st.session_state[UNDO] = question
        st.session_state[PLACE] = _next_open(Desk(desk.run, desk.rows, before, verdicts), question) or question
    else:
        st.session_state.pop(UNDO, None)
        st.session_state[PLACE] = question
    st.rerun()


# ── the verdict ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _decide(desk: Desk) -> None:
    if runs.is_example(desk.run):
        return
    st.subheader("What it means for the verdict")
    if CHANGED in st.session_state:
        _changed(*st.session_state[CHANGED])
        return
    if not _later(desk.run):
        st.caption("Nothing was judged since the run was decided.")
        return
    st.caption("Labels were judged since the run was decided: its verdict and its report do not know of that yet.")
    enough = _enough(desk)
    if not enough:
        st.caption(f"So few leave almost everything possible, and the verdict would say so. Judge {FEWEST} of the sample first.")
    if st.button("Decide again", type="primary" if enough else "secondary"):
        with st.spinner("Deciding, and writing the report …"), desk.run.locked():
            before = read_record(Decision, desk.run.folder / "decision.json")
            after = decide_run(desk.run)
            report_run(desk.run)
        st.session_state[CHANGED] = (before, after)
        st.rerun()


def _later(run: Run) -> bool:
    """Whether the review is younger than the verdict."""
    review, decision = run.folder / FILE, run.folder / "decision.json"
    return review.is_file() and review.stat().st_mtime_ns > decision.stat().st_mtime_ns


def _changed(before: Decision, after: Decision) -> None:
    same = (before.verdict, before.recommend) == (after.verdict, after.recommend)
    if same:
        looks.say("Decided again. The verdict stays <b>{}</b> (recommended: {}).", after.verdict, after.recommend)
    else:
        both = (before.verdict, before.recommend, after.verdict, after.recommend)
        looks.say("Decided again. The verdict was <b>{}</b> ({}) and is now <b>{}</b> ({}).", *both)
    looks.say("{}", after.headline)
    for title, sentences in (("New in it", _new(after, before)), ("No longer in it", _new(before, after))):
        if sentences:
            looks.say("{}:", title)
            for sentence in sentences:
                looks.say("· {}", sentence)


def _new(one: Decision, other: Decision) -> list[str]:
    known = {*other.because, *other.would_change_if, *other.warnings}
    return [sentence for sentence in (*one.because, *one.would_change_if, *one.warnings) if sentence not in known]
