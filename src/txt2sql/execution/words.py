"""Words folded, so that two spellings of one are the same, and the distance of a misspelt one.

Folding takes away case, accents and plural. The distance is Damerau's in its optimal string
alignment: a letter more, less, another one, or two neighbours swapped.

>>> fold("French  Polynesias'")
['french', 'polynesia']
>>> distance("lisbno", "lisbon", 1)
1
"""

from __future__ import annotations

import re
import unicodedata

WORD = re.compile(r"\w+")
_IRREGULAR = {
    **{"men": "man", "women": "woman", "children": "child"},
    **{"mice": "mouse", "geese": "goose", "wolves": "wolf", "wives": "wife", "knives": "knife"},
}
_ENDS = "sen"  # the last letters of the plurals that are known here
_LOSE_AN_E = ("xe", "che", "she", "sse", "oe")  # boxes, churches, dishes, glasses, heroes


def fold(text: str) -> list[str]:
    """The words of a text, without case, accents and plural."""
    plain = text.casefold()
    if not plain.isascii():
        plain = unicodedata.normalize("NFKD", plain)
        plain = "".join(c for c in plain if not unicodedata.combining(c))
    return [_stem(word) if word[-1] in _ENDS else word for word in WORD.findall(plain)]


def _stem(word: str) -> str:
    """One form for a word and its plural; the form itself is not always a word.

    >>> [_stem(word) for word in ("city", "cities", "movie", "movies", "box", "boxes", "glass")]
    ['city', 'city', 'movy', 'movy', 'box', 'box', 'glass']
    """
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) > 3 and word[-1] == "s" and word[-2] != "s":
        word = word[:-1]
    if len(word) > 3 and word[-1] == "e":
        if word[-2] == "i":
            return word[:-2] + "y"
        if word.endswith(_LOSE_AN_E):
            return word[:-1]
    return word


def key(text: str) -> str:
    return " ".join(fold(text))


COMMON = frozenset(
    "about above according account across active actual added address affiliated after again against "
    "along alphabet alphabetic alphabetical alphabetically already although always among amount "
    "another answer appear arranged ascending assigned associated available average become been "
    "before began begin being belong below besides better between bigger biggest birth bottom bought "
    "bring built calculate called category cheap cheaper cheapest choose class close closest code "
    "collected come common company compare complete compute consist contact contain containing "
    "content corresponding cost could count counts create created current currently customer database "
    "date dates decreasing delivered descending describe description detail different difference "
    "directed display distinct does doing done during earlier earliest each earn either email "
    "employee empty enough enter entire equal even event ever every exact exactly except excluding "
    "exist expensive extract famous fastest fetch female fewer fewest field figure final find first "
    "following format found four frequent frequently from full genre further gender general get give given "
    "gives goes good great greater greatest gross group grouped handled happen happened have having "
    "held help here high higher highest hold hour identifier identify include included including "
    "increasing individual information instead into involved issued item join kind know language "
    "large larger largest last late later latest least leave length less letter level like list "
    "listed listing little live lives living located location long longer longest lose lost lower "
    "lowest made main maintain major make male management many match maximum mean meaning member mention "
    "method middle might minimum minute missing model money month monthly more most move much multiple must "
    "name named names near need never newest next nobody none normal nothing number numbers obtained "
    "occur offer often older oldest once only open opened order ordered orders origin other others "
    "ought output over overall owned owner part participate particular people percent percentage "
    "perform period person phone pick place placed plain played please popular position possible "
    "present previous price primary print produce produced provide published purchase quantity "
    "quarter query quickly range rank rate rating rather reach received recent recently record "
    "recorded records registered related released remain report required respective respectively "
    "result results retrieve return returned returns right salary same score second select sells "
    "separate serve served several shall share shared shipped short shorter shortest should show "
    "shown shows simple since single small smaller smallest sold some someone something sort sorted "
    "specific spent started start starts starting state status still stored student studied such taken takes "
    "taught teach teaches teacher tell than thank that their them themselves then there these they thing things think this "
    "those though three through throughout time times title titles today together total toward towards type types "
    "under unique unit unknown until updated usage used user uses using usually value values various "
    "very visit want wanted week weekly weight well went were what whatever when where whether which "
    "while whole whom whose will with within without word worked working works worse worst would "
    "write written wrong year yearly years yesterday young younger youngest yours".split()
)
"""Words of questions in general: they are meant as they stand, whatever cell is near them."""


def distance(one: str, other: str, most: int) -> int:
    """The edit distance of two words, or more than `most` as soon as it is more."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    start, shorter = 0, min(len(one), len(other))
    while start < shorter and one[start] == other[start]:
        start += 1
    end = 0
    while end < shorter - start and one[-1 - end] == other[-1 - end]:
        end += 1
    a, b = one[start : len(one) - end], other[start : len(other) - end]
    if not a or not b:
        return len(a) + len(b)
    if len(a) == len(b) == 1 or (len(a) == 2 and a == b[::-1]):
        return 1
    if most == 1:
        return 2
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        before, last, row = row, before, [i]
        for j, right in enumerate(b, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (left != right))
            if i > 1 and j > 1 and left == b[j - 2] and a[i - 2] == right:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return row[-1]


def correctable(word: str) -> bool:
    """Whether a word may be a misspelt one, or the right one: five letters or more, no digits."""
    return 5 <= len(word) <= 30 and word.isalpha()


def allowed(word: str) -> int:
    """How many edits a misspelt word of this length may be away: 1, and 2 from nine letters."""
    return (1 if len(word) < 9 else 2) if correctable(word) else 0
