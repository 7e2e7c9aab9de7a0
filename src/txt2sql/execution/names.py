"""Natural names of tables and columns: an identifier in the words a person would say.

Identifiers are split where their spelling changes, and abbreviations are written out: those that a
schema explains itself (`inv_no` of the table `invoice`, `wo_no` of `work_order`), then the ones that
are usual everywhere. People ask for "members", not for "mbr".

>>> split_identifier("singerID_in_Show2")
'singer id in show 2'
>>> natural_name("mgr_emp_no", "dept")
'manager employee number'
>>> natural_name("wo_no", "work_order")
'work order number'
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

_BORDER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=\d)")
_MARKS = re.compile(r"[\W_]+")
_SHORTEST, _LONGEST = 3, 5
"""Letters of an abbreviation that the name of its table explains."""

USUAL: Mapping[str, str] = dict(
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
    nr=number num=number obj=object org=organization pct=percent perf=performance
    pkg=package pmt=payment pop=population prod=product proj=project pt=point
    pwd=password pymt=payment qty=quantity rgn=region rm=room sal=salary sched=schedule
    sem=semester sess=session src=source stu=student svc=service sz=size
    tel=telephone tot=total trans=transaction trx=transaction ttl=total txn=transaction typ=type
    univ=university usr=user val=value veh=vehicle vol=volume wk=week wt=weight yr=year yrs=years
    """.split()
)  # fmt: skip
"""Abbreviations that mean one thing in nearly every database."""


def split_identifier(name: str) -> str:
    """`singerID_in_Show2` -> `singer id in show 2`."""
    return " ".join(_MARKS.split(_BORDER.sub(" ", name))).strip().lower()


def natural_name(name: str, table: str = "") -> str:
    """The words of an identifier; a column's `table` may explain what it abbreviates."""
    words = split_identifier(name).split()
    around = _explaining(table)
    return " ".join(_written_out(word, around, len(words) == 1) for word in words)


@lru_cache(maxsize=256)
def _explaining(table: str) -> tuple[str, ...]:
    return tuple(_singular(word) for word in split_identifier(table).split())


def _written_out(word: str, around: tuple[str, ...], alone: bool) -> str:
    if word in USUAL:
        # A column called `no` may well hold an answer.
        return word if alone and len(word) < 3 else USUAL[word].replace("_", " ")
    if alone or word in around:
        return word
    if len(around) > 1 and word == "".join(other[0] for other in around):
        return " ".join(USUAL.get(other, other) for other in around)
    return next((other for other in around if abbreviates(word, other)), word)


def abbreviates(word: str, whole: str) -> bool:
    """Whether a word is the beginning of another, or its consonants in order: `cmplt`, `complaint`."""
    if not _SHORTEST <= len(word) <= _LONGEST or len(whole) < len(word) + 2:
        return False
    if whole.startswith(word):
        return True
    letters = iter(whole)
    return (
        word[0] == whole[0]
        and not set(word[1:]) & set("aeiou")
        and all(letter in letters for letter in word)
    )


def _singular(word: str) -> str:
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
