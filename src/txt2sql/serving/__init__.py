"""Answering people's questions: `service.Service` joins a database, a value index and a model.

>>> from txt2sql.serving.service import Service  # doctest: +SKIP
"""
