"""Data synthesis: questions with SQL for any database that has contents.

Template-based generation (as in SyntaxSQLNet's augmentation, Yu et al. 2018, and GraPPa, Yu et al.
2021): a shape of question is filled with parts of the database, and stays where it returns something.
"""

from txt2sql.data.synthesis.produce import Pair, Report, Source, summary, synthesise, write_pairs

__all__ = ["Pair", "Report", "Source", "summary", "synthesise", "write_pairs"]
