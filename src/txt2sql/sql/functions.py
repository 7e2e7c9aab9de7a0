"""The functions that a statement may call: one table for the grammar, the guards and the translation.

Every built-in function of SQLite that only computes: scalar, date, aggregate and window functions. Left
out is what reaches outside the database (load_extension, readfile), what tells of the program instead of
the data (changes, sqlite_version), and what only makes large values (zeroblob, randomblob). What a call
can still make large, as replace() and printf() can, ends at the cell and memory limits of execution.
Source: sqlite.org/lang_corefunc, lang_aggfunc, lang_datefunc, lang_mathfunc, windowfunctions, json1.

>>> FUNCTIONS["round"].max_args, FUNCTIONS["sum"].aggregate, FUNCTIONS["rank"].window
(2, True, True)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

MANY = 100
"""As many arguments as SQLite takes."""


@dataclass(frozen=True, slots=True)
class Function:
    """One function of SQLite; its name is in lower case."""

    name: str
    min_args: int
    max_args: int
    aggregate: bool = False
    """Takes the rows of a group: it may have DISTINCT (with one argument), FILTER and OVER. min() and
    max() do with one argument, and are scalar functions with more."""
    window: bool = False
    """Is called with OVER, and never without."""
    kind: str = ""
    """What it gives: "integer", "number", "text", or "time" for the text of a date; "" where that
    depends on its arguments."""
    volatile: bool = False
    """Another value at each call, or on each day."""
    bare: bool = False
    """Is written without parentheses."""
    since: tuple[int, int] = (3, 25)
    """The version of SQLite that has it."""
    forms: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Dialect -> what says the same there, with `_0` and `_1` for the arguments, where sqlglot and the
    rules of translation have no answer of their own."""


_ENTRIES = (
    # ------------------------------------------------------------------------------- aggregates
    Function("avg", 1, 1, aggregate=True, kind="number"),
    Function("count", 0, 1, aggregate=True, kind="integer"),
    Function("group_concat", 1, 2, aggregate=True, kind="text"),
    Function("max", 1, MANY, aggregate=True),
    Function("min", 1, MANY, aggregate=True),
    Function("string_agg", 2, 2, aggregate=True, kind="text", since=(3, 44)),
    Function("sum", 1, 1, aggregate=True),
    Function("total", 1, 1, aggregate=True, kind="number"),
    Function("json_group_array", 1, 1, aggregate=True, kind="text", since=(3, 38)),
    Function("json_group_object", 2, 2, aggregate=True, kind="text", since=(3, 38)),
    # ---------------------------------------------------------------------------------- windows
    Function("cume_dist", 0, 0, window=True, kind="number"),
    Function("dense_rank", 0, 0, window=True, kind="integer"),
    Function("first_value", 1, 1, window=True),
    Function("lag", 1, 3, window=True),
    Function("last_value", 1, 1, window=True),
    Function("lead", 1, 3, window=True),
    Function("nth_value", 2, 2, window=True),
    Function("ntile", 1, 1, window=True, kind="integer"),
    Function("percent_rank", 0, 0, window=True, kind="number"),
    Function("rank", 0, 0, window=True, kind="integer"),
    Function("row_number", 0, 0, window=True, kind="integer"),
    # ------------------------------------------------------------------------ dates and times
    Function("current_date", 0, 0, kind="time", volatile=True, bare=True),
    Function("current_time", 0, 0, kind="time", volatile=True, bare=True),
    Function("current_timestamp", 0, 0, kind="time", volatile=True, bare=True),
    Function("date", 0, MANY, kind="time", volatile=True),
    Function("datetime", 0, MANY, kind="time", volatile=True),
    Function("julianday", 0, MANY, kind="number", volatile=True),
    Function("strftime", 1, MANY, kind="text", volatile=True),
    Function("time", 0, MANY, kind="time", volatile=True),
    Function("timediff", 2, 2, kind="text", volatile=True, since=(3, 43)),
    Function("unixepoch", 0, MANY, kind="integer", volatile=True, since=(3, 38)),
    # ------------------------------------------------------------------- choices and NULL
    Function("coalesce", 2, MANY),
    Function("ifnull", 2, 2),
    Function("iif", 3, 3, since=(3, 32)),
    Function("nullif", 2, 2),
    Function("typeof", 1, 1, kind="text"),
    # --------------------------------------------------------------------------------- numbers
    Function("abs", 1, 1),
    Function("random", 0, 0, kind="integer", volatile=True),
    Function("round", 1, 2, kind="number"),
    Function("sign", 1, 1, kind="integer", since=(3, 35)),
    Function("acos", 1, 1, kind="number", since=(3, 35)),
    Function("acosh", 1, 1, kind="number", since=(3, 35)),
    Function("asin", 1, 1, kind="number", since=(3, 35)),
    Function("asinh", 1, 1, kind="number", since=(3, 35)),
    Function("atan", 1, 1, kind="number", since=(3, 35)),
    Function("atan2", 2, 2, kind="number", since=(3, 35)),
    Function("atanh", 1, 1, kind="number", since=(3, 35)),
    Function("ceil", 1, 1, since=(3, 35)),
    Function("ceiling", 1, 1, since=(3, 35)),
    Function("cos", 1, 1, kind="number", since=(3, 35)),
    Function("cosh", 1, 1, kind="number", since=(3, 35)),
    Function("degrees", 1, 1, kind="number", since=(3, 35)),
    Function("exp", 1, 1, kind="number", since=(3, 35)),
    Function("floor", 1, 1, since=(3, 35)),
    Function("ln", 1, 1, kind="number", since=(3, 35)),
    Function("log", 1, 2, kind="number", since=(3, 35)),
    Function("log10", 1, 1, kind="number", since=(3, 35)),
    Function("log2", 1, 1, kind="number", since=(3, 35)),
    Function("mod", 2, 2, kind="number", since=(3, 35)),
    Function("pi", 0, 0, kind="number", since=(3, 35)),
    Function("pow", 2, 2, kind="number", since=(3, 35)),
    Function("power", 2, 2, kind="number", since=(3, 35)),
    Function("radians", 1, 1, kind="number", since=(3, 35)),
    Function("sin", 1, 1, kind="number", since=(3, 35)),
    Function("sinh", 1, 1, kind="number", since=(3, 35)),
    Function("sqrt", 1, 1, kind="number", since=(3, 35)),
    Function("tan", 1, 1, kind="number", since=(3, 35)),
    Function("tanh", 1, 1, kind="number", since=(3, 35)),
    Function("trunc", 1, 1, since=(3, 35)),
    # ------------------------------------------------------------------------------------ text
    Function("char", 0, MANY, kind="text"),
    Function("concat", 1, MANY, kind="text", since=(3, 44)),
    Function("concat_ws", 2, MANY, kind="text", since=(3, 44)),
    Function("format", 1, MANY, kind="text", since=(3, 38)),
    Function("glob", 2, 2, kind="integer"),
    Function(
        "hex",
        1,
        1,
        kind="text",
        forms={"postgres": "UPPER(ENCODE(CONVERT_TO(CAST(_0 AS TEXT), 'UTF8'), 'hex'))"},
    ),
    Function("instr", 2, 2, kind="integer"),
    Function("length", 1, 1, kind="integer"),
    Function("like", 2, 3, kind="integer"),
    Function("lower", 1, 1, kind="text"),
    Function("ltrim", 1, 2, kind="text"),
    Function("octet_length", 1, 1, kind="integer", since=(3, 43)),
    Function("printf", 1, MANY, kind="text"),
    Function("quote", 1, 1, kind="text"),
    Function("replace", 3, 3, kind="text"),
    Function("rtrim", 1, 2, kind="text"),
    Function("substr", 2, 3, kind="text"),
    Function("substring", 2, 3, kind="text", since=(3, 34)),
    Function("trim", 1, 2, kind="text"),
    Function("unhex", 1, 2, since=(3, 41)),
    Function("unicode", 1, 1, kind="integer"),
    Function("upper", 1, 1, kind="text"),
    # ------------------------------------------------------------------------------------ JSON
    Function("json", 1, 1, kind="text", since=(3, 38)),
    Function("json_array", 0, MANY, kind="text", since=(3, 38)),
    Function("json_array_length", 1, 2, kind="integer", since=(3, 38)),
    Function("json_extract", 2, MANY, since=(3, 38)),
    Function("json_object", 0, MANY, kind="text", since=(3, 38)),
    Function("json_quote", 1, 1, kind="text", since=(3, 38)),
    Function("json_type", 1, 2, kind="text", since=(3, 38)),
    Function("json_valid", 1, 1, kind="integer", since=(3, 38)),
)

FUNCTIONS: Mapping[str, Function] = MappingProxyType({entry.name: entry for entry in _ENTRIES})
"""By name, in lower case."""

MYSQL_FUNCTIONS = frozenset(
    # numbers
    "abs acos asin atan atan2 ceil ceiling conv cos cot crc32 degrees exp floor format ln log log10 "
    "log2 mod pi pow power radians rand round sign sin sqrt tan truncate "
    # text
    "ascii bin bit_length char_length character_length concat concat_ws elt field find_in_set hex "
    "insert instr lcase left length locate lower lpad ltrim mid oct octet_length ord position quote "
    "regexp_instr regexp_like regexp_replace regexp_substr replace reverse right rpad rtrim soundex "
    "strcmp substr substring substring_index trim ucase unhex upper convert "
    "md5 sha sha1 sha2 to_base64 from_base64 uuid "
    # dates
    "adddate addtime curdate current_date current_time current_timestamp curtime date date_add "
    "date_format date_sub datediff day dayname dayofmonth dayofweek dayofyear from_days from_unixtime "
    "hour last_day localtime localtimestamp makedate maketime microsecond minute month monthname now "
    "period_add period_diff quarter sec_to_time second str_to_date subdate subtime time time_format "
    "time_to_sec timediff timestamp timestampadd timestampdiff to_days to_seconds unix_timestamp "
    "utc_date utc_time utc_timestamp week weekday weekofyear year yearweek "
    # choices and conversions
    "cast coalesce greatest if ifnull interval isnull least nullif "
    # aggregates and windows
    "any_value avg bit_and bit_or bit_xor count group_concat json_arrayagg json_objectagg max min std "
    "stddev stddev_pop stddev_samp sum var_pop var_samp variance cume_dist dense_rank first_value lag "
    "last_value lead median nth_value ntile percent_rank percentile_cont percentile_disc rank row_number "
    # JSON
    "json_array json_contains json_depth json_exists json_extract json_keys json_length json_object "
    "json_query json_quote json_search json_type json_unquote json_valid json_value "
    # words that a parenthesis may follow
    "against binary bit decimal double integer match rollup signed unsigned".split()
)
"""What MySQL and MariaDB have that only computes: what reads a file, sleeps, locks, writes a variable or
tells of the server is not among them. PostgreSQL and DuckDB say in their catalogues what a function does
(execution/engines)."""
