"""Files and folders of the user's, and what is said in one line when they cannot be read or written."""

from __future__ import annotations

import codecs
import errno
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import charset_normalizer

from ragft.errors import InputError

UTF16 = (b"\xff\xfe", b"\xfe\xff")
ENCODINGS = ["cp1252", "gb18030", "cp932", "euc_jp", "big5", "euc_kr", "cp1251", "cp1253", "cp1250", "cp1254"]  # the most usual first
MAX_CHAOS = 0.05  # charset-normalizer's share of what no language writes; UTF-8 with a broken letter, read as cp1250, has more
MARKS = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
# Libraries with a writer of their own put the system's error number into a text: safetensors so, numpy without any number.
_FULL = re.compile(rf"os error ({errno.ENOSPC}|{errno.EDQUOT})\b|\d+ requested and \d+ written")


def read_text(path: Path) -> str:
    """The file's text, without a byte-order mark, lines ended by `\\n`. Raises InputError when it is not UTF-8 text."""
    return _decode(path, _bytes(path))


def read_any_text(path: Path) -> tuple[str, str]:
    """The file's text, and the encoding where it had to be guessed: "" for UTF-8, and for UTF-16 and UTF-32 with a byte-order mark.

    Raises InputError for binary data, and where no encoding fits, as of UTF-8 with a few broken letters.
    """
    raw = _bytes(path)
    try:
        return _unguessed(path, raw), ""
    except InputError as error:
        if not _may_be_guessed(raw, error) or (guess := guess_encoding(raw)) is None:
            raise
        return _lines(path, raw.decode(guess)), guess


def readings(path: Path) -> tuple[list[str], bool]:
    """What the file's text may be, and whether that is known: as by `read_any_text`, or else what each of the usual encodings makes of it.

    Raises InputError for binary data, and where no encoding fits.
    """
    raw = _bytes(path)
    try:
        return [_unguessed(path, raw)], True
    except InputError as error:
        found = dict.fromkeys(_readings(raw)) if _may_be_guessed(raw, error) else None
        if not found:
            raise
        return [_lines(path, text) for text in found], False


def _readings(raw: bytes) -> Iterator[str]:
    for name in ENCODINGS:
        with suppress(UnicodeDecodeError):
            yield raw.decode(name)


def _unguessed(path: Path, raw: bytes) -> str:
    """Of UTF-8, or by a byte-order mark."""
    marked = next((name for mark, name in MARKS.items() if raw.startswith(mark)), "")
    if not marked:
        return _decode(path, raw)
    try:
        return _lines(path, raw.decode(marked))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: begins as {marked.upper()} and does not go on so. Save it again as UTF-8.") from error


def _may_be_guessed(raw: bytes, error: InputError) -> bool:
    """Whether this error is that of text in another encoding: not of binary data, nor of what has a byte-order mark."""
    return isinstance(error.__cause__, UnicodeDecodeError) and b"\0" not in raw and not raw.startswith((codecs.BOM_UTF8, *MARKS))


def guess_encoding(raw: bytes) -> str | None:
    """What text that is not UTF-8 is most likely encoded in; None: it reads like no language in any of the usual ones."""
    found = [match for match in charset_normalizer.from_bytes(raw, cp_isolation=ENCODINGS) if match.chaos <= MAX_CHAOS]
    best = found[:1] and [match for match in found if (match.chaos, match.coherence) == (found[0].chaos, found[0].coherence)]
    likely = {name for match in best for name in match.could_be_from_charset}  # they cannot be told apart: the most usual of them
    return next((name for name in ENCODINGS if name in likely), None)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). Check its permissions, or move it away.") from error


def _decode(path: Path, raw: bytes) -> str:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        start = len(raw) - len(error.object) + error.start  # utf-8-sig counts from after a byte-order mark
        line = raw[:start].count(b"\n") + 1
        encoding = "UTF-16" if raw.startswith(UTF16) else "LATIN1"
        raise InputError(
            f"{path}:{line}: not UTF-8 (byte 0x{raw[start]:02x}). Convert it, for example: iconv -f {encoding} -t UTF-8 OLD > NEW"
        ) from error
    return _lines(path, text)


def _lines(path: Path, text: str) -> str:
    """With lines ended by `\\n`."""
    if "\0" in text:
        raise InputError(f"{path}:{text[: text.index(chr(0))].count(chr(10)) + 1}: binary data in a text file. Remove it, or move the file away.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def check_writable(folder: Path) -> None:
    """Raise InputError unless files can be written in `folder`, or it can be made. Nothing is left behind."""
    there = next(path for path in (folder, *folder.absolute().parents) if os.path.exists(path))
    if not there.is_dir():
        raise InputError(f"{there}: a file, and runs are kept in a folder. Give another: --runs DIR")
    try:
        os.rmdir(tempfile.mkdtemp(dir=there, prefix=".ragft-"))
    except OSError as error:
        raise say_disk_full(error, folder) or InputError(
            f"{folder}: cannot be written to ({error.strerror}). Change its permissions, or give another folder: --runs DIR"
        ) from error


def say_disk_full(error: Exception, folder: Path) -> InputError | None:
    """The one line for a full disk, or None when the error is another."""
    known = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if not known and not _FULL.search(str(error)):
        return None
    return InputError(f"{folder}: the disk is full. Free some space and run the same command again: finished work is kept.")


def say_refused(error: OSError) -> InputError | None:
    """The one line for a file or folder that this user may not touch, or None when the error is another."""
    if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS) or not error.filename:
        return None
    return InputError(f"{error.filename}: {error.strerror}. Change its permissions, or copy it to a folder of your own.")


@contextmanager
def naming_a_full_disk(folder: Path) -> Iterator[None]:
    """While files are written in `folder`: a full disk, whichever library meets it, becomes one InputError that names `folder`."""
    try:
        yield
    except Exception as error:
        origin = error.__cause__ if isinstance(error, InputError) else error  # said for a draft inside `folder`: said anew
        full = say_disk_full(origin, folder) if isinstance(origin, Exception) else None
        if full is None:
            raise
        raise full from origin
