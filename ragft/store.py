"""The only code that touches runs/: folders, fingerprints, atomic writes, the log of answers.

    runs/<date>-<study>-<fingerprint>/
      study.yaml manifest.json questions.jsonl gold.jsonl
      dtype.json                             the number format of trainings, as it was chosen
      artifacts/<kind>-<fingerprint>.checkpoint   of a training that was stopped
      artifacts/<kind>-<fingerprint>/        artifact.json lists every file with its sha256; written last. checked.json: what they looked like then
      search/trials.db search.json           of a study that searches its settings
      arms/<arm>/arm.json
      arms/<arm>/seed-<n>/                   fit.json answers.jsonl scores.jsonl
      measures/base.json adapter-<fingerprint>.json
      robustness.json robustness/<arm>/<variant>/answers.jsonl
      leaks.json review.json
      comparison.json decision.json guide.json losses.json report.html report.md

A file is written beside its place and renamed, so that a kill at any moment leaves the old one or the new one. The
answers are appended a whole batch at a time; what a kill left of a torn batch is dropped when the log is opened again.
"""

from __future__ import annotations

import dataclasses
import glob
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from filelock import FileLock, Timeout

from ragft.errors import BusyError, InputError, MissingError
from ragft.files import naming_a_full_disk
from ragft.types import FitReport
from ragft.unchanged import are_unchanged, file_sha256

T = TypeVar("T")
# What the quick stages write again from what is there, by file; any other file is a matter for `ragft run`.
STAGES = {"scores.jsonl": "score", "comparison.json": "compare", "decision.json": "decide", "losses.json": "report"}


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def write_text(path: Path, text: str) -> None:
    """Write the file as a whole or not at all. Raises InputError when the disk is full."""
    with naming_a_full_disk(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)  # mkstemp makes it private
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def pretty_json(value: Any) -> str:
    """As write_json writes it."""
    return json.dumps(value, ensure_ascii=False, indent=1, default=_plain) + "\n"


def write_json(path: Path, value: Any) -> None:
    write_text(path, pretty_json(value))


def read_json(path: Path) -> Any:
    """The file's value. Raises MissingError or InputError naming the file and the remedy."""
    if not path.is_file():
        raise MissingError(f"{path}: no such file. {_remedy(path)}")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: broken JSON ({error}). {_remedy(path)}") from error


def _remedy(path: Path) -> str:
    """How a file of a run comes back."""
    if path.name not in STAGES:
        return f"{'Delete the file and run' if path.exists() else 'Run'} the study again; finished work is kept."
    run = path.parents[3 if path.name == "scores.jsonl" else 0]
    return f"Write it again with: ragft {STAGES[path.name]} {run} (after a stop, go on with ragft run first)"


def write_jsonl(path: Path, rows: Iterable[Any]) -> None:
    write_text(path, "".join(to_json(row) + "\n" for row in rows))


def read_jsonl_as(kind: type[T], path: Path) -> list[T]:
    """The file's lines as records of `kind` (a dataclass). Raises MissingError or InputError naming file, line and remedy."""
    if not path.is_file():
        raise MissingError(f"{path}: no such file. {_remedy(path)}")
    lines = enumerate(path.read_bytes().split(b"\n"), start=1)  # bytes: a torn line may end inside a character
    return [line_as(kind, line, path, number) for number, line in lines if line.strip()]


def line_as(kind: type[T], line: bytes, path: Path, number: int) -> T:
    """One line of a file as a record of `kind`. Raises InputError naming file, line and remedy."""
    try:
        return cast(T, _parser(cast(Hashable, kind))(line))
    except ValueError as error:
        raise InputError(f"{path}:{number}: a line that is torn or was changed. {_remedy(path)}") from error


def read_record(kind: type[T], path: Path) -> T:
    """A file's JSON as a record of `kind` (a dataclass). Raises as `read_json`, also when it was written by another version."""
    found = read_json(path)
    try:
        return _adapter(cast(Hashable, kind)).validate_python(found)
    except ValueError as error:
        raise InputError(f"{path}: not what this version of ragft writes. {_remedy(path)}") from error


def record_from(kind: type[T], text: str) -> T:
    """JSON text as a record of `kind` (a dataclass). Raises InputError where it is none."""
    try:
        return cast(T, _adapter(cast(Hashable, kind)).validate_json(text))
    except ValueError as error:
        raise InputError(f"not a {kind.__name__} in JSON ({str(error).splitlines()[0]}).") from error


@cache
def _parser(kind: Hashable) -> Callable[[bytes], Any]:
    """From a line to a record; plain dicts without a schema, which takes half as long."""
    if kind is not dict:
        return cast(Callable[[bytes], Any], _adapter(kind).validate_json)
    from pydantic_core import from_json

    def parsed(line: bytes) -> dict[str, Any]:
        found = from_json(line)
        if not isinstance(found, dict):
            raise ValueError("no object")
        return found

    return parsed


@cache
def _adapter(kind: Hashable) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(cast(Any, kind))


def fingerprint(value: Any) -> str:
    """Twelve hexadecimal digits that differ when anything in `value` differs."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


# ── runs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclasses.dataclass(frozen=True, slots=True)
class Artifact:
    """Something built once and shared by arms: an index or an adapter. `sha256` is over its files' contents."""

    folder: Path
    sha256: str
    fit: FitReport


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """A run's folder; every path and every read or write of it goes through here."""

    folder: Path

    def seed_folder(self, arm: str, seed: int) -> Path:
        return self.folder / "arms" / arm / f"seed-{seed}"

    def seeds(self, arm: str) -> list[int]:
        found = (path.name.removeprefix("seed-") for path in (self.folder / "arms" / arm).glob("seed-*"))
        return sorted(int(seed) for seed in found if seed.removeprefix("-").isdecimal())  # not "seed-0 (copy)"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for this process. Raises BusyError at once when another process holds it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise BusyError(f"{self.folder}: another process is running this study. Wait for it, or give this one its own: --runs DIR") from error
        try:
            yield
        finally:
            lock.release()

    @property
    def busy(self) -> bool:
        """Whether a process holds the run at this moment; also True where this user may not look."""
        if not (self.folder / ".lock").exists():
            return False
        try:
            with self.locked():
                return False
        except (BusyError, OSError):
            return True

    def artifact(self, kind: str, key: str, build: Callable[[Path], FitReport]) -> Artifact:
        """The artifact of that key: as stored when all its files are intact, else built anew. Never half of one."""
        folder = self.folder / "artifacts" / f"{kind}-{key}"
        if folder.exists():
            found = _intact(folder)
            if found is not None:
                return found
            shutil.rmtree(folder)
        with naming_a_full_disk(folder.parent):
            folder.parent.mkdir(parents=True, exist_ok=True)
            draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{kind}-"))
            try:
                fit = build(draft)
                files = {p.relative_to(draft).as_posix(): file_sha256(p) for p in sorted(draft.rglob("*")) if p.is_file()}
                write_json(draft / "artifact.json", {"kind": kind, "key": key, "files": files, "fit": fit})
                os.replace(draft, folder)
            except BaseException:
                shutil.rmtree(draft, ignore_errors=True)
                raise
        stored = _intact(folder)
        if stored is None:
            raise InputError(f"{folder}: what was just written reads back differently. Check the disk.")
        return stored

    def stored(self, kind: str, key: str) -> Artifact | None:
        """The artifact of that key, if it is there and intact."""
        return _intact(self.folder / "artifacts" / f"{kind}-{key}")

    def has(self, kind: str) -> bool:
        """Whether there is any artifact of that kind."""
        return any((self.folder / "artifacts").glob(f"{kind}-*/artifact.json"))

    def checkpoint(self, kind: str, key: str) -> Path:
        """Where the state of an artifact that is being built is kept; gone when it is built."""
        return self.folder / "artifacts" / f"{kind}-{key}.checkpoint"

    def discard(self, kind: str, key: str) -> None:
        """Remove the artifact of that key, where there is one."""
        shutil.rmtree(self.folder / "artifacts" / f"{kind}-{key}", ignore_errors=True)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for what is only looked at, such as the adapter of a trial: on the run's disk, gone after the block."""
        parent = self.folder / "search"
        parent.mkdir(parents=True, exist_ok=True)
        with naming_a_full_disk(parent), tempfile.TemporaryDirectory(dir=parent, prefix=".trial-") as folder:
            yield Path(folder)

    def sweep(self) -> None:
        """Remove drafts that a killed process left. Only the holder of the lock may call it."""
        for draft in [*(self.folder / "artifacts").glob(".*"), *(self.folder / "search").glob(".*")]:
            shutil.rmtree(draft, ignore_errors=True)
        for draft in self.folder.rglob(".*.*"):
            if draft.is_file():
                draft.unlink(missing_ok=True)


def read_artifact(folder: Path) -> Artifact:
    """The stored artifact of that folder. Raises MissingError when it is gone, or not as it was written."""
    found = _intact(folder)
    if found is None:
        raise MissingError(f"{folder}: gone, or changed since it was written. Run the study again; finished work is kept.")
    return found


def _intact(folder: Path) -> Artifact | None:
    """The artifact when its list is there and every file has its listed hash, else None."""
    try:
        listed = read_json(folder / "artifact.json")
        if not are_unchanged(folder, listed["files"]):
            return None
    except (OSError, InputError, KeyError):
        return None
    return Artifact(folder, fingerprint(listed["files"]), _adapter(FitReport).validate_python(listed["fit"]))


def open_run(runs: Path, study: str, key: str) -> Run:
    """The run of that study and fingerprint below `runs`: the one already there, whatever its date, or a new one."""
    found = sorted(runs.glob(f"*-{glob.escape(study)}-{key}"))
    return Run(found[-1] if found else runs / f"{datetime.now():%Y-%m-%d}-{study}-{key}")


def find_run(path: Path | str) -> Run:
    """The run in that folder. Raises MissingError when it is none."""
    folder = Path(path)
    if not (folder / "manifest.json").is_file():
        raise MissingError(f"{folder}: not a run (no manifest.json). List the runs with: ragft ls")
    return Run(folder)
