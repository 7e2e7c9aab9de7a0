"""The functions that a statement may call: one table for the grammar, the guards and the translation.

Every built-in function of SQLite that only computes. Left out is what reaches outside the database
(load_extension, readfile), what tells of the program instead of the data (changes, sqlite_version), and
what only makes large values (zeroblob, randomblob). What a call can still make large, as replace() and
printf() can, ends at the cell and memory limits of execution. Source: sqlite.org/lang_corefunc etc.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

MANY = 100
"""As many arguments as SQLite takes."""


@dataclass(frozen=True, slots=True)
class Function:
    """One function of SQLite; its name is in lower case.

    An `aggregate` takes the rows of a group: it may have DISTINCT (with one argument), FILTER and OVER;
    min() and max() are aggregates with one argument only. A `window` function is called with OVER, and
    never without. `kind` is what it gives: "integer", "number", "text", or "time" for the text of a
    date; "" where that depends on its arguments. A `volatile` one gives another value at each call, or
    on each day; a `bare` one is written without parentheses. SQLite has it `since` a version.
    """

    name: str
    min_args: int
    max_args: int
    kind: str = ""
    since: tuple[int, int] = (3, 25)
    aggregate: bool = False
    window: bool = False
    volatile: bool = False
    bare: bool = False


def _each(names: str, *args: Any, **more: Any) -> Iterator[Function]:
    return (Function(name, *args, **more) for name in names.split())


_MATHS, _JSON = (3, 35), (3, 38)
_ENTRIES = (
    *_each("avg total", 1, 1, "number", aggregate=True),
    *_each("count", 0, 1, "integer", aggregate=True),
    *_each("group_concat", 1, 2, "text", aggregate=True),
    *_each("max min", 1, MANY, aggregate=True),
    *_each("string_agg", 2, 2, "text", (3, 44), aggregate=True),
    *_each("sum", 1, 1, aggregate=True),
    *_each("json_group_array", 1, 1, "text", _JSON, aggregate=True),
    *_each("json_group_object", 2, 2, "text", _JSON, aggregate=True),
    # windows
    *_each("cume_dist percent_rank", 0, 0, "number", window=True),
    *_each("dense_rank rank row_number", 0, 0, "integer", window=True),
    *_each("first_value last_value", 1, 1, window=True),
    *_each("lag lead", 1, 3, window=True),
    *_each("nth_value", 2, 2, window=True),
    *_each("ntile", 1, 1, "integer", window=True),
    # dates and times
    *_each("current_date current_time current_timestamp", 0, 0, "time", volatile=True, bare=True),
    *_each("date datetime time", 0, MANY, "time", volatile=True),
    *_each("julianday", 0, MANY, "number", volatile=True),
    *_each("strftime", 1, MANY, "text", volatile=True),
    *_each("timediff", 2, 2, "text", (3, 43), volatile=True),
    *_each("unixepoch", 0, MANY, "integer", _JSON, volatile=True),
    # choices and NULL
    *_each("coalesce", 2, MANY),
    *_each("ifnull nullif", 2, 2),
    *_each("iif", 3, 3, since=(3, 32)),
    *_each("typeof", 1, 1, "text"),
    # numbers
    *_each("abs", 1, 1),
    *_each("random", 0, 0, "integer", volatile=True),
    *_each("round", 1, 2, "number"),
    *_each("sign", 1, 1, "integer", _MATHS),
    *_each("ceil ceiling floor trunc", 1, 1, since=_MATHS),
    *_each("acos acosh asin asinh atan atanh cos cosh degrees exp", 1, 1, "number", _MATHS),
    *_each("ln log10 log2 radians sin sinh sqrt tan tanh", 1, 1, "number", _MATHS),
    *_each("log", 1, 2, "number", _MATHS),
    *_each("atan2 mod pow power", 2, 2, "number", _MATHS),
    *_each("pi", 0, 0, "number", _MATHS),
    # text
    *_each("hex lower quote upper", 1, 1, "text"),
    *_each("ltrim rtrim trim", 1, 2, "text"),
    *_each("substr", 2, 3, "text"),
    *_each("substring", 2, 3, "text", (3, 34)),
    *_each("replace", 3, 3, "text"),
    *_each("char", 0, MANY, "text"),
    *_each("printf", 1, MANY, "text"),
    *_each("format", 1, MANY, "text", _JSON),
    *_each("concat", 1, MANY, "text", (3, 44)),
    *_each("concat_ws", 2, MANY, "text", (3, 44)),
    *_each("glob instr", 2, 2, "integer"),
    *_each("like", 2, 3, "integer"),
    *_each("length unicode", 1, 1, "integer"),
    *_each("octet_length", 1, 1, "integer", (3, 43)),
    *_each("unhex", 1, 2, since=(3, 41)),
    # JSON
    *_each("json json_quote", 1, 1, "text", _JSON),
    *_each("json_array json_object", 0, MANY, "text", _JSON),
    *_each("json_extract", 2, MANY, since=_JSON),
    *_each("json_type", 1, 2, "text", _JSON),
    *_each("json_array_length", 1, 2, "integer", _JSON),
    *_each("json_valid", 1, 1, "integer", _JSON),
)

FUNCTIONS: Mapping[str, Function] = MappingProxyType({entry.name: entry for entry in _ENTRIES})
"""By name, in lower case."""

MYSQL_FUNCTIONS = frozenset(
    "abs acos asin atan atan2 ceil ceiling conv cos cot crc32 degrees exp floor format ln log "
    "log10 log2 mod pi pow power radians rand round sign sin sqrt tan truncate ascii bin "
    "bit_length char_length character_length concat concat_ws elt field find_in_set hex insert "
    "instr lcase left length locate lower lpad ltrim mid oct octet_length ord position quote "
    "regexp_instr regexp_like regexp_replace regexp_substr replace reverse right rpad rtrim "
    "soundex strcmp substr substring substring_index trim ucase unhex upper convert md5 sha sha1 "
    "sha2 to_base64 from_base64 uuid adddate addtime curdate current_date current_time "
    "current_timestamp curtime date date_add date_format date_sub datediff day dayname dayofmonth "
    "dayofweek dayofyear from_days from_unixtime hour last_day localtime localtimestamp makedate "
    "maketime microsecond minute month monthname now period_add period_diff quarter sec_to_time "
    "second str_to_date subdate subtime time time_format time_to_sec timediff timestamp "
    "timestampadd timestampdiff to_days to_seconds unix_timestamp utc_date utc_time utc_timestamp "
    "week weekday weekofyear year yearweek cast coalesce greatest if ifnull interval isnull least "
    "nullif any_value avg bit_and bit_or bit_xor count group_concat json_arrayagg json_objectagg "
    "max min std stddev stddev_pop stddev_samp sum var_pop var_samp variance cume_dist dense_rank "
    "first_value lag last_value lead median nth_value ntile percent_rank percentile_cont "
    "percentile_disc rank row_number json_array json_contains json_depth json_exists json_extract "
    "json_keys json_length json_object json_query json_quote json_search json_type json_unquote "
    "json_valid json_value against binary bit decimal double integer match rollup signed unsigned".split()
)
"""What MySQL and MariaDB have that only computes: what reads a file, sleeps, locks, writes a variable or
tells of the server is not among them. PostgreSQL and DuckDB say in their catalogues what a function does
(execution/engines)."""
