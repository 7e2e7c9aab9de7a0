"""Words of names, cells and questions: an identifier as a person would say it, one form of each word.

Identifiers are split where their spelling changes, and abbreviations are written out: those that a
schema explains itself (`inv_no` of the table `invoice`, `wo_no` of `work_order`), then the ones that
are usual everywhere. Words are folded: without case, accents and plural. The distance of two words is
Damerau's in its optimal string alignment: a letter more, less, another one, or two neighbours swapped.

>>> natural_name("mgr_emp_no", "dept"), natural_name("wo_no", "work_order")
('manager employee number', 'work order number')
>>> fold("French  Polynesias'"), distance("lisbno", "lisbon", 1), other_forms("french")
(['french', 'polynesia'], 1, ('france',))
"""

from __future__ import annotations

import re
import unicodedata

WORD = re.compile(r"\w+")
_BORDER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=\d)")
_MARKS = re.compile(r"[\W_]+")
_SHORTEST, _LONGEST = 3, 5  # letters of an abbreviation that the name of its table explains


def singular(word: str) -> str:
    """A noun without the plural's ending: `categories` -> `category`."""
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


_IRREGULAR = {
    **{"men": "man", "women": "woman", "children": "child"},
    **{"mice": "mouse", "geese": "goose", "wolves": "wolf", "wives": "wife", "knives": "knife"},
}
_ENDS = "sen"  # the last letters of the plurals that are known here
_LOSE_AN_E = ("xe", "che", "she", "sse", "oe")  # boxes, churches, dishes, glasses, heroes


def stem(word: str) -> str:
    """One form for a word and its plural; the form itself is not always a word.

    >>> [stem(word) for word in ("city", "cities", "movie", "movies", "box", "boxes", "glass")]
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


def fold(text: str) -> list[str]:
    """The words of a text, without case, accents and plural."""
    plain = text.casefold()
    if not plain.isascii():
        plain = unicodedata.normalize("NFKD", plain)
        plain = "".join(c for c in plain if not unicodedata.combining(c))
    return [stem(word) if word[-1] in _ENDS else word for word in WORD.findall(plain)]


def key(text: str) -> str:
    """The folded words as one text."""
    return " ".join(fold(text))


def split_identifier(name: str) -> str:
    """`singerID_in_Show2` -> `singer id in show 2`."""
    return " ".join(_MARKS.split(_BORDER.sub(" ", name))).strip().lower()


def natural_name(name: str, table: str = "") -> str:
    """The words of an identifier; a column's `table` may explain what it abbreviates."""
    words = split_identifier(name).split()
    around = tuple(singular(word) for word in split_identifier(table).split())
    return " ".join(_written_out(word, around, len(words) == 1) for word in words)


def _written_out(word: str, around: tuple[str, ...], alone: bool) -> str:
    if word in USUAL:
        # A column called `no` may well hold an answer.
        return word if alone and len(word) < 3 else USUAL[word].replace("_", " ")
    if alone or word in around:
        return word
    if len(around) > 1 and word == "".join(other[0] for other in around):
        return " ".join(USUAL.get(other, other) for other in around)
    short = _SHORTEST <= len(word) <= _LONGEST
    consonants = not set(word[1:]) & set("aeiou")  # in order: `cmplt` of `complaint`
    pattern = re.compile(word if not consonants else ".*".join(word))
    return next((o for o in around if short and len(o) >= len(word) + 2 and pattern.match(o)), word)


USUAL: dict[str, str] = dict(
    pair.split("=")
    for pair in """
    acct=account addr=address amt=amount apmt=appointment appt=appointment attr=attribute
    bal=balance bldg=building cd=code cmt=comment cnt=count cntry=country coll=collection
    cntct=contact ctgry=category ctry=country cust=customer dept=department desc=description
    descr=description dest=destination dob=date_of_birth doc=document dt=date emp=employee
    empl=employee equip=equipment flr=floor fname=first_name freq=frequency govt=government
    grp=group hosp=hospital hr=hour hrs=hours img=image instr=instructor lang=language
    lname=last_name lvl=level mbr=member mfr=manufacturer mgmt=management mgr=manager mins=minutes
    mkt=market mos=months msg=message mth=month mtg=meeting mtr=meter nbr=number nm=name no=number
    nr=number num=number obj=object org=organization pct=percent perf=performance pkg=package
    pmt=payment pop=population prod=product proj=project pt=point pwd=password pymt=payment
    qty=quantity rgn=region rm=room sal=salary sched=schedule sem=semester sess=session src=source
    stu=student svc=service sz=size tel=telephone tot=total trans=transaction trx=transaction
    ttl=total txn=transaction typ=type univ=university usr=user val=value veh=vehicle vol=volume
    wk=week wt=weight yr=year yrs=years
    """.split()
)
"""Abbreviations that mean one thing in nearly every database."""


def distance(one: str, other: str, most: int) -> int:
    """The edit distance of two words, or more than `most` as soon as it is more."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    last: list[int] = []
    before = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        row = [i]
        for j, right in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (left != right))
            if i > 1 and j > 1 and (left, one[i - 2]) == (other[j - 2], right):
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
        last, before = before, row
    return before[-1]


def correctable(word: str) -> bool:
    """Whether a word may be a misspelt one, or the right one: five letters or more, no digits."""
    return 5 <= len(word) <= 30 and word.isalpha()


def allowed(word: str) -> int:
    """How many edits a misspelt word of this length may be away: 1, and 2 from nine letters."""
    return (1 if len(word) < 9 else 2) if correctable(word) else 0


COMMON = frozenset(
    """
    about above according account across active actual added address affiliated after again against
    along alphabet alphabetic alphabetical alphabetically already although always among amount
    another answer appear arranged ascending assigned associated available average become before
    began begin being belong below besides better between bigger biggest birth bottom bought bring
    built calculate called category cheap cheaper cheapest choose class close closest collected
    common company compare complete compute consist contact contain containing content
    corresponding could count counts create created current currently customer database decreasing
    delivered descending describe description detail difference different directed display distinct
    doing during earlier earliest either email employee empty enough enter entire equal event every
    exact exactly except excluding exist expensive extract famous fastest female fetch fewer fewest
    field figure final first following format found frequent frequently further gender general
    genre given great greater greatest gross group grouped handled happen happened having higher
    highest identifier identify include included including increasing individual information
    instead involved issued language large larger largest later latest least leave length letter
    level listed listing little living located location longer longest lower lowest maintain major
    management match maximum meaning member mention method middle might minimum minute missing
    model money month monthly multiple named never newest nobody normal nothing number numbers
    obtained occur offer often older oldest opened order ordered orders origin other others ought
    output overall owned owner participate particular people percent percentage perform period
    person phone place placed plain played please popular position possible present previous price
    primary print produce produced provide published purchase quantity quarter query quickly range
    rather rating reach received recent recently record recorded records registered related
    released remain report required respective respectively result results retrieve return returned
    returns right salary score second select separate serve served several shall share shared
    shipped short shorter shortest should shown simple since single small smaller smallest someone
    something sorted specific spent start started starting starts state status still stored student
    studied taken taught teach teacher teaches thank their themselves there these thing things
    think those though three through throughout title titles today together total toward towards
    under unique unknown until updated usage using usually value values various visit wanted weekly
    weight whatever where whether which while whole whose within without worked working worse worst
    would write written wrong yearly yesterday young younger youngest
    """.split()
)
"""Words of questions, of five letters or more: they are meant as they stand, whatever cell is near."""

_PEOPLES = """
afghan: afghanistan; albanian: albania; algerian: algeria; american: united states, usa, us, united
states of america, u s a, u s; argentine, argentinian: argentina; armenian: armenia; australian,
aussie: australia; austrian: austria; azerbaijani: azerbaijan; bangladeshi: bangladesh; belarusian:
belarus; belgian: belgium; bolivian: bolivia; bosnian: bosnia and herzegovina, bosnia; brazilian:
brazil; british: united kingdom, uk, u k, great britain, britain; bulgarian: bulgaria; cambodian:
cambodia; cameroonian: cameroon; canadian: canada; chilean: chile; chinese: china; colombian:
colombia; costa rican: costa rica; croatian, croat: croatia; cuban: cuba; cypriot: cyprus; czech:
czech republic, czechia; danish, dane: denmark; dominican: dominican republic; dutch: netherlands,
the netherlands, holland; ecuadorian: ecuador; egyptian: egypt; english: england; estonian:
estonia; ethiopian: ethiopia; filipino, philippine: philippines; finnish, finn: finland; french:
france; georgian: georgia; german: germany; ghanaian: ghana; greek: greece; guatemalan: guatemala;
hungarian: hungary; icelandic: iceland; indian: india; indonesian: indonesia; iranian, persian:
iran; iraqi: iraq; irish: ireland; israeli: israel; italian: italy; jamaican: jamaica; japanese:
japan; jordanian: jordan; kazakh: kazakhstan; kenyan: kenya; korean, south korean: south korea,
korea, republic of korea; kuwaiti: kuwait; latvian: latvia; lebanese: lebanon; lithuanian:
lithuania; luxembourgish: luxembourg; malaysian: malaysia; maltese: malta; mexican: mexico;
moroccan: morocco; nepalese, nepali: nepal; new zealander: new zealand; nigerian: nigeria; north
korean: north korea; norwegian: norway; pakistani: pakistan; peruvian: peru; polish: poland;
portuguese: portugal; romanian: romania; russian: russia, russian federation; saudi, saudi arabian:
saudi arabia; scottish: scotland; serbian: serbia; singaporean: singapore; slovak, slovakian:
slovakia; slovenian, slovene: slovenia; south african: south africa; spanish, spaniard: spain; sri
lankan: sri lanka; swedish, swede: sweden; swiss: switzerland; syrian: syria; taiwanese: taiwan;
thai: thailand; tunisian: tunisia; turkish, turk: turkey; ukrainian: ukraine; uruguayan: uruguay;
venezuelan: venezuela; vietnamese: vietnam, viet nam; welsh: wales
"""


_FORMS: dict[str, tuple[str, ...]] = {}
for _group in " ".join(_PEOPLES.split()).split("; "):
    _people, _, _countries = _group.partition(":")
    _same = [name.strip() for name in f"{_countries},{_people}".split(",")]
    for _name in _same:
        _FORMS[key(_name)] = tuple(other for other in _same if other != _name)


def other_forms(name: str) -> tuple[str, ...]:
    """The other names of a country or of its people, by its folded name; countries first."""
    return _FORMS.get(name, ())
