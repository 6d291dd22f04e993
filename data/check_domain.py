"""Check the bundled demonstration domain: its documents, ledger and questions.

Run from the repository root, with plain Python and beautifulsoup4:

    python data/check_domain.py                  # checks data/tarnbeck
    python data/check_domain.py data/tarnbeck    # the same, named

The counts are printed as JSON on standard output. When something is wrong the
problems are listed on standard error, one a line, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
import unicodedata
from collections import Counter, defaultdict
from itertools import combinations
from pathlib import Path

from bs4 import BeautifulSoup

# Documents written to be alike on purpose; they may share runs of words.
NEAR_DUPLICATES = [
    ("products/korvid-210.md", "products/korvid-215.md"),
    ("products/pellan-p4.md", "products/pellan-p6.md"),
]

# Documents none of whose facts has a training question.
UNTRAINED_DOCUMENTS = [
    "incidents/inc-2340-nitrogen-release.md",
    "policies/home-working.md",
    "procedures/pr-27-resin-potting.md",
    "products/stennick-vp30.md",
    "sites/lindhavn-depot.md",
]

RUN = 10
WORDS = (250, 450)
QUOTE_WORDS = (5, 30)
FACTS_PER_DOCUMENT = 3
FEWEST_FACTS = 104
FEWEST_UNANSWERABLE = 36

SPLITS = {"train", "dev", "test"}
KINDS = {
    "exact-value",
    "category",
    "person",
    "date",
    "yes-no",
    "list",
    "code",
    "place",
}
REASONS = {"absent-entity", "absent-attribute", "false-premise", "superseded"}
FACT_KEYS = {"fact", "subject", "relation", "value", "documents", "frequency"}
QUESTION_KEYS = {
    "id",
    "fact",
    "wording",
    "kind",
    "split",
    "question",
    "answers",
    "evidence",
}
UNANSWERABLE_KEYS = QUESTION_KEYS | {"document", "reason"}
HTML_BLOCKS = ["title", "h1", "h2", "h3", "h4", "p", "li", "td", "th", "caption"]


def passages(path: Path) -> list[str]:
    """The pieces of a document in which a quote must lie whole."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".html":
        soup = BeautifulSoup(text, "html.parser")
        return [element.get_text() for element in soup.find_all(HTML_BLOCKS)]
    if path.suffix == ".csv":
        rows = csv.DictReader(text.splitlines())
        return ["; ".join(f"{k}: {v}" for k, v in row.items()) for row in rows]
    return text.splitlines()


def words(text: str) -> list[str]:
    """Lower-case words and numbers of a text."""
    return re.findall(r"\w+", unicodedata.normalize("NFKC", text).lower())


def normalised(text: str) -> str:
    return " ".join(words(text))


def contains(text: str, part: str) -> bool:
    """Whether part occurs in text as whole words."""
    return f" {normalised(part)} " in f" {normalised(text)} "


def read_jsonl(path: Path, problems: list[str]) -> list[dict]:
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            problems.append(f"{path.name}:{number}: not JSON ({error})")
    return rows


def check_documents(corpus: Path, problems: list[str]) -> dict[str, list[str]]:
    """Read all documents; check formats, lengths and shared runs of words."""
    documents = {}
    for path in sorted(p for p in corpus.rglob("*") if p.is_file()):
        name = path.relative_to(corpus).as_posix()
        if path.suffix not in {".md", ".txt", ".html", ".csv"}:
            problems.append(f"{name}: unknown kind of document")
            continue
        documents[name] = passages(path)
        if path.suffix == ".md":
            if not documents[name][0].startswith("# "):
                problems.append(f"{name}: the first line is not a '# Title'")
            if not any(line.startswith("## ") for line in documents[name]):
                problems.append(f"{name}: no '##' section")
        if path.suffix == ".html":
            soup = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
            for tag in ("title", "h1", "table", "p"):
                if soup.find(tag) is None:
                    problems.append(f"{name}: no <{tag}>")
        if path.suffix == ".csv" and not 8 <= len(documents[name]) <= 15:
            problems.append(f"{name}: {len(documents[name])} rows, not 8 to 15")
        count = word_count(documents[name])
        if not WORDS[0] <= count <= WORDS[1]:
            problems.append(f"{name}: {count} words, not {WORDS[0]} to {WORDS[1]}")

    runs = {}
    for name, parts in documents.items():
        tokens = words("\n".join(parts))
        spans = range(len(tokens) - RUN + 1)
        runs[name] = {" ".join(tokens[i : i + RUN]) for i in spans}
    allowed = {frozenset(pair) for pair in NEAR_DUPLICATES}
    for first, second in combinations(documents, 2):
        shared = runs[first] & runs[second]
        if shared and frozenset((first, second)) not in allowed:
            problems.append(f"{first} and {second} share {len(shared)} run(s) of {RUN} words, e.g. {min(shared)!r}")
    for pair in NEAR_DUPLICATES:
        for name in pair:
            if name not in documents:
                problems.append(f"{name}: near-duplicate listed but not there")
    return documents


def word_count(parts: list[str]) -> int:
    """Words between spaces which hold a letter or a digit."""
    return sum(bool(re.search(r"\w", word)) for word in " ".join(parts).split())


def check_facts(facts: list[dict], documents: dict[str, list[str]], problems: list[str]) -> dict[str, dict]:
    ledger = {}
    for fact in facts:
        name = fact.get("fact", "?")
        if set(fact) != FACT_KEYS:
            problems.append(f"{name}: keys {sorted(fact)}")
            continue
        if name in ledger:
            problems.append(f"{name}: fact listed twice")
        ledger[name] = fact
        if not re.fullmatch(r"f\d{3}", name):
            problems.append(f"{name}: not of the form f001")
        if fact["frequency"] != len(fact["documents"]) or not fact["documents"]:
            problems.append(f"{name}: frequency is not the number of documents")
        for document in fact["documents"]:
            if document not in documents:
                problems.append(f"{name}: no document {document}")
    if len(ledger) < FEWEST_FACTS:
        problems.append(f"{len(ledger)} facts, fewer than {FEWEST_FACTS}")
    stated = Counter(d for fact in ledger.values() for d in fact["documents"])
    for document in documents:
        if stated[document] < FACTS_PER_DOCUMENT:
            problems.append(f"{document}: only {stated[document]} fact(s)")
    return ledger


def check_answerable(
    row: dict,
    ledger: dict[str, dict],
    documents: dict[str, list[str]],
    problems: list[str],
) -> None:
    name = row["id"]
    if set(row) != QUESTION_KEYS:
        problems.append(f"{name}: keys {sorted(row)}")
    if row["kind"] not in KINDS:
        problems.append(f"{name}: unknown kind {row['kind']!r}")
    answers = row["answers"]
    if not answers or not all(isinstance(a, str) and a.strip() for a in answers):
        problems.append(f"{name}: no answer, or an empty one")
    if len(answers) != len(set(answers)):
        problems.append(f"{name}: an answer is listed twice")
    if row["kind"] == "yes-no" and answers not in (["yes"], ["no"]):
        problems.append(f"{name}: the answer is neither yes nor no")
    if row["kind"] != "yes-no":
        for answer in answers:
            if contains(row["question"], answer):
                problems.append(f"{name}: the question holds the answer {answer!r}")
    if not row["evidence"]:
        problems.append(f"{name}: no evidence")
    for item in row["evidence"]:
        quote, document = item["quote"], item["document"]
        if not any(quote in part for part in documents.get(document, [])):
            problems.append(f"{name}: quote not in {document}: {quote!r}")
        count = len(quote.split())
        if not QUOTE_WORDS[0] <= count <= QUOTE_WORDS[1]:
            problems.append(f"{name}: quote of {count} words: {quote!r}")
        if row["kind"] != "yes-no" and not any(a in quote for a in answers):
            problems.append(f"{name}: no answer in the quote {quote!r}")
    fact = ledger.get(row["fact"])
    if fact is None:
        problems.append(f"{name}: fact {row['fact']} is not in the ledger")
    elif set(fact["documents"]) != {e["document"] for e in row["evidence"]}:
        problems.append(f"{name}: evidence and ledger name different documents")


def check_unanswerable(row: dict, documents: dict[str, list[str]], problems: list[str]) -> None:
    name = row["id"]
    if set(row) != UNANSWERABLE_KEYS:
        problems.append(f"{name}: keys {sorted(row)}")
        return
    if row["answers"] or row["evidence"]:
        problems.append(f"{name}: unanswerable, but has answers or evidence")
    if row["reason"] not in REASONS:
        problems.append(f"{name}: unknown reason {row['reason']!r}")
    if row["document"] not in documents:
        problems.append(f"{name}: no document {row['document']}")
    if not re.fullmatch(r"u\d{3}", row["fact"]) or row["wording"] != 0:
        problems.append(f"{name}: not a single wording of a fact of the form u001")


def stratum_of(fact: dict, splits: list[str], problems: list[str]) -> str:
    """The stratum of a fact, from the splits of its three wordings."""
    outside = [d for d in fact["documents"] if d in UNTRAINED_DOCUMENTS]
    if "train" in splits:
        if splits not in (["train", "train", "test"], ["train", "train", "dev"]):
            problems.append(f"{fact['fact']}: wordings are split {splits}")
        if outside:
            problems.append(f"{fact['fact']}: trained, but stated in {outside}")
        return "trained-fact"
    if len(set(splits)) != 1:
        problems.append(f"{fact['fact']}: an untrained fact is split {splits}")
    if outside and len(outside) != len(fact["documents"]):
        problems.append(f"{fact['fact']}: stated in and outside untrained documents")
    return "untrained-document" if outside else "untrained-fact"


def check_questions(
    rows: list[dict],
    ledger: dict[str, dict],
    documents: dict[str, list[str]],
    problems: list[str],
) -> dict:
    ids = Counter(row["id"] for row in rows)
    problems += [f"{name}: id used {n} times" for name, n in ids.items() if n > 1]
    texts = Counter(normalised(row["question"]) for row in rows)
    problems += [f"question asked {n} times: {t!r}" for t, n in texts.items() if n > 1]

    families = defaultdict(list)
    unanswerable = Counter()
    tested = set()
    for row in rows:
        if row["split"] not in SPLITS:
            problems.append(f"{row['id']}: unknown split {row['split']!r}")
        if not row["question"].endswith("?") and not row["question"].endswith("."):
            problems.append(f"{row['id']}: question without an end mark")
        if row["kind"] == "unanswerable":
            check_unanswerable(row, documents, problems)
            unanswerable[row["fact"]] += 1
            continue
        check_answerable(row, ledger, documents, problems)
        families[row["fact"]].append(row)
        if row["split"] == "test":
            tested |= {e["document"] for e in row["evidence"]}

    for name, n in unanswerable.items():
        if n > 1:
            problems.append(f"{name}: {n} unanswerable questions share one fact")
    if len(unanswerable) < FEWEST_UNANSWERABLE:
        problems.append(f"only {len(unanswerable)} unanswerable questions")
    for name in documents:
        if name not in tested:
            problems.append(f"{name}: no test question")
    for name in UNTRAINED_DOCUMENTS:
        if name not in documents:
            problems.append(f"{name}: untrained document listed but not there")

    by_stratum = defaultdict(Counter)
    facts_by_stratum = defaultdict(Counter)
    for name, fact in ledger.items():
        family = sorted(families.get(name, []), key=lambda row: row["wording"])
        if [row["wording"] for row in family] != [0, 1, 2]:
            problems.append(f"{name}: wordings are not 0, 1, 2")
            continue
        if len({(r["kind"], tuple(r["answers"])) for r in family}) != 1:
            problems.append(f"{name}: kind or answers differ between wordings")
        splits = [row["split"] for row in family]
        stratum = stratum_of(fact, splits, problems)
        by_stratum[stratum].update(splits)
        facts_by_stratum[stratum][splits[2]] += 1
    by_stratum["unanswerable"].update(row["split"] for row in rows if row["kind"] == "unanswerable")
    return {
        "questions": len(rows),
        "questions_by_split": Counter(row["split"] for row in rows),
        "questions_by_stratum_and_split": by_stratum,
        "facts_by_stratum_and_held_out_split": facts_by_stratum,
        "questions_by_kind": Counter(row["kind"] for row in rows),
        "unanswerable_by_reason": Counter(row.get("reason") for row in rows if row["kind"] == "unanswerable"),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path(__file__).parent / "tarnbeck"
    parser.add_argument("domain", nargs="?", type=Path, default=default)
    domain = parser.parse_args().domain

    problems: list[str] = []
    documents = check_documents(domain / "corpus", problems)
    ledger = check_facts(read_jsonl(domain / "facts.jsonl", problems), documents, problems)
    rows = read_jsonl(domain / "questions.jsonl", problems)
    counts = {
        "documents": len(documents),
        "documents_by_format": Counter(Path(d).suffix[1:] for d in documents),
        "words": sum(word_count(parts) for parts in documents.values()),
        "facts": len(ledger),
        "facts_by_frequency": Counter(str(f["frequency"]) for f in ledger.values()),
        **check_questions(rows, ledger, documents, problems),
        "words_by_document": {d: word_count(p) for d, p in documents.items()},
        "problems": len(problems),
    }
    print(json.dumps(counts, indent=2, ensure_ascii=False))
    for problem in problems:
        print(f"problem: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
