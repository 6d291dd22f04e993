"""What the report shows of each fine-tuning: one view for all its seeds and the arms that share it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from ragft import charts
from ragft.charts import Line
from ragft.material import Arm
from ragft.types import FitReport


@dataclass(frozen=True, slots=True)
class Adapter:
    """One fine-tuning as all its seeds, and the arms that share it."""

    arms: tuple[str, ...]
    arm: Arm
    fits: tuple[FitReport, ...]
    chart: str
    keys: list[tuple[str, str, str]]  # label, colour, dashes of each curve

    def mean(self, field: str) -> float | None:
        """The mean of a field of FitReport over the seeds that have weights; None: none has."""
        return fmean(getattr(fit, field) for fit in self.fits) if self.fits else None

    @property
    def estimated_seconds(self) -> float | None:
        return self._estimated("estimated_seconds")

    @property
    def estimated_peak_bytes(self) -> float | None:
        return self._estimated("estimated_peak_bytes")

    def _estimated(self, field: str) -> float | None:
        """The mean over seeds of what was expected before each; None: some seed has no estimate."""
        return None if any(getattr(fit, field) is None for fit in self.fits) or not self.fits else self.mean(field)

    @property
    def notes(self) -> list[str]:
        return list(dict.fromkeys(note for fit in self.fits for note in fit.notes))


def adapters(arms: Iterable[Arm]) -> list[Adapter]:
    """In the order of the arms."""
    groups: dict[tuple[str, ...], list[Arm]] = {}
    for arm in arms:
        if arm.tuning:
            groups.setdefault(tuple(arm.built[seed]["adapter"]["folder"] for seed in arm.seeds), []).append(arm)
    return [_adapter(group) for group in groups.values()]


def _adapter(arms: Sequence[Arm]) -> Adapter:
    arm, names = arms[0], tuple(arm.name for arm in arms)
    fits = {seed: fit for seed in arm.seeds if (fit := arm.fit("adapter", seed))}
    curves = [Line(f"seed {seed}", charts.smooth(fit.loss, max(1, len(fit.loss) // 12))) for seed, fit in fits.items() if fit.loss]
    title = f"Training loss of {', '.join(names)}."
    chart = charts.line_chart(curves, title=title, x_unit="training tokens", y_unit="loss, nats a label token") if curves else ""
    return Adapter(names, arm, tuple(fits.values()), chart, charts.line_keys(curves))
