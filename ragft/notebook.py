"""What a notebook shows for a domain, a study, a comparison and a verdict: small HTML, in which every text is escaped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from ragft.numbers import percent, signed, span

if TYPE_CHECKING:
    from ragft.comparison import Comparison
    from ragft.decide import Decision
    from ragft.domain import Domain
    from ragft.settings import Study

NONE = "–"
SHOWN = 3  # reasons at most, beside the headline of a run
CELL = Markup('<{tag} style="text-align:{side};padding:0.2em 0.8em">{}</{tag}>')
SPLITS = ("train", "dev", "test")


def verdict(found: Comparison, decision: Decision, report: Path | None = None) -> str:
    """The verdict with its first reasons and the arms; where its report is."""
    parts = [_head(decision), _bullets("", decision.because[:SHOWN]), _arms(found, decision.recommend)]
    counts = (("more reason", len(decision.because) - SHOWN), ("warning", len(decision.warnings)))
    more = [f"{number} {what}{'s' * (number > 1)}" for what, number in counts if number > 0]
    if more:
        parts.append(Markup("<p>{}: <code>result.decision</code></p>").format(" and ".join(more)))
    if report:
        parts.append(Markup("<p>Report: <code>{}</code></p>").format(report))
    return _joined(parts)


def decision(found: Decision) -> str:
    """The verdict with everything that is said about it."""
    scope = f"Holds for {found.model}, metric {found.metric}, margin {100 * found.margin:g} points, alpha {found.alpha:g} one-sided."
    return _joined(
        [
            _head(found),
            Markup("<p>{}</p>").format(scope),
            _bullets("Because", found.because),
            _bullets("Would change if", found.would_change_if),
            _bullets("Ruled out", [f"{arm}: {'; '.join(unmet)}" for arm, unmet in found.excluded.items()]),
            _bullets("Needs that are not settled", [f"{arm}: {'; '.join(waiting)}" for arm, waiting in found.open_needs.items()]),
            _bullets("Mind", found.warnings),
        ]
    )


def comparison(found: Comparison) -> str:
    """The arms, and each challenger minus the reference."""
    rows = [(d.arm, signed(d.estimate.mean), span(d.low, d.high), str(d.estimate.n)) for d in found.challengers]
    head = (f"arm minus {found.reference}", "points", "interval, all at once", "questions")
    return _joined([_arms(found, None), _table(head, rows), _bullets("Mind", found.warnings)])


def domain(found: Domain) -> str:
    """How much there is of it, by split and by what training covers, and what a reader should know."""
    strata = dict.fromkeys(gold.stratum for gold in found.gold.values())
    counted = Counter((str(gold.split), gold.stratum) for gold in found.gold.values())
    rows = [(split, *(str(counted[split, stratum]) for stratum in strata)) for split in SPLITS]
    head = Markup("<p><b>{}</b>: {:,} documents, {:,} questions ({})</p>").format(
        found.name, len(found.documents), len(found.questions), found.language
    )
    return _joined([head, _table(("questions", *strata), rows), _bullets("Mind", found.notes)])


def study(found: Study) -> str:
    """Its arms by what fills their slots, and every setting that is not the default."""
    arms = [
        (name, arm.system or arm.retriever or NONE, str(arm.k or found.k) if arm.retriever else NONE, arm.tuning or NONE, arm.format or NONE)
        for name, arm in found.arms.items()
    ]
    changed = found.model_dump(exclude_defaults=True, exclude={"arms", "domain", "plugins"})
    files = {"domain": Path(found.domain).name, **({"plugins": ", ".join(Path(one).name for one in found.plugins)} if found.plugins else {})}
    settings = Markup("<p>{}</p>").format(", ".join(f"{name}: {value}" for name, value in {**files, **changed}.items()))
    return _joined([settings, _table(("arm", "retriever or system", "k", "tuning", "format"), arms)])


# ── pieces ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _head(found: Decision) -> Markup:
    return Markup("<p><b>{}</b><br>{} (recommended: {})</p>").format(found.headline, found.verdict, found.recommend)


def _arms(found: Comparison, recommend: str | None) -> Markup:
    rows = [
        (
            f"{row.name} ◂" if row.name == recommend else row.name,
            percent(row.estimate.mean, 1),
            NONE if row.low is None or row.high is None else f"{100 * row.low:.1f} to {100 * row.high:.1f}",
            " · ".join(f"{100 * mean:.1f}" for mean in row.seed_means) if len(row.seed_means) > 1 else NONE,
        )
        for row in found.arms
    ]
    return _table(("arm", found.metric, "95 % interval", "by seed"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    """The first column flush left, all others right."""

    def line(tag: str, cells: Sequence[str]) -> Markup:
        made = (CELL.format(cell, tag=tag, side="right" if place else "left") for place, cell in enumerate(cells))
        return Markup("<tr>{}</tr>").format(Markup("").join(made))

    return Markup("<table><thead>{}</thead><tbody>{}</tbody></table>").format(line("th", head), Markup("").join(line("td", row) for row in rows))


def _bullets(title: str, sentences: Sequence[str]) -> Markup:
    if not sentences:
        return Markup("")
    items = Markup("").join(Markup("<li>{}</li>").format(sentence) for sentence in sentences)
    return (Markup("<p><b>{}</b></p>").format(title) if title else Markup("")) + Markup("<ul>{}</ul>").format(items)


def _joined(parts: Iterable[Markup]) -> str:
    return str(Markup("<div>{}</div>").format(Markup("").join(map(escape, parts))))
