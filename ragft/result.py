"""What is left of a study when it is done: a run's verdict, its scores as frames, its chart and its report.

result = load_result("runs/2026-01-31-manuals-1f2e3d4c5b6a")
result.decision.verdict, result.comparison.frame, result.scores, result.plot()
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ragft import notebook, pictures, scored, scoring, views
from ragft.charts import Chart
from ragft.comparison import Comparison
from ragft.decide import Decision
from ragft.store import Run, find_run, read_record

if TYPE_CHECKING:
    import pandas as pd

RUNS = ("run", "began", "status", "questions", "verdict", "recommend")


@dataclass(frozen=True, repr=False)
class Result:
    """A finished study. `print(result)` is what `ragft show` prints."""

    run: Run
    decision: Decision
    comparison: Comparison

    @property
    def scores(self) -> pd.DataFrame:
        """One row per arm, seed and question: what the question is, how the answer came out, and a column for each metric. NaN: not applicable."""
        return scoring.scores_frame(self.run)

    @property
    def report(self) -> Path:
        """The report, one HTML file that opens offline."""
        return self.run.folder / "report.html"

    def score_table(self, metric: str | None = None) -> pd.DataFrame:
        """The scores by one metric, the study's unless named, as `decide_scores` takes them: with the columns of docs/scores.md."""
        return scored.score_frame(self.run, metric or self.decision.metric)

    def plot(self, what: str = "arms") -> Chart:
        """A chart: "arms", each with its interval, or "differences" from the reference. Raises InputError for another name."""
        return pictures.plot(self.comparison, self.decision.recommend, what)

    def __repr__(self) -> str:
        return f"Result({str(self.run.folder)!r}: {self.decision.verdict}, {self.decision.recommend})"

    def __str__(self) -> str:
        return views.result_text(self)

    def _repr_html_(self) -> str:
        return notebook.verdict(self.comparison, self.decision, self.report)


def load_result(folder: Run | Path | str) -> Result:
    """A run's result as stored. Raises MissingError for a run that has not come to a verdict."""
    found = folder if isinstance(folder, Run) else find_run(folder)
    return Result(found, read_record(Decision, found.folder / "decision.json"), read_record(Comparison, found.folder / "comparison.json"))


def list_runs(runs: Path | str = "runs") -> pd.DataFrame:
    """The runs of a folder, newest first: where each is, when it began, its status, its test questions and its verdict."""
    import pandas as pd

    return pd.DataFrame(views.runs_json(Path(runs)), columns=list(RUNS))
