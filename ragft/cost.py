"""Measured seconds, tokens and memory, and stated prices -> what an arm costs.

C(Q, U, T) = S + U·T·u + Q·T·c: set-up S, u an update, c a question, U updates and Q questions a month over T months.
When two arms cost the same is in `breakeven`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import inf, pi

import numpy as np
from pydantic import Field

from ragft.errors import InputError
from ragft.stats import jackknife
from ragft.strict import Strict

SECONDS_PER_HOUR, MILLION = 3600, 1e6
MEDIAN = pi / 2  # variance of a median over that of a mean, for normal values


class Prices(Strict):
    """What the user states. The default price of an hour is a placeholder of the right size for a small rented machine: state your own.

    docs/costs.md says where the defaults come from, and what others pay for a GPU's hour.
    """

    currency: str = Field(default="EUR", description="Only a name; nothing is converted.")
    machine_per_hour: float = Field(default=0.10, ge=0, description="Of the machine that the run was measured on: rent, or a GPU's hour.")
    watts: float = Field(default=0, ge=0, description="What it draws while it works; 0 where the rent covers electricity.")
    electricity_per_kwh: float = Field(
        default=0.19, ge=0, description="The default is the EU's, non-household, first half of 2025 (Eurostat, October 2025)."
    )
    memory_per_gib_hour: float = Field(default=0, ge=0, description="Where memory is paid for on its own.")
    # None: no API, the machine answers or trains
    prompt_tokens_per_million: float | None = Field(
        default=None, ge=0, description="Of an API that answers instead of the machine, for a million tokens read."
    )
    completion_tokens_per_million: float | None = Field(default=None, ge=0, description="The same, for a million tokens written.")
    training_tokens_per_million: float | None = Field(
        default=None, ge=0, description="Of an API that trains instead of the machine, for a million tokens."
    )
    questions_per_month: float = Field(default=10_000, gt=0, description="Questions a month.")
    updates_per_month: float = Field(default=1, ge=0, description="How often a month the documents change and the arm is brought up to date.")
    months: float = Field(default=12, gt=0, description="Months over which costs are added up.")

    @property
    def supposed(self) -> tuple[str, ...]:
        """The price of an hour and the volumes that are ragft's own suppositions, for all that can be told."""
        names = ("machine_per_hour", "questions_per_month", "updates_per_month", "months")
        return tuple(name for name in names if getattr(self, name) == type(self).model_fields[name].default)

    def second(self, gib: float) -> float:
        """What a second of the machine costs while the work holds so much memory."""
        return (self.machine_per_hour + self.watts / 1000 * self.electricity_per_kwh + gib * self.memory_per_gib_hour) / SECONDS_PER_HOUR


@dataclass(frozen=True, slots=True)
class Measured:
    """A mean with the variance of that mean; df: its degrees of freedom, infinite for what is exact, 0 where the variance is unknown."""

    mean: float
    variance: float = 0.0
    df: float = inf

    def times(self, factor: float) -> Measured:
        """At a price; what costs nothing is exact, also where it was measured once."""
        if factor == 0:
            return Measured(0.0)
        return Measured(factor * self.mean, factor**2 * self.variance, self.df)

    def plus(self, other: Measured) -> Measured:
        """The sum of two independent ones (Satterthwaite)."""
        variance = self.variance + other.variance
        parts = [(one.variance, one.df) for one in (self, other) if one.variance or one.df <= 0]
        if any(df <= 0 for _, df in parts):
            return Measured(self.mean + other.mean, variance, 0.0)
        spread = sum(v**2 / df for v, df in parts)
        return Measured(self.mean + other.mean, variance, variance**2 / spread if spread else inf)


def measured(values: Sequence[float]) -> Measured:
    """The mean of independent measurements; of a single one the variance is unknown. Equal ones count as exact. Raises ValueError for none."""
    if len(values) == 0:
        raise ValueError("nothing was measured")
    found = np.asarray(values, dtype=float)
    if len(found) < 2:
        return Measured(float(found[0]), 0.0, 0.0)
    return Measured(float(found.mean()), float(found.var(ddof=1)) / len(found), len(found) - 1.0)


def timed_once(seconds: float, alike: Sequence[Measured]) -> Measured:
    """A single timing of work whose parts were timed several times elsewhere: it varies as one timing of them does, in proportion.

    `alike` are the means of those parts; where one of them was timed only once, nothing is known.
    """
    parts = [(part.variance * (part.df + 1), part.df) for part in alike if part.df < inf]
    total = sum(part.mean for part in alike)
    if total <= 0 or any(df <= 0 for _, df in parts):
        return Measured(seconds, 0.0, 0.0)
    variance = sum(one for one, _ in parts)
    spread = sum(one**2 / df for one, df in parts)
    return Measured(seconds, (seconds / total) ** 2 * variance, variance**2 / spread if spread else inf)


def measured_by_batch(values: Sequence[float], batches: Sequence[Hashable]) -> Measured:
    """A question's typical seconds: the median over questions, each with its share of the batch that it was answered in.

    What is estimated is the median of all such questions, not their mean: another program's load on some batches must not decide
    what an arm costs, and the interval of a mean misses it too often where such loads are rare (ragft validate). Its variance is
    that of the mean over batches left out in turn (jackknife), which does see that load, times π/2, the price of a median among
    normal values; among values with a long upper tail that is more than enough. Where about half of all batches are slowed down,
    the median lies in the gap between two speeds and the variance is too small. Raises ValueError for no values.
    """
    if len(values) == 0:
        raise ValueError("nothing was measured")
    found = np.asarray(values, dtype=float)
    spread = jackknife(found, batches)
    return Measured(float(np.median(found)), MEDIAN * spread.variance if spread.df else 0.0, spread.df)


@dataclass(frozen=True, slots=True)
class Metered:
    """What one arm took in this run."""

    setup_seconds: Measured  # index and one seed's training
    question_seconds: Measured  # with its passages searched for
    share_correct: float  # its mean score
    setup_gib: float = 0.0  # the most memory while it was built …
    answer_gib: float = 0.0  # … and while it answered
    training_tokens: float = 0.0  # of one seed
    prompt_tokens: float = 0.0  # a question
    completion_tokens: float = 0.0
    update_seconds: Measured | None = None  # by the update drill; None: as the set-up, a changed corpus is indexed and trained on anew
    index_seconds: Measured = Measured(0.0)  # the part of the set-up that stays on the machine where an API trains

    def setup(self, prices: Prices) -> Measured:
        """By an API the training's tokens and the index, else the seconds."""
        if not self._trained_by_api(prices):
            return self.setup_seconds.times(prices.second(self.setup_gib))
        tokens = Measured(self.training_tokens * (prices.training_tokens_per_million or 0.0) / MILLION)
        return tokens.plus(self.index_seconds.times(prices.second(self.setup_gib)))

    def update(self, prices: Prices) -> Measured:
        if self.update_seconds is None or self.updates_as_setup(prices):
            return self.setup(prices)
        return self.update_seconds.times(prices.second(self.setup_gib))

    def updates_as_setup(self, prices: Prices) -> bool:
        """Whether an update's cost is the set-up's measurement again, and not one of its own."""
        return self.update_seconds is None or self._trained_by_api(prices)

    def _trained_by_api(self, prices: Prices) -> bool:
        return self.training_tokens > 0 and prices.training_tokens_per_million is not None

    def priceable(self, prices: Prices) -> bool:
        """Whether answers have a cost: not where a price per token is stated and no tokens were counted."""
        by_token = prices.prompt_tokens_per_million is not None or prices.completion_tokens_per_million is not None
        return not by_token or self.prompt_tokens > 0 or self.completion_tokens > 0

    def question(self, prices: Prices) -> Measured:
        """Of a model behind an API the tokens, of one's own the seconds.

        Raises InputError where a price per token is stated, but no tokens were counted.
        """
        if prices.prompt_tokens_per_million is None and prices.completion_tokens_per_million is None:
            return self.question_seconds.times(prices.second(self.answer_gib))
        if self.prompt_tokens <= 0 and self.completion_tokens <= 0:
            raise InputError(
                "costs: prices per prompt or completion token are stated, but the tokens of an arm's answers were not counted. "
                "Leave out prompt_tokens_per_million and completion_tokens_per_million, or give every answer's tokens."
            )
        prompt = self.prompt_tokens * (prices.prompt_tokens_per_million or 0.0)
        return Measured((prompt + self.completion_tokens * (prices.completion_tokens_per_million or 0.0)) / MILLION)

    def over(self, prices: Prices) -> tuple[tuple[Measured, float], ...]:
        """The independent quantities that the horizon's total is made of, each with how often it is paid.

        An update that was not measured on its own is the set-up again, and then one quantity, not two.
        """
        updates, questions = prices.months * prices.updates_per_month, prices.months * prices.questions_per_month
        asked = (self.question(prices), questions)
        if self.updates_as_setup(prices):
            return (self.setup(prices), 1 + updates), asked
        return (self.setup(prices), 1.0), (self.update(prices), updates), asked


@dataclass(frozen=True, slots=True)
class ArmCost:
    """What one arm costs at the stated prices."""

    setup_seconds: float
    seconds_per_question: float
    setup: float
    update: float
    per_1000_questions: float
    per_correct_answer: float | None  # of answering alone, without set-up; None: no answer was right
    horizon_total: float


def arm_cost(metered: Metered, prices: Prices) -> ArmCost:
    """The cost of one arm."""
    setup, update, question = metered.setup(prices).mean, metered.update(prices).mean, metered.question(prices).mean
    return ArmCost(
        setup_seconds=metered.setup_seconds.mean,
        seconds_per_question=metered.question_seconds.mean,
        setup=setup,
        update=update,
        per_1000_questions=1000 * question,
        per_correct_answer=question / metered.share_correct if metered.share_correct > 0 else None,
        horizon_total=setup + prices.months * (prices.updates_per_month * update + prices.questions_per_month * question),
    )
