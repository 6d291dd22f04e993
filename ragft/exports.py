"""A run's fine-tuned arm -> a folder that other programs load: an adapter, or a whole model, with its model card.

    ragft export runs/2026-01-31-manuals-1f2e3d4c5b6a --arm lora --to my-adapter
    ragft export runs/2026-01-31-manuals-1f2e3d4c5b6a --arm lora --to my-model --merged

`card` writes the card; the weights are those that answered in the run.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragft import registry
from ragft.card import Form, Made, base_name, card, exact_prompt, revision
from ragft.errors import InputError, unknown
from ragft.files import naming_a_full_disk
from ragft.material import Arm, Material, read_material
from ragft.models import Model, find_model, is_hub_id
from ragft.privacy import keep_private
from ragft.store import Run, file_sha256, find_run, read_artifact, read_json, write_json, write_text
from ragft.unchanged import FILE as CHECKED

PEFT_CONFIG, OWN_CONFIG = "adapter_config.json", "adapter.json"


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    folder: Path
    arm: str
    seed: int
    seeds: tuple[int, ...]  # all that there are of the arm
    form: Form  # the library that loads it
    merged: bool


def export(run: Run | Path | str, arm: str, to: Path | str, *, seed: int | None = None, merged: bool = False) -> Exported:
    """Write a fine-tuned arm of a finished run into the folder `to`, which is made: as a whole, or not at all.

    An adapter stays one unless `merged` folds it into the weights; an arm of which every weight was trained is a model
    anyhow. `seed` None: the arm's lowest with weights. Raises InputError for an arm that is not tuned, not known or cannot be merged,
    and for a folder with something in it; MissingError where the run, its adapter or its base model is not there.
    """
    m = read_material(run if isinstance(run, Run) else find_run(run))
    chosen, seed = _choose(m, arm, seed)
    if merged and not registry.lookup("tuning", str(chosen.tuning)).facts["mergeable"]:
        raise InputError(f"arm '{arm}': tuning '{chosen.tuning}' cannot be folded into the model's weights. Export the adapter: leave out --merged.")
    if merged and m.study.base_dtype == "nf4":
        raise InputError(f"arm '{arm}' answered with its base in 4 bits, and nothing is folded into that. Export the adapter: leave out --merged.")
    folder = Path(to)
    _check_free(folder)
    adapter = read_artifact(m.run.folder / chosen.built[seed]["adapter"]["folder"]).folder
    base = find_base(m)
    form: Form = "transformers" if merged else _form(adapter)
    with _as_a_whole(folder) as draft:
        made = _write(m, chosen, seed, form, adapter, base, draft)
        write_text(draft / "README.md", card(m, made))
    return Exported(folder, arm, seed, chosen.seeds, form, made.merged)


def _choose(m: Material, name: str, seed: int | None) -> tuple[Arm, int]:
    """The arm, and which of its seeds."""
    tuned = [arm.name for arm in m.arms if arm.tuning]
    if name not in [arm.name for arm in m.arms]:
        raise unknown("arm", name, tuned or [arm.name for arm in m.arms])
    arm = m.arm(name)
    if not arm.tuning:
        others = f"Fine-tuned arms of this run: {', '.join(tuned)}." if tuned else "No arm of this run is."
        raise InputError(f"arm '{name}' is not fine-tuned: its model is the base, and there is nothing to export. {others}")
    if seed is not None and seed not in arm.seeds:
        raise InputError(f"arm '{name}' has no seed {seed}. It was trained with: {', '.join(map(str, arm.seeds))}.")
    trained = [one for one in arm.seeds if one not in arm.failures]
    picked = seed if seed is not None else next(iter(trained), arm.seeds[0])
    if picked not in trained:
        other = f"Seeds with weights: {', '.join(map(str, trained))}." if trained else "No seed of it has weights: run the study with other settings."
        raise InputError(f"arm '{name}' has no weights of seed {picked}: {arm.failures[picked]} {other}")
    return arm, picked


def _check_free(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file. Give the name of a new folder: --to DIR")
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder}: already holds something, and nothing is overwritten. Give the name of a new folder: --to DIR")


def find_base(m: Material) -> Model:
    """The model that the run was made with. Raises MissingError where it is gone, InputError where the one of that name is another now."""
    made_with = m.manifest["model"]
    keep_private(hub=is_hub_id(made_with["name"]))
    found = find_model(made_with["name"], "generator")
    if found.sha256 != made_with["sha256"]:
        raise InputError(
            f"model '{found.name}' is not the one that the run was made with (sha256 {found.sha256[:12]}…, then {made_with['sha256'][:12]}…). "
            "Put that one back, or run the study again."
        )
    return found


def _form(adapter: Path) -> Form:
    """The library that loads what training left."""
    if (adapter / PEFT_CONFIG).is_file():
        return "peft"
    return "ragft" if (adapter / OWN_CONFIG).is_file() else "transformers"


@contextmanager
def _as_a_whole(folder: Path) -> Iterator[Path]:
    """A draft beside the folder, which takes its place when the block is through; whatever goes wrong, nothing is left."""
    with naming_a_full_disk(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
        try:
            yield draft
            os.chmod(draft, 0o755)  # mkdtemp makes it private, and safetensors what it writes
            for path in draft.iterdir():
                os.chmod(path, 0o644)
            os.replace(draft, folder)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise


# ── the files ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _write(m: Material, arm: Arm, seed: int, form: Form, adapter: Path, base: Model, draft: Path) -> Made:
    """Weights, configuration and tokenizer into `draft`; returns what the card has to say of them."""
    from transformers import GenerationConfig

    from ragft.weights import load_tokenizer

    tokenizer, whole = load_tokenizer(base.folder), _form(adapter) == "transformers"
    generation = _generation(base.folder, tokenizer, m.study.max_new_tokens)
    if form == "transformers":
        if whole:
            _copy(adapter, draft)
        else:
            _merge(base.folder, adapter, draft)
        GenerationConfig(**generation).save_pretrained(draft)
    else:
        _copy(adapter, draft)
    if form == "peft":
        named = {"base_model_name_or_path": base_name(m.manifest["model"]), "revision": revision(m.manifest["model"])}
        write_json(draft / PEFT_CONFIG, {**read_json(draft / PEFT_CONFIG), **named})  # training wrote where the base lies on this machine
    tokenizer.save_pretrained(draft)
    return Made(
        arm=arm.name,
        seed=seed,
        form=form,
        merged=form == "transformers" and not whole,
        peft_type=read_json(draft / PEFT_CONFIG)["peft_type"] if form == "peft" else None,
        prompt=exact_prompt(m.manifest["data"]["language"], arm.retriever is not None, tokenizer, m.study.prompt),
        special_tokens=tokenizer.chat_template is None,
        generation=generation,
    )


def _copy(adapter: Path, draft: Path) -> None:
    """What training left, but for the run's own notes and the card that peft puts there."""
    for path in sorted(adapter.iterdir()):
        if path.is_file() and path.name not in ("artifact.json", CHECKED, "README.md"):
            shutil.copyfile(path, draft / path.name)
            if file_sha256(path) != file_sha256(draft / path.name):
                raise InputError(f"{draft / path.name}: what was just written reads back differently. Check the disk.")


def _merge(base_folder: Path, adapter: Path, draft: Path) -> None:
    """The base with the adapter in its weights, as it answered."""
    from ragft.tuning.attach import load_attached
    from ragft.weights import load_base

    base = load_base(base_folder)
    attached = load_attached(base, adapter)
    merge: Callable[[], None] | None = attached.merge
    if merge is None:
        raise InputError(f"{adapter}: cannot be folded into the model's weights. Export the adapter: leave out --merged.")
    try:
        merge()
        base.model.save_pretrained(str(draft), safe_serialization=True)
    finally:
        base.clear()


def _generation(base_folder: Path, tokenizer: Any, max_new_tokens: int) -> dict[str, Any]:
    """What makes `generate` answer as the arm did: greedy, without the base's own sampling or penalties, to the same end."""
    from transformers import AutoConfig, GenerationConfig

    from ragft.generation.hf import stop_tokens

    if (base_folder / "generation_config.json").is_file():
        own = GenerationConfig.from_pretrained(base_folder)
    else:
        own = GenerationConfig.from_model_config(AutoConfig.from_pretrained(base_folder, trust_remote_code=False))
    stop = sorted(stop_tokens(tokenizer, own))
    return {"max_new_tokens": max_new_tokens, "do_sample": False, "eos_token_id": stop, "pad_token_id": tokenizer.pad_token_id}
