"""Does this machine have what a study needs: Python, packages, weights, disk, memory."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from ragft.errors import RagftError
from ragft.meter import available_bytes
from ragft.models import PACKAGED, cache_folder, locate

NEEDED = ("torch", "transformers", "peft", "sentence-transformers", "faiss-cpu", "langchain", "bm25s", "scipy", "pydantic")
FREE_DISK_GIB = 3  # converted weights, an index, adapters of a small study
FREE_MEMORY_GIB = 4


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    found: str


def check() -> list[Check]:
    """All checks; nothing is installed, converted or loaded."""
    checks = [Check("Python 3.11 or newer", sys.version_info >= (3, 11), platform.python_version())]
    checks += [_package(name) for name in NEEDED]
    checks += [_weights(name) for name in PACKAGED]
    return [*checks, _disk(), _memory(), Check("cores", True, str(os.cpu_count())), Check("model hub", True, _hub())]


def _package(name: str) -> Check:
    try:
        return Check(name, True, version(name))
    except PackageNotFoundError:
        return Check(name, False, "not installed; run: make setup")


def _weights(name: str) -> Check:
    try:
        return Check(f"weights {name}", True, locate(name, PACKAGED[name].use).origin)
    except RagftError as error:
        return Check(f"weights {name}", False, str(error))


def _disk() -> Check:
    folder = cache_folder()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 2**30
    return Check(f"{FREE_DISK_GIB} GiB free below {folder}", free >= FREE_DISK_GIB and os.access(folder, os.W_OK), f"{free:.0f} GiB free")


def _memory() -> Check:
    free = available_bytes()
    if free is None:
        return Check(f"{FREE_MEMORY_GIB} GiB memory", True, "not known on this system")
    return Check(f"{FREE_MEMORY_GIB} GiB memory available", free >= FREE_MEMORY_GIB * 2**30, f"{free / 2**30:.0f} GiB")


def _hub() -> str:
    return "allowed (HF_HUB_OFFLINE=0)" if os.environ.get("HF_HUB_OFFLINE") == "0" else "off unless the study names a hub model"
