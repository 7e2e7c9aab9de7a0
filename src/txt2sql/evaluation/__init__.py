"""Measuring predictors: `evaluate.evaluate`, one metric per file in `metrics`, intervals, reports.

>>> from txt2sql.evaluation.statistics import wilson
>>> f"{wilson(75, 100).low:.3f}"
'0.657'
"""
