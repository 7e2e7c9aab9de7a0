"""Data synthesis: questions with SQL for any database that has contents.

Field's names: synthetic data for text-to-SQL, template-based generation (as in SyntaxSQLNet's
augmentation, Yu et al. 2018, and GraPPa, Yu et al. 2021). A kind of question is composed of parts
(subject, conditions, measure, dimension), each with its SQL and its words; what was composed is run,
and kept where it returns something.

    contents -> query, conditions, parts -> questions -> produce

>>> pairs, report = synthesise([Source(database, database.schema())], 100)  # doctest: +SKIP
>>> pairs[0].question, pairs[0].sql  # doctest: +SKIP
('orders per month', "SELECT STRFTIME('%Y-%m', day) AS month, COUNT(*) FROM orders GROUP BY month")
"""

from txt2sql.data.synthesis.produce import Pair, Report, Source, summary, synthesise, write_pairs

__all__ = ["Pair", "Report", "Source", "summary", "synthesise", "write_pairs"]
