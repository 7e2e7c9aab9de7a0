"""Names of countries and of their people: "French" is what a database may hold as France.

>>> other_forms("french")
('france',)
>>> "united states" in other_forms("american")
True
"""

from __future__ import annotations

from txt2sql.execution.words import key

_GROUPS = """
afghan: afghanistan
albanian: albania
algerian: algeria
american: united states, usa, us, united states of america, u s a, u s
argentine, argentinian: argentina
armenian: armenia
australian, aussie: australia
austrian: austria
azerbaijani: azerbaijan
bangladeshi: bangladesh
belarusian: belarus
belgian: belgium
bolivian: bolivia
bosnian: bosnia and herzegovina, bosnia
brazilian: brazil
british: united kingdom, uk, u k, great britain, britain
bulgarian: bulgaria
cambodian: cambodia
cameroonian: cameroon
canadian: canada
chilean: chile
chinese: china
colombian: colombia
costa rican: costa rica
croatian, croat: croatia
cuban: cuba
cypriot: cyprus
czech: czech republic, czechia
danish, dane: denmark
dominican: dominican republic
dutch: netherlands, the netherlands, holland
ecuadorian: ecuador
egyptian: egypt
english: england
estonian: estonia
ethiopian: ethiopia
filipino, philippine: philippines
finnish, finn: finland
french: france
georgian: georgia
german: germany
ghanaian: ghana
greek: greece
guatemalan: guatemala
hungarian: hungary
icelandic: iceland
indian: india
indonesian: indonesia
iranian, persian: iran
iraqi: iraq
irish: ireland
israeli: israel
italian: italy
jamaican: jamaica
japanese: japan
jordanian: jordan
kazakh: kazakhstan
kenyan: kenya
korean, south korean: south korea, korea, republic of korea
kuwaiti: kuwait
latvian: latvia
lebanese: lebanon
lithuanian: lithuania
luxembourgish: luxembourg
malaysian: malaysia
maltese: malta
mexican: mexico
moroccan: morocco
nepalese, nepali: nepal
new zealander: new zealand
nigerian: nigeria
north korean: north korea
norwegian: norway
pakistani: pakistan
peruvian: peru
polish: poland
portuguese: portugal
romanian: romania
russian: russia, russian federation
saudi, saudi arabian: saudi arabia
scottish: scotland
serbian: serbia
singaporean: singapore
slovak, slovakian: slovakia
slovenian, slovene: slovenia
south african: south africa
spanish, spaniard: spain
sri lankan: sri lanka
swedish, swede: sweden
swiss: switzerland
syrian: syria
taiwanese: taiwan
thai: thailand
tunisian: tunisia
turkish, turk: turkey
ukrainian: ukraine
uruguayan: uruguay
venezuelan: venezuela
vietnamese: vietnam, viet nam
welsh: wales
"""


def _forms() -> dict[str, tuple[str, ...]]:
    forms: dict[str, tuple[str, ...]] = {}
    for line in _GROUPS.split("\n"):
        people, _, countries = line.partition(":")
        names = [name.strip() for name in f"{countries},{people}".split(",") if name.strip()]
        for name in names:
            forms[key(name)] = tuple(other for other in names if other != name)
    return forms


_FORMS = _forms()


def other_forms(name: str) -> tuple[str, ...]:
    """The other names of a country or of its people, by its folded name; countries first."""
    return _FORMS.get(name, ())
