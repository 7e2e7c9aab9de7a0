"""Builds an invented German bicycle workshop from one seed: names of tables and columns in German.

Names hold umlauts ("Aufträge", "Straße"), flags are 'ja'/'nein' and 1/0, orders have German dates
(14.03.2025) as text while invoices have ISO dates, open orders and unpaid invoices are NULL.

    python benchmarks/people/werkstatt.py werkstatt.sqlite
"""

from __future__ import annotations

import datetime
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

from drawing import between, day, pick

Rows = list[tuple[Any, ...]]

SCHEMA = """
CREATE TABLE Kunden (KundenNr INTEGER PRIMARY KEY, Vorname TEXT, Nachname TEXT, Straße TEXT, PLZ TEXT,
    Ort TEXT, Geburtsdatum TEXT, Telefon TEXT, Stammkunde TEXT, Kunde_seit TEXT);
CREATE TABLE Fahrräder (RadNr INTEGER PRIMARY KEY, KundenNr INTEGER REFERENCES Kunden (KundenNr),
    Marke TEXT, Typ TEXT, Baujahr INTEGER, Farbe TEXT);
CREATE TABLE Mechaniker (Kürzel TEXT, Name TEXT, Stundensatz REAL, Meister INTEGER, Eingestellt TEXT);
CREATE TABLE Aufträge (AuftragsNr INTEGER, RadNr INTEGER, Mechaniker TEXT, Art TEXT, Annahme TEXT,
    Abholung TEXT, Status TEXT, Stunden REAL, Bemerkung TEXT);
CREATE TABLE Teile (TeileNr TEXT, Bezeichnung TEXT, Gruppe TEXT, Einkaufspreis REAL,
    Verkaufspreis REAL, Bestand INTEGER, Mindestbestand INTEGER);
CREATE TABLE Auftragsteile (AuftragsNr INTEGER, TeileNr TEXT, Menge INTEGER);
CREATE TABLE Rechnungen (RechnungsNr TEXT, AuftragsNr INTEGER, Datum TEXT, Betrag REAL,
    bezahlt_am TEXT);
"""

FIRST = "Anke|Bernd|Claudia|Dirk|Elke|Frank|Gisela|Holger|Ines|Jürgen|Karin|Lothar|Monika|Norbert"
LAST = "Müller|Schäfer|Groß|Weiß|Köhler|Vogel|Brandt|Jäger|Krüger|Sommer|Böhm|Seidel|Lorenz|Otto"
STREETS = "Hauptstraße|Bahnhofstraße|Gartenweg|Lindenallee|Am Markt|Mühlgasse"
TOWNS = {"Neustadt": "04720", "Grünau": "04733", "Altenburg": "04741", "Seefeld": "04758"}
BRANDS = {"Falke": "Rennrad", "Kranich": "Trekkingrad", "Storch": "Trekkingrad", "Blitz": "E-Bike"}
BRANDS |= {"Donner": "E-Bike", "Spatz": "Kinderrad", "Büffel": "Lastenrad"}
COLOURS = ("rot", "blau", "schwarz", "grün", None)
MECHANICS = [
    ("AH", "Anton Huber", 62.0, 1, "2011-05-02"),
    ("BK", "Birgit Kern", 58.0, 1, "2015-03-16"),
    ("CL", "Cem Lale", 49.0, 0, "2019-08-01"),
    ("DN", "Dora Nagel", 46.0, 0, "2022-09-05"),
    ("EP", "Emil Pohl", 39.0, 0, "2025-06-02"),
]
KINDS = ("Inspektion", "Inspektion", "Reparatur", "Reparatur", "Reparatur", "Umbau")
PARTS = """BR-1 Bremsbelag:Bremse:6:14.9:40:20|BR-2 Bremsscheibe:Bremse:11:27.5:9:10
|BR-3 Bremszug:Bremse:2:6.5:33:15|AN-1 Kette:Antrieb:9:24.9:18:12|AN-2 Ritzelpaket:Antrieb:22:54:4:6
|AN-3 Kettenblatt:Antrieb:17:39.9:7:4|LR-1 Schlauch:Laufrad:3:8.9:55:30|LR-2 Reifen:Laufrad:14:34.9:21:16
|LR-3 Speiche:Laufrad:0.4:1.5:0:100|EL-1 Akku:Elektrik:280:499:2:2|EL-2 Frontlicht:Elektrik:19:45:11:5
|EL-3 Rücklicht:Elektrik:8:19.9:13:5|SO-1 Sattel:Sonstiges:16:42:6:3|SO-2 Klingel:Sonstiges:2:7.5:19:5
|SO-3 Gepäckträger:Sonstiges:18:44.9:3:2"""
REMARKS = "quietscht|Kunde ruft an|Achter im Hinterrad|Eilig!|bitte Probefahrt|Akku lädt nicht"


def german(date: str) -> str:
    """14.03.2025 for 2025-03-14."""
    return ".".join(reversed(date.split("-")))


def later(date: str, days: int) -> str:
    """The date some days later."""
    return (datetime.date.fromisoformat(date) + datetime.timedelta(days)).isoformat()


def tables(seed: int = 12) -> dict[str, Rows]:
    """Table -> rows."""
    rng = Random(seed)
    made: dict[str, Rows] = {"Mechaniker": list(MECHANICS), "Kunden": [], "Fahrräder": []}
    for number in range(1, 111):
        name = (pick(rng, FIRST.split("|")), pick(rng, LAST.split("|")))
        town = pick(rng, ("Neustadt", "Neustadt", "Grünau", "Altenburg", "Seefeld"))
        street = f"{pick(rng, STREETS.split('|'))} {between(rng, 1, 60)}"
        born = None if rng.random() < 0.25 else day(rng, "1948-01-01", "2006-12-31")
        phone = None if rng.random() < 0.2 else f"0342 {between(rng, 10000, 99999)}"
        regular = "ja" if rng.random() < 0.35 else "nein"
        since = day(rng, "2017-01-02", "2025-04-30")
        made["Kunden"].append(
            (number, *name, street, TOWNS[town], town, born, phone, regular, since)
        )
        for _ in range(pick(rng, (0, 1, 1, 1, 2, 3))):
            brand = pick(rng, [*BRANDS])
            bike = (number, brand, BRANDS[brand], between(rng, 2008, 2024), pick(rng, COLOURS))
            made["Fahrräder"].append((len(made["Fahrräder"]) + 1, *bike))
    parts = [row.partition(" ") for row in PARTS.replace("\n", "").split("|")]
    made["Teile"] = []
    for code, _, row in parts:
        label, group, bought, sold, held, least = row.split(":")
        made["Teile"].append(
            (code, label, group, float(bought), float(sold), int(held), int(least))
        )
    made |= {"Aufträge": [], "Auftragsteile": [], "Rechnungen": []}
    orders(rng, made)
    return made


def orders(rng: Random, made: dict[str, Rows]) -> None:
    """Orders, the parts they took, and an invoice for each that was collected."""
    bikes = made["Fahrräder"]
    for number in range(2001, 2321):
        bike = bikes[int((len(bikes) - 12) * rng.random() ** 1.3)]
        since = made["Kunden"][bike[1] - 1][-1]
        taken = day(rng, max("2024-01-08", since), "2025-06-27")
        mechanic = pick(rng, MECHANICS[:4])
        done = later(taken, between(rng, 1, 14))
        fetched = done if done <= "2025-06-30" and rng.random() < 0.94 else None
        status = "abgeholt" if fetched else pick(rng, ("offen", "in Arbeit", "fertig"))
        hours = None if status == "offen" else between(rng, 1, 16) * 0.25
        kind = pick(rng, KINDS)
        remark = None if rng.random() < 0.6 else pick(rng, REMARKS.split("|"))
        remark = "quietscht" if remark == "Akku lädt nicht" and bike[3] != "E-Bike" else remark
        dates = (german(taken), fetched and german(fetched))
        made["Aufträge"].append((number, bike[0], mechanic[0], kind, *dates, status, hours, remark))
        total = (hours or 0) * mechanic[2]
        used = pick(rng, (0, 0, 1, 1, 2, 3)) if status != "offen" else 0
        for code in dict.fromkeys(between(rng, 0, 12) for _ in range(used)):
            part = made["Teile"][code + (code > 8 and bike[3] != "E-Bike")]
            quantity = pick(rng, (1, 1, 2, 4))
            made["Auftragsteile"].append((number, part[0], quantity))
            total += quantity * part[4]
        if fetched:
            code = f"R{fetched[:4]}-{len(made['Rechnungen']) + 1:04}"
            paid = later(fetched, between(rng, 0, 30)) if rng.random() < 0.9 else None
            paid = paid if paid and paid <= "2025-06-30" else None
            made["Rechnungen"].append((code, number, fetched, round(total, 2), paid))


def build(path: Path) -> None:
    """Write the database to a new file."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(SCHEMA)
        for table, rows in tables().items():
            marks = ",".join("?" * len(rows[0]))
            connection.executemany(f'INSERT INTO "{table}" VALUES ({marks})', rows)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
