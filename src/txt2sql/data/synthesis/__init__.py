"""Data synthesis: questions with SQL for any database that has contents.

Field's names: synthetic data for text-to-SQL, template-based generation, back-translation (as in
GraPPa, Yu et al. 2021; SyntaxSQLNet's augmentation, Yu et al. 2018; SQL-to-question of Wu et al.
2021). A shape of query, mined from Spider's training split or sampled from a grammar, is filled from
the schema and rows of the database, written as SQL, executed, and put into words by templates.

    shape -> fill -> write -> execute
                 \\-> questions          -> produce -> report
                                           \\-> rewriting (by a model, kept if it leads back)

>>> pairs, report = synthesise([Source(database, database.schema())], 100)  # doctest: +SKIP
>>> pairs[0].question, pairs[0].sql  # doctest: +SKIP
('How many shops are there?', 'SELECT count(*) FROM shop')
"""

from txt2sql.data.synthesis.produce import Pair, Report, Source, synthesise
from txt2sql.data.synthesis.report import summary, write_pairs
from txt2sql.data.synthesis.rewriting import rewrite

__all__ = ["Pair", "Report", "Source", "rewrite", "summary", "synthesise", "write_pairs"]
