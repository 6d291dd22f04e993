"""Files and folders of the user's, and what is said in one line when they cannot be read or written."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ragft.errors import InputError

UTF16 = (b"\xff\xfe", b"\xfe\xff")
# Libraries with a writer of their own put the system's error number into a text: safetensors so, numpy without any number.
_FULL = re.compile(rf"os error ({errno.ENOSPC}|{errno.EDQUOT})\b|\d+ requested and \d+ written")


def read_text(path: Path) -> str:
    """The file's text, without a byte-order mark, lines ended by `\\n`. Raises InputError when it is not UTF-8 text."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). Check its permissions, or move it away.") from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        start = len(raw) - len(error.object) + error.start  # utf-8-sig counts from after a byte-order mark
        line = raw[:start].count(b"\n") + 1
        encoding = "UTF-16" if raw.startswith(UTF16) else "LATIN1"
        raise InputError(
            f"{path}:{line}: not UTF-8 (byte 0x{raw[start]:02x}). Convert it, for example: iconv -f {encoding} -t UTF-8 OLD > NEW"
        ) from error
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
