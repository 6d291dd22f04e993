"""What was measured of an arm besides its score, each with one-sided bounds: a share, seconds waited, a mean, an exact figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np
from scipy.special import nctdtrit, ndtri

from ragft import stats

Bounds = tuple[float | None, float | None]
P95 = 0.95


@dataclass(frozen=True, slots=True)
class Fixed:
    """A figure taken as it stands."""

    value: float

    def bounds(self, alpha: float) -> Bounds:
        return self.value, self.value


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of `n` questions; an arm's seeds are averaged by question, so it is about the models that were trained here."""

    value: float
    n: int
    se: float = 0.0  # by document
    df: float = 0.0  # of its t distribution; 0: of too few documents for one

    def bounds(self, alpha: float) -> Bounds:
        """Clopper and Pearson's (1934), which hold for few questions and for none that count, or by document where those are wider."""
        low, high = stats.exact_bounds(self.value * self.n, self.n, alpha)
        if low is None or high is None or self.df <= 0:
            return low, high
        half = stats.t_quantile(alpha, self.df) * self.se
        return max(0.0, min(low, self.value - half)), min(1.0, max(high, self.value + half))


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean with a t distribution."""

    value: float
    se: float
    df: float  # 0: no bounds

    def bounds(self, alpha: float) -> Bounds:
        if self.df <= 0:
            return None, None
        half = stats.t_quantile(alpha, self.df) * self.se
        return self.value - half, self.value + half


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds that questions took which were asked one at a time; the value is what one in twenty exceeds."""

    seconds: tuple[float, ...]

    @property
    def value(self) -> float:
        return float(np.quantile(self.seconds, P95))

    def bounds(self, alpha: float) -> Bounds:
        """Of the 95th percentile, times being log-normal: the one-sided tolerance limits by the noncentral t (Hahn and Meeker 1991, 4.4)."""
        n, logs = len(self.seconds), np.log(np.maximum(self.seconds, 1e-9))
        if n < 2:
            return None, None
        mean, sd, shift = float(logs.mean()), float(logs.std(ddof=1)), float(ndtri(P95)) * sqrt(n)
        low, high = (exp(mean + float(nctdtrit(n - 1, shift, p)) * sd / sqrt(n)) for p in (alpha, 1 - alpha))
        return low, high


Quantity = Fixed | Rate | Mean | Waits


def rate(values: np.ndarray, documents: Sequence[str]) -> Rate | None:
    """The share of a matrix (seeds, questions) of 0 and 1, NaN = does not apply; None where it applies to no question in every seed."""
    applies = ~np.isnan(values).any(axis=0)
    if not applies.any():
        return None
    found = stats.clustered_mean(values[:, applies].mean(axis=0), [document for document, kept in zip(documents, applies, strict=True) if kept])
    return Rate(found.mean, found.n, found.se, found.df)


def none_of(limit: float, alpha: float) -> int:
    """How many questions, none of which count, show that a share is at most `limit`."""
    return int(np.ceil(log(alpha) / log(1 - limit))) if 0 < limit < 1 else 0
