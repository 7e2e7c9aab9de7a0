"""Answering people's questions: `service.Service` joins a database, a value index and a model."""
