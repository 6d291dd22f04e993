"""Held-out questions that training gives away: what one could answer by copying a training answer, without knowing anything.

That a fact is trained on under other wordings is often what a study is about (stratum trained-fact), and no leak. A leak is

* a dev or test question in nearly the words of a training question (`near copy`);
* a question about a fact that is not trained on, so the file says, though a training question asks for the same: its answer is the
  same, and the words of the one stand in the other (`contained`), both have words that few facts are asked about with
  (`same subject`), or both mean the same to an embedder (`same meaning`).

Questions that are the same word for word never get here: a domain that has them in two splits cannot be loaded. Pairs whose
answers have nothing in common are never leaks, so unanswerable questions are not looked at; what follows from several facts (kinds
two-document and comparison), one of which may well be trained on, leaks by its words only.

How like each other two questions must be is calibrated on the training questions: those with one answer in common but different
facts show how alike two clean questions of this domain are by accident. At most CHANCE of them may look like a leak.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil

import numpy as np
from scipy.sparse import csr_matrix

from ragft.domain import Domain
from ragft.domain.ledger import DERIVED
from ragft.domain.records import plain
from ragft.metrics.answer import YES_NO
from ragft.text import is_cjk, search_terms
from ragft.types import Gold, Question, Split

CHANCE = 0.01  # of training questions, by each sign that is calibrated
# The least that counts, however little a domain's questions are alike: python pipelines/bench_leakage.py
NEAR_COPY, CONTAINED, SUBJECT, MEANING = 0.75, 0.95, 0.8, 0.7
TELLING = 0.2  # a word that more of the other facts are asked about with does not say what a question is about
ALIKE = 0.5  # a near copy, and what is contained, has so much of the telling words too: "pump 17" is not "pump 18"
COMMON, FEW = 0.02, 4  # an answer that more facts have (and more than FEW), or yes or no, says little: then the meaning must be all but the same
ALL_BUT_SAME = 0.95
ONE_OF_TWO = frozenset(map(plain, YES_NO))
SIDES: tuple[tuple[Split, ...], tuple[Split, ...]] = (("train",), ("dev", "test"))
GRAM, LEAST_TERMS, BLOCK = 4, 3, 100_000

SURE = ("near copy", "contained")  # with these nobody needs to look twice
TOLERATED = 0.01  # of the held-out questions: so many likely leaks may be there by accident, and change no verdict

_FUNCTION_WORDS = """a about after all an and any are as at be been before by can could did do does for from had has have how i if in into is it its
long many may might must my no not of often on or our per shall she should that the their then there these they this those to under was we were
what when where which who whom whose why will with within without would you your"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())  # of a small set of questions, even these may stand in few

Embed = Callable[[Sequence[str]], np.ndarray]
Pair = tuple[Question, Gold]


@dataclass(frozen=True, slots=True)
class Leak:
    """A held-out question, the training question that gives its answer away, and by which signs; `likeness` is the strongest, from 0 to 1."""

    question: str
    split: Split
    train: str
    signs: tuple[str, ...]
    likeness: float

    @property
    def sure(self) -> bool:
        return any(sign in SURE for sign in self.signs)


def blocking(leaks: Sequence[Leak], held_out: int) -> list[Leak]:
    """Those that must not stay: the sure ones; all, where there are more than TOLERATED of so many held-out questions."""
    return list(leaks) if len(leaks) > TOLERATED * held_out else [leak for leak in leaks if leak.sure]


def find_leaks(domain: Domain, embed: Embed | None = None) -> list[Leak]:
    """For each leaking dev and test question its likest training question, in the file's order. Without `embed` meaning is not compared.

    `embed`: texts -> (texts, dimensions) unit vectors.
    """
    train, held_out = ([pair for name in names for pair in domain.split(name) if pair[1].answerable] for names in SIDES)
    if not train or not held_out:
        return []
    asked = _Asked([*held_out, *train], embed)
    offset = len(held_out)
    pairs = [(i, offset + j) for i, j in _with_one_answer(held_out, train)]
    among = [
        (offset + i, offset + j)
        for i, j in _with_one_answer(train, train)
        if train[i][1].fact != train[j][1].fact and _stated(train[i][1], train[j][1])
    ]
    least = {sign: _calibrated(among, asked.likeness(sign, among), floor, len(train)) for sign, floor in asked.calibrated.items()}
    found: dict[int, Leak] = {}
    for (i, j), signs in asked.signs(pairs, least):
        likest, known = max(signs.values()), found.get(i)
        if known is None or likest > known.likeness:
            gold = asked.pairs[i][1]
            found[i] = Leak(gold.id, gold.split, asked.pairs[j][1].id, tuple(signs), round(likest, 3))
    return [found[i] for i in sorted(found)]


def _stated(*golds: Gold) -> bool:
    """Whether each asks for one statement of the documents."""
    return all(gold.kind not in DERIVED for gold in golds)


def _with_one_answer(some: Sequence[Pair], others: Sequence[Pair]) -> Iterator[tuple[int, int]]:
    """The places of all questions where the reference answer of one is an answer of the other; "13" of "13 days" and "13 nights" is not enough."""
    first, any_of = defaultdict[str, list[int]](list), defaultdict[str, list[int]](list)
    for j, (_, gold) in enumerate(others):
        first[plain(gold.answers[0])].append(j)
        for answer in {plain(answer) for answer in gold.answers}:
            any_of[answer].append(j)
    for i, (_, gold) in enumerate(some):
        found = {*any_of[plain(gold.answers[0])], *(j for answer in gold.answers for j in first[plain(answer)])}
        yield from product([i], sorted(found))


def _calibrated(pairs: Sequence[tuple[int, int]], likeness: np.ndarray, floor: float, number: int) -> float:
    """The likeness that at most CHANCE of the training questions reach beside one of another fact; `floor` at least."""
    best: dict[int, float] = {}
    for (i, _), value in zip(pairs, likeness.tolist(), strict=True):
        best[i] = max(value, best.get(i, 0.0))
    highest = sorted(best.values(), reverse=True)
    allowed = ceil(CHANCE * number)
    return max(floor, float(np.nextafter(highest[allowed], np.inf)) if len(highest) > allowed else floor)


class _Asked:
    """Questions as sets of terms and of character runs, and as vectors; how alike any two of them are."""

    def __init__(self, pairs: Sequence[Pair], embed: Embed | None):
        self.pairs = pairs
        texts = [question.text for question, _ in pairs]
        terms = [frozenset(search_terms(text)) for text in texts]
        self._terms, names = _membership(terms)
        self._counts = np.asarray(self._terms.sum(axis=1)).ravel()
        self._grams, _ = _membership([_grams(text) for text in texts])
        self._lengths = np.asarray(self._grams.sum(axis=1)).ravel()
        self._vectors = embed(texts) if embed else None
        self._facts, self._terms_of = defaultdict[str, set[str]](set), terms
        for (_, gold), own in zip(pairs, terms, strict=True):
            for term in own:
                self._facts[term].add(gold.fact)
        self._number = len({gold.fact for _, gold in pairs})
        weights = np.array([np.log1p(self._number / len(self._facts[term])) if self._tells(term) else 0.0 for term in names])
        self._weighted = self._terms.multiply(np.sqrt(weights)).tocsr()  # so that a product of two rows weighs what they share
        self._mass = np.asarray(self._terms.multiply(weights).sum(axis=1)).ravel()
        self._common = self._frequent()

    @property
    def calibrated(self) -> dict[str, float]:
        """The signs that are calibrated, with the least that counts."""
        return {"same subject": SUBJECT, **({"same meaning": MEANING} if self._vectors is not None else {})}

    def _frequent(self) -> np.ndarray:
        facts = defaultdict(set)
        for _, gold in self.pairs:
            for answer in gold.answers:
                facts[plain(answer)].add(gold.fact)
        most = max(FEW, COMMON * self._number)
        first = [plain(gold.answers[0]) for _, gold in self.pairs]
        return np.array([answer in ONE_OF_TWO or len(facts[answer]) > most for answer in first])

    def likeness(self, sign: str, pairs: Sequence[tuple[int, int]]) -> np.ndarray:
        """(pairs,), from 0 to 1."""
        found = [self._of(sign, np.array(pairs[first : first + BLOCK])) for first in range(0, len(pairs), BLOCK)]
        return np.concatenate(found) if found else np.zeros(0)

    def _of(self, sign: str, pairs: np.ndarray) -> np.ndarray:
        i, j = pairs.T
        if sign == "same meaning":
            assert self._vectors is not None
            return np.einsum("ij,ij->i", self._vectors[i], self._vectors[j])
        if sign == "near copy":
            shared = _shared(self._grams, i, j)
            return shared / np.maximum(self._lengths[i] + self._lengths[j] - shared, 1)
        if sign == "same subject":
            return np.array([self._subject(int(a), int(b)) for a, b in pairs])
        shared = _shared(self._weighted, i, j)
        masses = np.stack([self._mass[i], self._mass[j]])
        if sign == "same words":
            return np.where(masses.max(axis=0) > 0, shared / np.maximum(np.sqrt(masses.prod(axis=0)), 1e-9), 1.0)
        enough = np.minimum(self._counts[i], self._counts[j]) >= LEAST_TERMS
        return np.where(enough, shared / np.maximum(masses.min(axis=0), 1e-9), 0.0)

    def _tells(self, term: str) -> bool:
        return term not in FUNCTION_WORDS and len(self._facts[term]) - 2 <= TELLING * self._number  # the two facts that are compared do not count

    def _subject(self, i: int, j: int) -> float:
        """1 less the share of other facts that are asked about with all the words that both have; 0 for a common answer."""
        if self._common[i]:
            return 0.0
        shared = [self._facts[term] for term in self._terms_of[i] & self._terms_of[j] if self._tells(term)]
        if not shared:
            return 0.0
        with_all = set.intersection(*shared) - {self.pairs[i][1].fact, self.pairs[j][1].fact}
        return 1 - len(with_all) / self._number

    def signs(self, pairs: Sequence[tuple[int, int]], least: dict[str, float]) -> Iterator[tuple[tuple[int, int], dict[str, float]]]:
        """Each pair that is a leak with the likeness of every sign of it."""
        values = {sign: self.likeness(sign, pairs) for sign in ("same words", "near copy", "contained", *least)}
        for number, pair in enumerate(pairs):
            like = {sign: float(value[number]) for sign, value in values.items()}
            asked, trained = (self.pairs[place][1] for place in pair)
            floors = {"near copy": NEAR_COPY}
            if asked.stratum.startswith("untrained"):
                floors |= {"contained": CONTAINED, **(least if _stated(asked, trained) else {})}
                if self._common[pair[0]] and "same meaning" in floors:
                    floors["same meaning"] = max(ALL_BUT_SAME, least["same meaning"])
            found = {sign: like[sign] for sign, floor in floors.items() if like[sign] >= floor}
            if like["same words"] < ALIKE:
                found = {sign: value for sign, value in found.items() if sign not in ("near copy", "contained")}
            if found:
                yield pair, found


def _shared(matrix: csr_matrix, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    return np.asarray(matrix[i].multiply(matrix[j]).sum(axis=1)).ravel()


def _grams(text: str) -> frozenset[str]:
    """Runs of GRAM characters of the text's words; of two where it is written in Chinese, whose characters say more."""
    flat = plain(text)
    size = 2 if sum(map(is_cjk, flat)) * 3 > len(flat) else GRAM
    flat = re.sub(r"\s", "", flat) if size == 2 else f" {flat} "
    return frozenset(flat[k : k + size] for k in range(max(1, len(flat) - size + 1)))


def _membership(sets: Sequence[frozenset[str]]) -> tuple[csr_matrix, list[str]]:
    """(sets, names) with 1 where a name is in a set, and the names."""
    names = sorted(set().union(*sets))
    place = {name: number for number, name in enumerate(names)}
    columns = [place[name] for own in sets for name in sorted(own)]
    starts = np.cumsum([0, *map(len, sets)])
    return csr_matrix((np.ones(len(columns)), columns, starts), shape=(len(sets), len(names))), names
