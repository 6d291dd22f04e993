"""The model card of an exported arm: what it is, how to ask it, what it was trained on, how it scored. Needs no model.

Everything in it is read from the run; words and layout are in `templates/card.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ragft import numbers, registry
from ragft.material import Arm, Material
from ragft.models import PACKAGED, is_hub_id
from ragft.prompts import Style, Tokenizer, open_book, passage, render
from ragft.prompts import closed_book as closed
from ragft.store import read_json
from ragft.types import Chunk, Prompt, Span
from ragft.words import says

TEMPLATES = Path(__file__).parent / "templates"
Form = Literal["peft", "ragft", "transformers"]  # the library that loads it
OF_STUDY = ("train_tokens", "train_batch_size", "max_new_tokens", "context_tokens", "chunker", "chunk_tokens", "chunk_overlap", "precision")
OPEN_BOOK = ("context_tokens", "chunker", "chunk_tokens", "chunk_overlap")  # the settings that only arms with passages have
ORDERS = {"best-first": "best first", "best-last": "the best last", "document": "in the order of the documents"}


@dataclass(frozen=True, slots=True)
class Made:
    """What was exported, as far as the run does not say it."""

    arm: str
    seed: int
    form: Form
    merged: bool
    peft_type: str | None  # of an adapter in peft's form
    prompt: str  # exactly as the model gets it, with {question} and, where the arm reads passages, {passages}
    special_tokens: bool  # whether the tokenizer adds its own to it
    generation: Mapping[str, Any]  # what transformers' GenerationConfig takes, to answer as the arm did


def exact_prompt(language: str, passages: bool, tokenizer: Tokenizer, style: Style) -> str:
    """The prompt of the arm with {question} and {passages} where they stand."""
    return render(_open_prompt(language, style) if passages else closed("{question}", language, style), tokenizer)


def _open_prompt(language: str, style: Style) -> Prompt:
    mark = Chunk("", Span("", 0, 0), "{text}", "{heading}")
    prompt = open_book("{question}", [mark], language, style)
    return Prompt(prompt.system, prompt.user.replace(f"[1] {passage(mark)}", "{passages}"))


def base_name(model: Mapping[str, Any]) -> str:
    """What a card calls the base: the hub's name or a package's; of a file or folder its name, not where it lies."""
    name = str(model["name"])
    return name.partition("@")[0] if is_hub(model) else name if name in PACKAGED else Path(name).name


def is_hub(model: Mapping[str, Any]) -> bool:
    return str(model["origin"]).startswith("hub") and is_hub_id(str(model["name"]))


def revision(model: Mapping[str, Any]) -> str | None:
    """The hub's revision of the base."""
    return str(model["origin"]).rpartition(" ")[2] if is_hub(model) else None


def card(m: Material, made: Made) -> str:
    """README.md of the exported folder."""
    environment = Environment(loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_shown)
    environment.filters |= {name: getattr(numbers, name) for name in ("percent", "signed", "seconds", "count", "size")}
    environment.filters["python"] = lambda value: Markup(repr(value))
    return environment.get_template("card.md").render(_page(m, made)) + "\n"


def _shown(value: object) -> object:
    """Markdown that shows what is printed as it is; code is printed as it is."""
    return value if isinstance(value, Markup) else numbers.ordinary(value)


def _page(m: Material, made: Made) -> dict[str, Any]:
    arm, model = m.arm(made.arm), m.manifest["model"]
    slots = read_json(m.run.folder / "arms" / arm.name / "arm.json")
    row = next((row for row in m.comparison.arms if row.name == arm.name), None)
    base = base_name(model)
    licence = PACKAGED[base].licence if base in PACKAGED else None
    return {
        "m": m,
        "made": made,
        "arm": arm,
        "fit": arm.fit("adapter", made.seed),
        "matter": Markup(yaml.safe_dump(_matter(m, made, base), sort_keys=False, allow_unicode=True).strip()),
        "base": base,
        "revision": revision(model),
        "licence": licence,
        "packaged": base in PACKAGED,
        "four_bits": m.study.base_dtype == "nf4",
        "prompt": _quoted(made.prompt),
        "exact": Markup(made.prompt.rstrip("\n")),
        "order": ORDERS[m.study.prompt.order],
        "style": Markup(", ".join(f"{key}={value!r}" for key, value in m.study.prompt.model_dump(exclude={"order"}, exclude_defaults=True).items())),
        "generation": Markup(", ".join(f"{key}={value!r}" for key, value in made.generation.items())),
        "settings": _settings(m, arm, slots, made.seed),
        "format_summary": registry.lookup("format", str(arm.format)).summary,
        "row": row,
        "own_score": row.seed_means[arm.seeds.index(made.seed)] if row else None,
        "differences": [says(d) for d in m.comparison.challengers if d.arm == arm.name],
        "NONE": numbers.NONE,
        "span": lambda low, high: "no interval" if low is None else f"{100 * low:.1f} to {100 * high:.1f}",
    }


def _quoted(text: str) -> Markup:
    """As a Python string, over several lines where nothing in it speaks against that."""
    plain = "\\" not in text and '"""' not in text and not text.endswith('"')
    return Markup(f'"""{text}"""' if plain else repr(text))


def _matter(m: Material, made: Made, base: str) -> dict[str, Any]:
    """The card's front matter, for programs. No licence: the base's is not that of what was trained."""
    arm = m.arm(made.arm)
    return {
        "base_model": base,
        "base_model_relation": "finetune" if made.form == "transformers" else "adapter",
        "library_name": made.form,
        "pipeline_tag": "text-generation",
        "language": m.manifest["data"]["language"],
        "tags": ["ragft", str(arm.tuning), str(arm.format), *(["rag"] if arm.retriever else [])],
    }


def _settings(m: Material, arm: Arm, slots: Mapping[str, Any], seed: int) -> list[tuple[str, str]]:
    """Everything that the weights and the answers depend on, by name."""
    study = m.study.model_dump()
    options = {f"{key}.{name}": value for key in ("options", "format_options") for name, value in (slots.get(key) or {}).items()}
    if "format_options.domain" in options:
        options["format_options.domain"] = Path(str(options["format_options.domain"])).name  # not where it lies
    own = {key: value for key, value in slots.items() if key not in ("name", "model", "seeds", "options", "format_options")}
    shared = {key: study[key] for key in OF_STUDY if arm.retriever or key not in OPEN_BOOK}
    return [(key, str(value)) for key, value in {**own, **options, **shared, "seed": seed}.items() if value is not None]
