"""The error tree. Expected failures (bad SQL, a timeout) are values; these are broken set-ups.

Every message says what to do. The command line prints it as one sentence and exits with 1.

    Text2SQLError
    ├── ConfigError          a config file or option that does not fit
    ├── DataError            a data set that is missing, damaged or in another layout
    │   └── DownloadError    a download that could not be completed or verified
    ├── DatabaseError        a database that is missing, unreadable or not a database
    ├── ModelError           a model that is unknown, missing or damaged
    └── PromptError          a question that cannot be rendered

>>> raise DatabaseError("no file 'x.sqlite'; give --db the path of a SQLite database")
Traceback (most recent call last):
...
txt2sql.errors.DatabaseError: no file 'x.sqlite'; give --db the path of a SQLite database
"""


class Text2SQLError(Exception):
    """Parent of every error that a user can mend."""


class ConfigError(Text2SQLError):
    """A config file or option that does not fit."""


class DataError(Text2SQLError):
    """A data set that is missing, damaged or in another layout."""


class DownloadError(DataError):
    """A download that could not be completed or verified."""


class DatabaseError(Text2SQLError):
    """A database that is missing, unreadable or not a database."""


class ModelError(Text2SQLError):
    """A model that is unknown, missing or damaged."""


class PromptError(Text2SQLError):
    """A question that cannot be rendered."""
