"""Studies that run as processes of their own: they outlive whoever started them, are watched, stopped and gone on with.

    RUNS/.jobs/<time>-<study>-…/     one folder a job
      job.json                       what it runs, and which process does
      progress.json                  how far it is: ragft.progressfile
      log.txt                        what the command printed, all its tries after one another

A job is found again by whoever looks into the folder, also after a restart. A process is known by its number and the moment
it started, so that a number that the system gave to another process since is not taken for the job. Needs Linux's /proc.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from ragft.errors import BusyError, InputError, MissingError
from ragft.files import check_writable
from ragft.plan import Plan
from ragft.privacy import environment
from ragft.progressfile import Standing, read_standing
from ragft.store import read_record, record_from, write_json

FOLDER = ".jobs"
JOB, PROGRESS, LOG = "job.json", "progress.json", "log.txt"
STOP_SECONDS = 10.0  # between being asked to end and being ended
TAIL_BYTES = 32_768
State = Literal["running", "finished", "failed", "stopped"]


@dataclass(frozen=True, slots=True)
class Job:
    """A study that is run by a process of its own."""

    folder: str
    study: str  # study.yaml
    runs: str
    changes: tuple[str, ...]  # as --set takes them
    began: str  # its last try; ISO 8601, UTC
    pid: int
    started: str  # of that process: boot and clock ticks
    stopping: bool = False  # somebody asked it to end

    @property
    def name(self) -> str:
        """Of its folder: what an address or a widget knows it by."""
        return Path(self.folder).name

    @property
    def command(self) -> list[str]:
        """What a shell would run, without the interpreter's path."""
        return ["ragft", "run", self.study, "--runs", self.runs, *(part for change in self.changes for part in ("--set", change))]


def start(study: Path, runs: Path, changes: Sequence[str] = ()) -> Job:
    """Start the study in a process of its own. Raises BusyError where a job runs the same already, InputError where `runs` cannot be written."""
    study, runs = study.resolve(), runs.resolve()
    same = (str(study), str(runs), tuple(changes))
    for job in listed(runs)[0]:
        if (job.study, job.runs, job.changes) == same and state_of(job) == "running":
            raise BusyError(f"{job.study}: this study is running already, with the same settings, since {job.began}.")
    check_writable(runs)
    where = runs / FOLDER
    where.mkdir(parents=True, exist_ok=True)
    named = re.sub(r"\W+", "-", study.parent.name)[:40].strip("-") or "study"
    folder = Path(tempfile.mkdtemp(dir=where, prefix=f"{datetime.now():%Y-%m-%d-%H%M%S}-{named}-"))
    return _launch(Job(str(folder), *same, began="", pid=0, started=""))


def resume(job: Job) -> Job:
    """Run the job again, which goes on where it was. Raises BusyError while it runs."""
    if _is_alive(job):
        raise BusyError(f"{job.study}: this job is still running.")
    return _launch(job)


def _launch(job: Job) -> Job:
    folder = Path(job.folder)
    (folder / PROGRESS).unlink(missing_ok=True)  # what it says is of the last try
    command = [sys.executable, "-m", *job.command, "--progress", str(folder / PROGRESS)]
    with (folder / LOG).open("a", encoding="utf-8") as log:
        log.write(f"$ {shlex.join(job.command)}\n")
        log.flush()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # of its own: neither the end of this process nor its terminal's reaches it
            env=_environment(),
        )
    threading.Thread(target=process.wait, daemon=True).start()  # so that it does not stay as a zombie
    try:
        begun = replace(
            job, began=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S+00:00}", pid=process.pid, started=_started(process.pid) or "", stopping=False
        )
        _store(begun)
    except BaseException:
        process.kill()  # a job that nobody could find again
        raise
    return begun


def stop(job: Job) -> Job:
    """End the job's process and all that it started. What was finished is kept, and `resume` goes on. Nothing happens where it has ended."""
    if not _is_alive(job):
        return job
    asked = replace(job, stopping=True)
    _store(asked)
    for number, patience in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, STOP_SECONDS)):
        try:
            os.killpg(job.pid, number)
        except ProcessLookupError:
            return asked
        ends = time.monotonic() + patience
        while time.monotonic() < ends:
            if not _is_alive(job):
                return asked
            time.sleep(0.02)
    raise BusyError(f"process {job.pid} of {job.study} does not end. Look at what the machine's disk does.")


def listed(runs: Path) -> tuple[list[Job], list[str]]:
    """The jobs over a runs folder, the newest first, and a line on each whose files cannot be read."""
    found, problems = list[Job](), list[str]()
    for path in sorted((runs / FOLDER).glob(f"*/{JOB}"), reverse=True):
        try:
            job = read_job(path.parent)
            standing_of(job)
            found.append(job)
        except (InputError, MissingError) as error:
            problems.append(str(error))
    return found, problems


def read_job(folder: Path) -> Job:
    """The job of that folder. Raises MissingError where there is none, InputError where its file is broken."""
    return replace(read_record(Job, folder / JOB), folder=str(folder))


def state_of(job: Job) -> State:
    """What has become of it."""
    said = standing_of(job)
    if said is not None and said.state == "finished":
        return "finished"
    if _is_alive(job):
        return "running"
    if said is not None and said.state == "failed":
        return "failed"
    return "stopped" if job.stopping or (said is not None and said.state == "stopped") else "failed"


def standing_of(job: Job) -> Standing | None:
    """How far it is; None: it has not said anything yet."""
    return read_standing(Path(job.folder) / PROGRESS)


def why(job: Job) -> str:
    """Of a failed job, one line: what the command said, or that it ended without a word."""
    said = standing_of(job)
    if said is not None and said.state == "failed":
        return said.why
    return "The process ended without a word: it was killed, by hand or for want of memory, or the machine went down. Going on loses nothing."


def log_tail(job: Job, lines: int = 20) -> str:
    """The last lines that the command printed."""
    path = Path(job.folder) / LOG
    if not path.is_file():
        return ""
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - TAIL_BYTES))
        return "\n".join(log.read().decode("utf-8", errors="replace").splitlines()[-lines:])


def plan(study: Path, runs: Path, changes: Sequence[str] = ()) -> Plan:
    """What the study can show and what it takes, by a probe in a process of its own, which keeps no model in this one's memory.

    Raises InputError with the command's own line where the study cannot be run.
    """
    asked = ["plan", str(study), "--runs", str(runs), *(part for change in changes for part in ("--set", change)), "--json"]
    command = [sys.executable, "-m", "ragft", *asked]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=_environment(), check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"ragft plan ended with code {done.returncode}"]
        raise InputError(said[-1].removeprefix("ragft: "))
    return record_from(Plan, done.stdout)


# ── processes ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _environment() -> dict[str, str]:
    """Ours, with the folder above this package first: the same ragft, also where it is not installed."""
    paths = [str(Path(__file__).resolve().parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**environment(), "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}


def _is_alive(job: Job) -> bool:
    return bool(job.pid) and bool(job.started) and _started(job.pid) == job.started


def _started(pid: int) -> str | None:
    """The boot and the clock tick at which that process started; None: there is none, or it has ended."""
    try:
        # the name, in brackets, may hold anything
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else f"{boot} {fields[19]}"


def _store(job: Job) -> None:
    write_json(Path(job.folder) / JOB, asdict(job))
