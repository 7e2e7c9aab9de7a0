"""SQL as text: found in a completion, judged by its shape, brought into one form.

This folder is the only importer of sqlglot, and imports it inside functions: `import txt2sql.sql`
costs nothing.

>>> from txt2sql.sql import extract_sql
>>> extract_sql("Sure! The query is: SELECT name FROM singer; It lists them.")
'SELECT name FROM singer'
"""

from txt2sql.sql.text import extract_sql, is_ordered, is_statement, normalise

__all__ = ["extract_sql", "is_ordered", "is_statement", "normalise"]
