"""Who generates: names and cards (catalog), Generators (hf, scripted), grammars and predictors.

Importing this package loads no torch; `txt2sql.models.hf` does.

    from txt2sql.models import catalog
    catalog.resolve("phi-2").hub_id
"""
