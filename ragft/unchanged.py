"""Whether files still have the contents that were listed, without reading gigabytes at every start.

    are_unchanged(folder, {"vectors.npy": "9f86d0…"})

A file is read and hashed once. What it looked like from outside (size, times, inode) is remembered in `checked.json` beside it; only what
looks otherwise is read again. So any write is noticed, also of the same size and with its date set back, since no program can set the time
of a file's last change of any sort (ctime). Copied to another place all is read once more. What a failing disk returns in the place of
what was written, with nobody writing, is noticed only where the file is read anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

FILE = "checked.json"
SETTLED_NS = 2_000_000_000  # two writes within one tick of a file system's clock look alike; the longest ticks, FAT's, are two seconds


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def are_unchanged(folder: Path, listed: Mapping[str, str]) -> bool:
    """Whether every file below the folder has its listed sha256. Raises OSError where one is not there or cannot be read."""
    known, checked = _known(folder / FILE), dict[str, list[Any]]()
    for name, sha in listed.items():
        now, path = time.time_ns(), folder / name
        looks = path.stat()  # before it is read: what is written while it is read makes it look otherwise
        seen = [sha, looks.st_size, looks.st_mtime_ns, looks.st_ctime_ns, looks.st_ino]
        if known.get(name) != seen and file_sha256(path) != sha:
            return False
        if max(looks.st_mtime_ns, looks.st_ctime_ns) < now - SETTLED_NS:
            checked[name] = seen
    if checked != known:
        _remember(folder / FILE, checked)
    return True


def _known(path: Path) -> dict[str, Any]:
    """What was remembered; nothing where that cannot be read."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _remember(path: Path, checked: Mapping[str, Any]) -> None:
    """Where it cannot be written, as in a run of somebody else's, all is read again next time."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with suppress(OSError):
        draft.write_text(json.dumps(checked), encoding="utf-8")
        os.replace(draft, path)
