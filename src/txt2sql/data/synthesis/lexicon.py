"""Words by meaning: what people say for comparing, aggregating and ranking the columns of databases.

Each entry is a text of alternatives, split at "|"; repeating one makes it more frequent.

>>> superlative("age", descending=True)
'oldest'
"""

from __future__ import annotations

SYNONYMS = {
    "salary": "pay|wage", "price": "cost", "cost": "price", "country": "nation", "city": "town",
    "location": "place", "phone number": "telephone number|phone", "birthday": "date of birth",
    "date of birth": "birthday|birth date", "hometown": "home town", "gender": "sex",
    "sex": "gender", "nationality": "citizenship", "email address": "email|e-mail",
    "email": "email address|e-mail address", "first name": "given name|forename",
    "last name": "surname|family name", "description": "details", "kind": "type",
    "type": "kind", "category": "class", "weight": "mass", "duration": "length",
    "revenue": "income", "quantity": "amount", "zip code": "postal code|zipcode",
    "job": "occupation", "occupation": "job|profession", "start date": "starting date|date of start",
    "end date": "ending date", "rating": "score", "year": "year", "capacity": "capacity",
}  # fmt: skip
TABLE_SYNONYMS = {
    "employee": "worker|staff member", "customer": "client", "client": "customer",
    "student": "pupil", "movie": "film", "film": "movie", "instructor": "teacher",
    "teacher": "instructor", "company": "firm", "car": "automobile", "physician": "doctor",
    "doctor": "physician", "person": "individual", "shop": "store", "store": "shop",
    "player": "player", "purchase": "purchase", "airport": "airport", "author": "writer",
}  # fmt: skip

AGGREGATES = {
    "avg": "average|average|mean", "sum": "total|total|sum of the|combined",
    "max": "maximum|highest|largest|max", "min": "minimum|lowest|smallest|min",
}  # fmt: skip
TIME_AGGREGATES = {"max": "latest|most recent", "min": "earliest|first"}

OPERATORS = {
    ">": "greater than|more than|higher than|above|over|larger than|bigger than",
    "<": "less than|lower than|below|under|smaller than",
    ">=": "at least|no less than|greater than or equal to|not below",
    "<=": "at most|no more than|less than or equal to|not above",
    "=": "equal to|exactly",
    "!=": "not|different from|other than",
}
TIME_OPERATORS = {
    ">": "after|later than", "<": "before|earlier than", ">=": "in or after|no earlier than",
    "<=": "in or before|no later than", "=": "in", "!=": "not",
}  # fmt: skip
COUNTS = {
    ">": "more than {n}", "<": "fewer than {n}|less than {n}", ">=": "at least {n}|{n} or more",
    "<=": "at most {n}|no more than {n}", "=": "exactly {n}", "!=": "other than {n}",
}  # fmt: skip

_RANKS = {  # last word of a column -> (at the top, at the bottom)
    "age": ("oldest|eldest", "youngest"),
    "price": ("most expensive|priciest", "cheapest|least expensive"),
    "cost": ("most expensive|costliest", "cheapest|least expensive"),
    "height": ("tallest", "shortest"), "length": ("longest", "shortest"),
    "weight": ("heaviest", "lightest"), "population": ("most populous|most populated|largest", "least populous|least populated"),
    "speed": ("fastest", "slowest"), "duration": ("longest", "shortest"),
    "size": ("largest|biggest", "smallest"), "area": ("largest|biggest", "smallest"),
    "capacity": ("largest|biggest", "smallest"), "salary": ("best paid|highest paid", "lowest paid|worst paid"),
    "rating": ("highest rated|best rated|top rated", "lowest rated|worst rated"),
    "birthday": ("youngest", "oldest"), "score": ("highest scoring|best scoring", "lowest scoring|worst scoring"),
}  # fmt: skip
_TIME_RANKS = ("latest|most recent|newest", "earliest|oldest")

_MORE = {  # last word of a column -> what is said of more and of less of it
    "age": ("older than {v}|over {v} years old|aged over {v}", "younger than {v}|under {v} years old|aged under {v}"),
    "price": ("more expensive than {v}|that cost more than {v}|priced above {v}", "cheaper than {v}|that cost less than {v}|priced below {v}"),
    "cost": ("that cost more than {v}", "that cost less than {v}|cheaper than {v}"),
    "height": ("taller than {v}", "shorter than {v}"), "length": ("longer than {v}", "shorter than {v}"),
    "weight": ("heavier than {v}|that weigh more than {v}", "lighter than {v}|that weigh less than {v}"),
    "salary": ("earning more than {v}|paid more than {v}", "earning less than {v}|paid less than {v}"),
}  # fmt: skip

PLACES = frozenset(
    "country nation city town state county province region district continent hometown location "
    "nationality village".split()
)
KINDS = frozenset("type category genre kind class style sort".split())
SEX = {"f": "female", "m": "male", "female": "female", "male": "male", "woman": "female", "man": "male"}  # fmt: skip

LIST_VERBS = (
    "List|List|List|List|Show|Show|Show|Show|Find|Find|Find|Find|Find|Find|Give me|Give me|Give|Give|"
    "Return|Return|Return|Return me|Tell me|Display|Report|Get|Show me|Show me|Find out|"
    "Please show|Please list|Can you list|Could you give me|I want|I would like to see|Provide|"
    "Select|Retrieve|Present|I need|Let me know"
)
COUNT_FRAMES = (
    "How many {np} are there?|How many {np} are there?|What is the number of {np}?|"
    "Count the number of {np}.|Count the {np}.|Find the number of {np}.|"
    "What is the total number of {np}?|Give the number of {np}.|Return the total number of {np}.|"
    "Tell me how many {np} there are.|How many {np} do we have?|Show the number of {np}.|"
    "How many {np} exist?|What's the count of {np}?|Find out how many {np} there are.|"
    "Please count the {np}.|Number of {np}"
)
DIFFERENT = "different|distinct|distinct|unique"


def superlative(noun: str, descending: bool) -> str:
    """One-word ranks of a column ("oldest"), alternatives split at "|"; '' when it has none."""
    return _RANKS.get(noun.rpartition(" ")[2], ("", ""))[not descending].split("|")[0]


def ranks(noun: str, descending: bool, time: bool) -> str:
    """Alternatives of one-word ranks, '' for none."""
    if time:
        return _TIME_RANKS[not descending]
    return _RANKS.get(noun, ("", ""))[not descending]


def more(noun: str, operator: str) -> str:
    """What is said of things with more (or less) of that column, '' for nothing special."""
    return _MORE.get(noun, ("", ""))[operator == "<"] if operator in ("<", ">") else ""


def highest(noun: str, descending: bool, time: bool) -> str:
    """The adjective for the top or the bottom of a column."""
    if time:
        return "latest|most recent" if descending else "earliest"
    return (
        "highest|highest|highest|largest|greatest|maximum|biggest"
        if descending
        else "lowest|lowest|smallest|least|minimum"
    )
