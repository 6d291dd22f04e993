"""GGUF file -> a folder of safetensors that loads in a second, made once in the user's cache.

transformers reads a GGUF file in about 20 s and refuses to save the model that it made from it: the weights are copied
into a fresh model of the same configuration, and that one is saved.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from ragft.errors import InputError
from ragft.files import naming_a_full_disk, say_disk_full
from ragft.store import file_sha256, read_json, write_json

FORMAT = 1  # raised when the conversion changes what it writes


def converted(path: Path, sha256: str, cache: Path) -> Path:
    """The folder with the weights of this GGUF file in float32: as cached when intact, else converted now.

    Raises InputError when the file cannot be read as a model, or the disk of the cache is full.
    """
    folder = cache / f"{path.stem.lower()}-{sha256[:16]}-v{FORMAT}"
    if not _intact(folder):
        with naming_a_full_disk(cache):
            _make(path, sha256, folder)
    return folder


def _make(path: Path, sha256: str, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".draft-"))
    try:
        _convert_or_say(path, draft)
        write_json(draft / "ragft.json", {"source": path.name, "sha256": sha256, "weights": file_sha256(draft / "model.safetensors")})
        if folder.exists() and not _intact(folder):
            shutil.rmtree(folder)
        try:
            os.replace(draft, folder)
        except OSError:
            if not _intact(folder):  # otherwise another process was faster and made the same
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _intact(folder: Path) -> bool:
    weights, note = folder / "model.safetensors", folder / "ragft.json"
    return weights.is_file() and note.is_file() and read_json(note)["weights"] == file_sha256(weights)


def _convert_or_say(path: Path, folder: Path) -> None:
    try:
        _convert(path, folder)
    except Exception as error:  # damaged files and unknown architectures fail in many ways inside transformers and gguf
        if isinstance(error, ImportError) or say_disk_full(error, folder):
            raise
        cause = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{path}: cannot be read as a model ({cause}). Get the file again, or give the model's folder of safetensors.") from error


def _convert(path: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    source = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    config = source.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config  # the weights are float32 now; left in, the folder could not be loaded
    fresh = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    fresh.load_state_dict(source.state_dict())
    fresh.save_pretrained(folder)
    AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name).save_pretrained(folder)
