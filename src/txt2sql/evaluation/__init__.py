"""Measuring predictors: `evaluate.evaluate`, one metric per file in `metrics`, intervals, reports."""
