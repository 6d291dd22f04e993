"""Metrics: one answer and its gold -> a number, or None where the metric does not apply. Never a silent zero."""
