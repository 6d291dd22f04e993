"""Sample logs of Inspect and of lm-evaluation-harness -> rows for a table of scores. One log is one arm under one seed.

The shapes are those of inspect_ai 0.3 (log format version 2: `.json`, and the zip archive `.eval`) and of lm_eval 0.4.9
(`samples_<task>_<date>.jsonl`, written with --log_samples). Neither package is needed to read them.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import nan
from pathlib import Path
from typing import Any

from ragft.errors import InputError, MissingError, unknown
from ragft.files import read_text

ZSTANDARD = 93  # the zip method of recent `.eval` logs; Python's zipfile knows it from 3.14 on
LOCAL_HEADER = struct.Struct("<26xHH")  # of a zip member: the lengths of its name and of its extra field end it
LETTERS = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}  # correct, partial, incorrect, no answer: inspect_ai's own values
WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0, "nan": nan}  # NaN is how a scorer declines to score
OF_SAMPLE = ("document", "stratum", "kind", "hit")  # what a sample's metadata, or a doc's fields, may say of its question
OF_LOG = ("seed", "retriever", "tuning", "format", "model", "k", "adapters", "control", "system")  # what the metadata of an eval may say of its arm
HARNESS = frozenset(
    ("doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "doc_hash", "prompt_hash", "target_hash")
)


@dataclass(frozen=True)
class Log:
    """What one log says: `rows` have the columns of a table of scores, and `target`, what the question's answer should be."""

    rows: tuple[dict[str, Any], ...]  # each with `line` too: 0 where the log has no lines
    scorer: str  # whose scores they are
    warnings: tuple[str, ...] = field(default=())


def is_harness(record: Mapping[str, Any]) -> bool:
    """Whether a line of JSON is a sample of lm-evaluation-harness."""
    return "doc_id" in record and ("filtered_resps" in record or "resps" in record)


# ── Inspect ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_inspect(path: Path, scorer: str | None = None) -> Log:
    """An eval log as rows: a question's score is the mean over its epochs, and missing where any of them failed.

    The arm is `arm` of the task's arguments or of the eval's metadata, else the file's name. Raises InputError for what is no
    such log, for several scorers without a choice, and for a value that is no score.
    """
    log = _zipped(path) if path.suffix.lower() == ".eval" else _json(path, read_text(path))
    if not isinstance(log, dict) or not isinstance(log.get("eval"), dict):
        raise InputError(f"{path}: not an Inspect log (it has no 'eval'). A table of scores is a .csv or .jsonl file.")
    samples = log.get("samples") or []
    if not samples:
        raise InputError(f"{path}: no sample is in it. Run the eval again with --log-samples.")
    spec = log["eval"]
    said = {**_mapping(spec.get("metadata")), **_mapping(log.get("metadata"))}
    arm = _mapping(spec.get("task_args")).get("arm") or said.get("arm") or path.stem
    of_arm = {key: said[key] for key in OF_LOG if said.get(key) is not None}
    name = _choose(path, _scorers(samples), scorer)
    rows = [{"arm": arm, **of_arm, **row, "line": 0} for row in _by_question(path, samples, name)]
    status = log.get("status", "success")
    warnings = () if status == "success" else (f"{path}: the eval's status is '{status}', so samples may be missing from it.",)
    return Log(tuple(rows), name, warnings)


def _mapping(found: object) -> Mapping[str, Any]:
    """It, or nothing where it is no mapping: what people put there is theirs."""
    return found if isinstance(found, Mapping) else {}


def _scorers(samples: Iterable[Mapping[str, Any]]) -> list[str]:
    """The names of all scores: a scorer, or scorer/key where its value is several named ones."""
    found: dict[str, None] = {}
    for sample in samples:
        for name, score in (sample.get("scores") or {}).items():
            value = score.get("value") if isinstance(score, dict) else None
            found |= dict.fromkeys([f"{name}/{key}" for key in value] if isinstance(value, dict) else [name])
    return list(found)


def _choose(path: Path, found: Sequence[str], asked: str | None) -> str:
    if not found:
        raise InputError(f"{path}: no sample has a score. Score the log first.")
    if asked is not None and asked not in found:
        raise InputError(f"{path}: {unknown('scorer', asked, found)}")
    if asked is None and len(found) > 1:
        raise InputError(f"{path}: several scores are in it. Choose one with --scorer: {', '.join(found)}.")
    return asked or found[0]


def _by_question(path: Path, samples: Iterable[Mapping[str, Any]], name: str) -> Iterator[dict[str, Any]]:
    """A row for each question, its score averaged over the epochs: they repeat the answering, not the training."""
    epochs: dict[str, list[Mapping[str, Any]]] = {}
    for sample in samples:
        if not isinstance(sample, dict) or sample.get("id") is None:
            raise InputError(f"{path}: a sample has no id. Export the log again.")
        epochs.setdefault(str(sample["id"]), []).append(sample)
    for question, repeats in epochs.items():
        numbers = [sample.get("epoch", 1) for sample in repeats]
        if len(set(numbers)) < len(numbers):
            raise InputError(f"{path}, question '{question}': an epoch of it is in the log twice. Leave one of the two out.")
        first, scores = repeats[0], [_score(path, sample, name) for sample in repeats]
        metadata = first.get("metadata") or {}
        yield {
            "question": question,
            "score": sum(scores) / len(scores),
            "outcome": "error" if any(sample.get("error") for sample in repeats) else "",
            "target": json.dumps(first.get("target"), ensure_ascii=False, sort_keys=True),
            **{key: metadata[key] for key in OF_SAMPLE if metadata.get(key) is not None},
        }


def _score(path: Path, sample: Mapping[str, Any], name: str) -> float:
    """The sample's score by that scorer; NaN where it failed, was declared invalid, or was not scored."""
    if sample.get("error") or sample.get("invalidation"):
        return nan
    scores = sample.get("scores") or {}
    scorer, _, key = (name, "", "") if name in scores else name.rpartition("/")
    value = (scores.get(scorer or name) or {}).get("value")
    value = value.get(key) if key and isinstance(value, dict) else value
    found = nan if value is None else _number(value)
    if found is None:
        said = f"{path}, question '{sample['id']}': the score {json.dumps(value, ensure_ascii=False)[:80]} by '{name}'"
        raise InputError(f"{said} is no number, truth value or one of C, P, I, N. Choose another with --scorer, or write a table.")
    return found


def _number(value: Any) -> float | None:
    """inspect_ai's value_to_float; None, where that would warn and take 0."""
    if isinstance(value, bool | int | float):
        return float(value)
    if not isinstance(value, str):
        return None
    if value in LETTERS or value.lower() in WORDS:
        return LETTERS[value] if value in LETTERS else WORDS[value.lower()]
    try:
        return float(value)
    except ValueError:
        return None


def _zipped(path: Path) -> dict[str, Any]:
    """A `.eval` archive as the value that the `.json` of the same log has."""
    with _opened(path) as archive:
        names = list(dict.fromkeys(archive.namelist()))  # a log that was edited may hold a member twice; the last counts
        header = next((name for name in ("header.json", "_journal/start.json") if name in names), None)
        if header is None:
            raise InputError(f"{path}: not an Inspect log (no header.json is in it).")
        log = _json(path, _member(path, archive, header))
        if not isinstance(log, dict):
            raise InputError(f"{path}: not an Inspect log ({header} is no object).")
        if header != "header.json":  # written at the end: the eval did not get there
            log["status"] = "started"
        samples = [name for name in names if name.startswith("samples/") and name.endswith(".json")]
        log["samples"] = [_json(path, _member(path, archive, name)) for name in samples]
        return log


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError) as error:
        raise InputError(f"{path}: a damaged .eval log ({error}). Copy it again.") from error


def _member(path: Path, archive: zipfile.ZipFile, name: str) -> bytes:
    """The contents of a member, also of one that is packed with Zstandard."""
    info = archive.getinfo(name)
    if info.compress_type != ZSTANDARD:
        return archive.read(name)
    try:
        import zstandard
    except ImportError as error:
        remedy = "pip install zstandard, or: inspect log convert LOG --to json --output-dir DIR"
        raise MissingError(f"{path}: packed with Zstandard. Unpack it with: {remedy}") from error
    with path.open("rb") as file:
        file.seek(info.header_offset)
        file.seek(sum(LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))), io.SEEK_CUR)
        packed = io.BytesIO(file.read(info.compress_size))
    try:
        with zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True) as frames:  # inspect_ai cuts long ones
            return frames.read()
    except zstandard.ZstdError as error:
        raise InputError(f"{path}: a damaged .eval log ({error}). Copy it again.") from error


def _json(path: Path, text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(f"{path}: broken JSON ({error}). Copy or export the log again.") from error


# ── lm-evaluation-harness ────────────────────────────────────────────────────────────────────────────────────────────


def read_harness(path: Path, lines: Sequence[tuple[int, Mapping[str, Any]]], scorer: str | None = None) -> Log:
    """The lines (number, sample) of a file of samples as rows. The arm is not in them.

    `scorer` is a metric, or `metric,filter` as results.json has it. Raises InputError for a line that is no sample, and for
    several metrics or filters without a choice.
    """
    for number, sample in lines:
        if not is_harness(sample):
            raise InputError(f"{path}:{number}: no sample of lm-evaluation-harness (no 'doc_id' with 'resps'), unlike the first line.")
    found = list(dict.fromkeys(f"{metric},{_filter(sample)}" for _, sample in lines for metric in _metrics(sample)))
    plain = [name.partition(",")[0] for name in found]
    if scorer is not None and plain.count(scorer) == 1:  # the filter goes without saying
        scorer = found[plain.index(scorer)]
    name = _choose(path, found, scorer)
    metric, _, wanted = name.partition(",")
    kept = [(number, sample) for number, sample in lines if _filter(sample) == wanted]
    return Log(tuple(_harness_row(path, number, sample, metric) for number, sample in kept), name)


def _filter(sample: Mapping[str, Any]) -> str:
    return str(sample.get("filter", "none"))


def _metrics(sample: Mapping[str, Any]) -> list[str]:
    """The sample's metrics: as `metrics` lists them, else (in older files) whatever number is none of the known fields."""
    listed = sample.get("metrics")
    if isinstance(listed, list):
        return [str(metric) for metric in listed]
    return [key for key, value in sample.items() if key not in HARNESS and isinstance(value, int | float)]


def _harness_row(path: Path, number: int, sample: Mapping[str, Any], metric: str) -> dict[str, Any]:
    value = sample.get(metric)
    score = nan if value is None else _number(value)
    if score is None:
        said = f"{path}:{number}: '{metric}' has no number for one sample ({json.dumps(value, ensure_ascii=False)[:60]})"
        raise InputError(f"{said}, only for the whole task. Choose another with --scorer.")
    doc = sample.get("doc")
    of_sample = {key: doc[key] for key in OF_SAMPLE if isinstance(doc, dict) and isinstance(doc.get(key), str | int | float)}
    return {"question": sample["doc_id"], "score": score, "target": str(sample.get("target", "")), **of_sample, "line": number}
