"""Units side by side in processes of their own: the same study as one after another. Here on the CPU; a GPU only makes it faster."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from test_study import texts_of

from ragft.errors import RagftError
from ragft.placement import several_gpus, side_by_side
from ragft.progress import Silent
from ragft.stages import Unit
from ragft.store import read_json
from ragft.study import run

NOWHERE = ["", ""]  # two workers that see no GPU


class Reports:
    """What one unit said of itself."""

    def __init__(self, label: str, counts: dict, lines: list):
        self._label, self._counts, self._lines = label, counts, lines

    def __call__(self, done, total):
        self._counts[self._label] = (done, total)

    def say(self, line):
        self._lines.append((self._label, line))


class Seen:
    """A watcher that keeps what it is told."""

    def __init__(self):
        self.begun, self.ended, self.counts, self.lines = [], [], {}, []

    @contextmanager
    def unit(self, label, number, of):
        self.begun.append((number, of, label))
        yield Reports(label, self.counts, self.lines)
        self.ended.append(label)


@pytest.mark.slow
def test_a_study_side_by_side_is_the_study_one_after_another(tiny_study, tmp_path):
    alone = run(tiny_study, tmp_path / "alone")
    seen = Seen()
    both = run(tiny_study, tmp_path / "both", seen, side_by_side(NOWHERE))
    assert texts_of(both.run.folder) == texts_of(alone.run.folder)
    assert both.comparison == alone.comparison

    def adapters(found) -> dict[str, str]:
        return {p.relative_to(found.run.folder).as_posix(): read_json(p)["adapter"]["sha256"] for p in found.run.folder.glob("arms/lora/*/fit.json")}

    assert adapters(both) == adapters(alone) and len(adapters(both)) == 2
    units = [label for _, _, label in seen.begun]
    assert len(units) == len(set(units)) == seen.begun[0][1] and sorted(units) == sorted(seen.ended)
    assert units[0] == "index" and units.index("train lora qa seed 0") < units.index("answer lora seed 0")
    assert any(done == total for label, (done, total) in seen.counts.items() if label.startswith("train")), "progress comes back"
    assert any(label.startswith("train") and "of memory" in line for label, line in seen.lines)


# ── units of a moment ────────────────────────────────────────────────────────────────────────────────────────────────


PATIENCE = 120.0  # seconds that a unit waits for another; only a broken executor lets it pass


def put(path: Path, progress, meets: Path | None = None) -> None:
    """Write who this is; then wait for another to have begun."""
    path.write_text(f"{os.getpid()} {os.environ['CUDA_VISIBLE_DEVICES']}")
    until = time.time() + PATIENCE
    while meets is not None and not meets.exists():
        assert time.time() < until, "the other never began"
        time.sleep(0.05)


def needs(paths: list[Path], progress) -> None:
    assert all(path.exists() for path in paths)


def fail(meets: Path, progress) -> None:
    put(meets.with_name("failing"), progress, meets)
    raise RagftError("the disk is full")


def work_long(path: Path, progress) -> None:
    put(path, progress)
    time.sleep(PATIENCE)


def die(progress) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def unit(label: str, needs: tuple[str, ...], work) -> Unit:
    return Unit(label, "index", needs, work, bool)


def test_units_overlap_and_each_worker_sees_its_own_device(tmp_path):
    """a and b wait for each other: one after another they would never end."""
    a, b = tmp_path / "a", tmp_path / "b"
    units = [unit("first", (), partial(put, tmp_path / "first"))]
    units += [unit("a", ("first",), partial(put, a, meets=b)), unit("b", ("first",), partial(put, b, meets=a))]
    units.append(unit("last", ("a", "b"), partial(needs, [a, b, tmp_path / "first"])))
    side_by_side(["5", "7"])(units, Silent())
    (first, one), (second, other) = a.read_text().split(), b.read_text().split()
    assert {one, other} == {"5", "7"} and first != second


def test_the_first_error_ends_all_and_nobody_is_left_at_work(tmp_path):
    """Whoever holds the run gives it up after that: a worker that went on would write into another's run."""
    long = tmp_path / "long"
    units = [
        unit("long", (), partial(work_long, long)),
        unit("bad", (), partial(fail, long)),
        unit("never", ("bad",), partial(put, tmp_path / "never")),
    ]
    seen = Seen()
    with pytest.raises(RagftError, match="the disk is full"):
        side_by_side(NOWHERE)(units, seen)
    workers = [int((tmp_path / name).read_text().split()[0]) for name in ("long", "failing")]
    assert not any(alive(worker) for worker in workers)
    assert not (tmp_path / "never").exists()
    assert {label for _, _, label in seen.begun} == {"long", "bad"}


def test_a_need_that_is_not_there_is_a_bug_and_no_waiting_for_ever():
    with pytest.raises(ValueError, match=r"no unit can begin: .*nowhere"):
        side_by_side([""])([unit("a", ("nowhere",), die)], Silent())


def test_a_worker_that_dies_is_said_with_the_remedy():
    with pytest.raises(RagftError, match=r"^lost: its process ended; perhaps the memory ran out\. The same command goes on from here\.$"):
        side_by_side([""])([unit("lost", (), die)], Silent())


def test_workers_end_with_the_parent(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from ragft.placement import side_by_side\n"
        "from ragft.progress import Silent\n"
        "from ragft.stages import Unit\n"
        "def work(progress):\n"
        "    Path(sys.argv[1]).write_text(str(os.getpid()))\n"
        "    time.sleep(60)\n"
        "if __name__ == '__main__':\n"
        "    side_by_side([''])([Unit('a', 'index', (), work, bool)], Silent())\n"
    )
    note = tmp_path / "pid"
    parent = subprocess.Popen([sys.executable, str(script), str(note)])
    try:
        until = time.time() + 60
        while not (note.is_file() and note.read_text()) and time.time() < until:
            time.sleep(0.1)
        worker = int(note.read_text())
    finally:
        parent.kill()
        parent.wait()
    until = time.time() + 20
    while alive(worker) and time.time() < until:
        time.sleep(0.1)
    assert not alive(worker), "two processes must never write into one run"


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z" if Path(f"/proc/{process}").exists() else False


# ── which devices ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("files", "stated", "count", "found"),
    [
        (["nvidia0"], None, 1, []),
        (["nvidia0", "nvidia1", "nvidiactl"], None, 2, ["0", "1"]),
        (["nvidia0", "nvidia1"], "1", 1, []),
        (["nvidia0", "nvidia1", "nvidia2"], "2,0", 2, ["2", "0"]),
        (["nvidia0", "nvidia1"], None, 0, []),
        (["nvidiactl"], None, 0, []),
    ],
)
def test_several_gpus_are_those_that_this_process_may_use(tmp_path, monkeypatch, files, stated, count, found):
    import torch

    for name in files:
        (tmp_path / name).touch()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if stated is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", stated)
    assert several_gpus(tmp_path) == found
