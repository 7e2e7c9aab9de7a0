"""Models: names and cards (catalog), engines and the decoder over them, grammars, predictors, hosted models.

Importing this package loads no torch; `torch_engine`, `weights` and `ppm` do.
"""
