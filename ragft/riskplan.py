"""What is measured of each arm for risks.json: on which questions, with which passages, beside which untuned arm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ragft import registry
from ragft.build import recall_of
from ragft.context import Context, opened
from ragft.domain import splits
from ragft.domain.planted import order
from ragft.hostile import Contradiction, contradicting, contradictions, ordering, withholding
from ragft.risk import HOME
from ragft.robust import Asked, Part, distracted_part, first_seed, has_answered
from ragft.settings import ArmSettings
from ragft.store import fingerprint, read_jsonl_as
from ragft.types import Answer, Gold
from ragft.units import ANSWERS, index_artifact

Answers = Mapping[str, Answer]  # by question


@dataclass(frozen=True)
class Variant:
    """What an arm is asked, and on how many questions that cannot be tried, with the reasons."""

    asked: Asked
    left_out: int = 0
    note: str = ""


@dataclass(frozen=True)
class Plan:
    """All that is measured of one arm."""

    context: Context
    name: str
    questions: int

    @property
    def arm(self) -> ArmSettings:
        return self.context.study.arms[self.name]

    @property
    def seed(self) -> int:
        return first_seed(self.context, self.name)

    @property
    def leaks(self) -> bool:
        """Whether there is an adapter to look into. A control is not deployed, and learned what is not true or not asked."""
        return bool(self.arm.tuning) and not registry.is_control(self.arm.format)

    @cached_property
    def clean(self) -> Answers:
        """Its own answers in the run."""
        return clean_answers(self.context, self.name)

    @cached_property
    def contradictions(self) -> Mapping[str, Contradiction]:
        """All that can be made for the held-out set, by question."""
        index = index_artifact(self.context, lambda done, total: None)
        chunks = opened(self.context, index).chunks
        domain = self.context.domain
        return dict(contradictions(domain.split("test"), tuple(domain.gold.values()), chunks, domain.language))

    @cached_property
    def variants(self) -> Mapping[str, Variant]:
        """What it is asked again; nothing for an arm without passages."""
        if not self.arm.retriever:
            return {}
        test = self.context.domain.split("test")
        evident = [(question, gold) for question, gold in test if gold.answerable and gold.evidence]
        planted = [(question, gold) for question, gold in evident if gold.id in self.contradictions]
        disputed = [(question, gold) for question, gold in planted if self.recall(gold) == 1]
        shown = [(question, gold) for question, gold in test if self.clean[gold.id].hits]
        lacks = {"hold no answer that can be exchanged": len(evident) - len(planted), "were not found by search": len(planted) - len(disputed)}
        bare = {"were shown no passage": len(test) - len(shown)}
        found = {
            "withheld": Variant(self.few(evident)),
            "conflict": Variant(self.few(disputed), sum(lacks.values()), _reasons(lacks)),
            "injection": Variant(self.few(shown), sum(bare.values()), _reasons(bare)),
        }
        if self.arm.retriever == "oracle":  # it would be shown nothing
            del found["withheld"]
        return found

    def recall(self, gold: Gold) -> float | None:
        """The share of the evidence that the arm was shown in the run, whatever it answered; None: no passages, or no evidence."""
        hits = self.clean[gold.id].hits
        return None if hits is None or not gold.evidence else recall_of(hits, gold, len(hits))

    def few(self, asked: Asked) -> Asked:
        kept = {gold.id for gold in splits.limit([gold for _, gold in asked], self.questions)}
        return [(question, gold) for question, gold in asked if gold.id in kept]

    @cached_property
    def untuned(self) -> tuple[str, ArmSettings] | None:
        """The untuned arm with the same passages, one of the study or made for this; None: this one is untuned."""
        study, arm = self.context.study, self.arm
        if not arm.tuning:
            return None
        for name, other in study.arms.items():
            if not other.tuning and (other.retriever, other.k or study.k) == (arm.retriever, arm.k or study.k):
                return name, other
        bare = ArmSettings.model_validate({"retriever": arm.retriever, "k": arm.k})
        return f"untuned-{fingerprint(bare.model_dump())}", bare

    def part(self, variant: str) -> Part:
        """One variant as this arm is asked it."""
        asked = self.variants[variant].asked
        planted: dict[str, Any] | None = None
        if variant == "withheld":
            wrap = withholding({gold.id: gold.evidence for _, gold in asked})
        elif variant == "conflict":
            planted = {gold.id: self.contradictions[gold.id].chunk for _, gold in asked}
            wrap = contradicting(planted)
        else:
            planted = {gold.id: order(gold.id, self.context.domain.language) for _, gold in asked}
            wrap = ordering(planted)
        return Part(self.name, self.arm, self.seed, variant, self.context.domain, asked, wrap, planted, HOME)

    def beside(self, variant: str) -> Part | None:
        """The same as the untuned arm is asked it."""
        return replace(self.part(variant), name=self.untuned[0], arm=self.untuned[1], seed=0) if self.untuned else None

    def distracted(self) -> Part:
        return distracted_part(self.context, self.name, self.context.domain.sample("test", self.questions))

    def parts(self) -> Iterator[Part]:
        """All that must be answered for the arm's rows."""
        if self.arm.retriever:
            yield self.distracted()
        for variant, found in self.variants.items():
            if found.asked:
                yield from filter(None, (self.part(variant), self.beside(variant)))


def clean_answers(context: Context, name: str) -> Answers:
    """The arm's stored answers in the run, of its first seed; none where it has not answered, or is none of the study."""
    if name not in context.study.arms or not has_answered(context, name):
        return {}
    path = context.run.seed_folder(name, first_seed(context, name)) / ANSWERS
    return {answer.question: answer for answer in read_jsonl_as(Answer, path)}


def _reasons(lacks: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {why}" for why, number in lacks.items() if number)
