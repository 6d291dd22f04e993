"""A finished run made by hand, for tests of what reads runs: real scoring, comparison and decision, no model."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from ragft.measures import BASE, GeneralScores, Measures, measures_path
from ragft.robustness import Robustness, RobustnessRow
from ragft.searched import Searched, SearchResult, TrialRow, searched_path
from ragft.settings import Study, save_study
from ragft.store import Run, write_json, write_jsonl
from ragft.study import compare_run, decide_run, score_run
from ragft.types import Answer, Chunk, Evidence, FitReport, Gold, Hit, Question, Span, Usage

EVIL = '"><img src=x onerror=alert(1)><script>alert(2)|`*'  # no slash: it must also serve as an arm's name
DEFAULT = {
    "base": {},
    "oracle": {"retriever": "oracle"},
    "rag": {"retriever": "bm25"},
    "lora": {"tuning": "lora"},
    "rag+lora": {"retriever": "bm25", "tuning": "lora"},
}
# What is trained, what of it is stored under which names, and how far the hidden states move: as the real methods do it.
TRAINED = {"lora": 2900, "full": 100_000, "prompt": 160, "p-tuning": 5_000, "prefix": 9_000, "p-tuning-v2": 640, "adapter": 3_600, "mam": 4_000}
STORED = {
    "lora": {"base.layers.0.q_proj.lora_A.weight": 1450, "base.layers.0.q_proj.lora_B.weight": 1450},
    "full": {"model.embed_tokens.weight": 100_000},
    "prompt": {"prompt_embeddings": 160},
    "p-tuning": {"prompt_embeddings": 160},
    "prefix": {"prompt_embeddings": 640},
    "p-tuning-v2": {"prompt_embeddings": 640},
    "adapter": {"layers.0.attention.down.weight": 3_600},
    "mam": {"layers.0.feed-forward.down.weight": 3_360, "memory": 640},
}
SKILL = {"base": 1, "oracle": 9, "rag": 6, "lora": 3, "rag+lora": 7}  # how many of ten answerable questions an arm has right


@dataclass(frozen=True)
class Plan:
    """What to make: `text` is planted wherever a user's or a model's text can be."""

    arms: dict = field(default_factory=lambda: dict(DEFAULT))
    seeds: tuple[int, ...] = (0, 1, 2)
    documents: int = 10
    text: str = ""
    evidence: bool = True
    unanswerable: bool = True
    error: str = ""  # the arm whose first answer fails
    needs: dict = field(default_factory=dict)
    estimate: tuple = (45.0, 2_500_000_000)  # seconds and bytes before each training
    skill: dict = field(default_factory=dict)  # arm -> how many of ten it has right, instead of SKILL
    dead: str = ""  # the arm whose every answer fails
    measured: bool = False  # measures of every adapter, robustness and a search
    files: bool = False  # adapter files, with the tensors of STORED


def make_run(folder: Path, plan: Plan) -> Run:
    """A finished run but for the report: two questions a document, every fifth of them unanswerable."""
    run = Run(folder)
    name = " ".join(f"works{plan.text}".split())  # a name becomes a folder, and so is one line
    study = Study(domain=str(folder / "nowhere"), name=name, arms=plan.arms, seeds=plan.seeds, embedder=None, needs=plan.needs)
    save_study(study, folder / "study.yaml")
    golds = [gold_of(plan, number) for number in range(2 * plan.documents)]
    write_jsonl(folder / "questions.jsonl", [Question(g.id, f"What is value {g.id}?{plan.text}") for g in golds])
    write_jsonl(folder / "gold.jsonl", golds)
    write_manifest(run, study, plan)
    for name, arm in study.arms.items():
        form = (arm.format or "qa") if arm.tuning else None
        slots = {**arm.model_dump(), "k": 3 if arm.retriever else None, "format": form, "learning_rate": arm.learning_rate or 0.001}
        write_json(folder / "arms" / name / "arm.json", {"name": name, "model": "m", **slots})
        for seed in (arm.seeds or plan.seeds) if arm.tuning else (0,):
            write_seed(run, plan, golds, name, arm, seed)
    if plan.measured:
        write_measures(run, study, plan)
    score_run(run)
    compare_run(run)
    decide_run(run)
    return run


def gold_of(plan: Plan, number: int) -> Gold:
    document, answerable = f"d{number // 2:02d}{plan.text}.md", number % 5 != 4 or not plan.unanswerable
    spans = (Evidence((Span(document, 4, 12),)),) if answerable and plan.evidence else ()
    stratum = "trained-fact" if answerable else "unanswerable"
    answers = (f"{number} bar", f"{number} bar{plan.text}") if answerable else ()
    return Gold(f"q{number:02d}", answers, spans, document, "test", f"f{number}", 0, f"value{plan.text}", stratum)


def write_manifest(run: Run, study: Study, plan: Plan) -> None:
    source = {"name": f"tiny{plan.text}", "sha256": "a" * 64, "origin": plan.text}
    data = {"domain": f"works{plan.text}", "sha256": "b" * 64, "documents": plan.documents, "language": "en", "notes": [plan.text]}
    counts = {"train": 9, "dev": 3, "test": 2 * plan.documents}
    code = {"version": "0.1.0", "commit": None, "dirty": None}
    machine = {"system": "Linux", "processor": "x86_64", "cores": 2}
    rest = {
        "status": "running",
        "began": "2026-01-31T10:00:00+00:00",
        "finished": None,
        "code": code,
        "versions": {"python": "3.11"},
        "machine": machine,
    }
    names = {"model": source, "embedder": None, "seeds": list(plan.seeds), "arms": list(study.arms)}
    write_json(run.folder / "manifest.json", {**rest, **names, "data": {**data, "questions": counts, "trains_tested_facts": True}})


def write_seed(run: Run, plan: Plan, golds: list[Gold], name: str, arm, seed: int) -> None:
    folder, fit = run.seed_folder(name, seed), {}
    if arm.retriever:
        fit["index"] = {"folder": "artifacts/index-1", "sha256": "i", "fit": FitReport(2.0, 10**6, notes=(f"retriever auto = bm25{plan.text}",))}
    if arm.tuning:
        loss = tuple((100 * step, 3.0 / step + 0.1 * seed) for step in range(1, 30))
        trained = TRAINED.get(arm.tuning, 5000)
        took = (60.0 + trained / 1000, 2 * 10**9, trained, 100_000, 2900, 40, 4 * trained)
        report = FitReport(*took, loss, (f"note{plan.text}",), *plan.estimate)
        adapter = adapter_of(arm, seed)
        fit["adapter"] = {"folder": f"artifacts/{adapter}", "sha256": adapter, "fit": report}
        if plan.files:
            made = run.folder / "artifacts" / adapter
            made.mkdir(parents=True, exist_ok=True)
            save_file({key: np.zeros(size, dtype=np.int8) for key, size in STORED[arm.tuning].items()}, made / "adapter.safetensors")
    write_json(folder / "fit.json", fit)
    write_jsonl(folder / "answers.jsonl", [answer_of(plan, gold, number, name, arm, seed) for number, gold in enumerate(golds)])
    write_json(folder / "done.json", {})


def adapter_of(arm, seed: int) -> str:
    """The name of an adapter's folder: arms of the same tuning, format and seed share it."""
    return f"adapter-{arm.tuning}-{arm.format or 'qa'}-{seed}"


def write_measures(run: Run, study: Study, plan: Plan) -> None:
    """Measures of the base and of every adapter, noise on every tuned arm, and a search of every learning rate."""
    base = GeneralScores(3.0, 1000, 0.0, 0.5, 60, 0.4, 30, tuple(n < 30 for n in range(60)))
    write_json(measures_path(run.folder, BASE), Measures("i", 0.202, None, 0.2, base, (0.0,) * 6))
    noise, searches, seen = [], [], set()
    for name, arm in study.arms.items():
        for seed in (arm.seeds or plan.seeds) if arm.tuning else ():
            weight = TRAINED.get(arm.tuning, 5000) / 100_000
            general = GeneralScores(3.0 + weight, 1000, weight / 2, 0.5 - weight / 4, 60, 0.4, 30, tuple(n < 29 for n in range(60)))
            merges = arm.tuning in ("lora", "full")
            jitter = 0.001 * seed
            slow = 1.3 if arm.tuning == "adapter" else 1.1
            shift = tuple(weight * (1 + layer) / 6 for layer in range(6))
            found = Measures("i", 0.2 * (slow + jitter), 0.2 * (1 + jitter) if merges else None, 0.2, general, shift)
            write_json(measures_path(run.folder, adapter_of(arm, seed)), found)
            noise.append(RobustnessRow(name, seed, "typos", 20, 0.5, 0.4, -0.1, -0.15, -0.05))
            noise.append(RobustnessRow(name, seed, "second domain", 12, None, 0.3, 0.05, -0.02, 0.12))
            if arm.retriever:
                noise.append(RobustnessRow(name, seed, "distractors", 20, 0.5, 0.5, 0.0, -0.04, 0.04))
        if arm.tuning and (arm.tuning, arm.format) not in seen:
            seen.add((arm.tuning, arm.format))
            trials = (TrialRow(1, {"learning_rate": 0.001}, 2.0, "complete", ((100, 2.0),), 5.0),)
            searches.append(SearchResult(f"{arm.tuning} qa", name, "dev loss, nats", {"learning_rate": 0.001}, 2.0, trials))
    write_json(run.folder / "robustness.json", Robustness(tuple(noise), "match"))
    write_json(searched_path(run), Searched(tuple(searches)))


def answer_of(plan: Plan, gold: Gold, number: int, name: str, arm, seed: int) -> Answer:
    skill = plan.skill.get(name, SKILL.get(name, 5))
    right = (7 * number + 3 * (number // 10)) % 10 < skill
    if arm.tuning and number % 20 == seed:  # seeds differ a little
        right = not right
    hits, shown = None, right or number % 2 == 0 or arm.retriever == "oracle"
    if arm.retriever:
        chunk = Chunk(f"{gold.document}:0-20", Span(gold.document, 0, 20), f"The {number:2d} bar is it.{plan.text}", f"heading{plan.text}")
        other = Chunk("other.md:0-5", Span("other.md", 0, 5), "Other", "heading")
        hits = (Hit(chunk if shown else other, 1, 1.0),)
    text, outcome = (
        (f"{number} bar", "ok") if right and gold.answers else ("I don't know.", "abstained") if number % 3 == 0 else (f"wrong{plan.text}", "ok")
    )
    if (name == plan.error and number == 0) or name == plan.dead:
        return Answer(gold.id, "", "error", hits, "prompt", None, 0, f"RuntimeError: {plan.text}")
    usage = Usage(300 if hits else 60, 4, 0.5 if hits else 0.2, 4.0, 8, 0.01 if hits else 0.0)
    return Answer(gold.id, text, outcome, hits, f"prompt {gold.id} {'open' if hits else 'closed'}{plan.text}", usage, number // 8)
