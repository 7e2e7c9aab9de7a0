"""Data synthesis: questions with SQL for any database that has contents.

Field's names: synthetic data for text-to-SQL, template-based generation (as in SyntaxSQLNet's
augmentation, Yu et al. 2018, and GraPPa, Yu et al. 2021). A shape of question is filled with parts of
the database; what came of it is run, and stays where it returns something.

    contents -> conditions (drafts) -> shapes -> produce
"""

from txt2sql.data.synthesis.produce import Pair, Report, Source, summary, synthesise, write_pairs

__all__ = ["Pair", "Report", "Source", "summary", "synthesise", "write_pairs"]
