"""Builds an invented CRM from one seed: a reseller's export, as such exports are.

No key is declared. Names hold spaces, units and capitals ("Deal Value (EUR)"), states are codes
(OPEN, WON, LOST, HOLD; 'Y'/'N'; 0/1), NULL means "not quoted", "still open" or "never", companies and
people share names, a few deals point to accounts that are gone, and old copies of tables lie about.

    python benchmarks/people/crm.py crm.sqlite
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
CREATE TABLE "Accounts" ("Account ID" TEXT, "Account Name" TEXT, "Industry" TEXT, "Country" TEXT,
    "City" TEXT, "Owner" TEXT, "Employees" INTEGER, "Annual Revenue (EUR)" INTEGER, "Active" TEXT,
    "Rating" TEXT, "Created" TEXT, "Parent Account" TEXT);
CREATE TABLE "Contacts" ("Contact ID" INTEGER, "Account ID" TEXT, "First Name" TEXT,
    "Last Name" TEXT, "Job Title" TEXT, "E-Mail" TEXT, "Phone" TEXT, "Opted Out" INTEGER,
    "Last Contacted" TEXT);
CREATE TABLE "Deals" ("Deal ID" INTEGER, "Deal Name" TEXT, "Account ID" TEXT, "Contact ID" INTEGER,
    "Owner" TEXT, "Stage" TEXT, "Deal Value (EUR)" REAL, "Probability %" INTEGER, "Source" TEXT,
    "Created On" TEXT, "Close Date" TEXT, "Loss Reason" TEXT);
CREATE TABLE "Deal Lines" ("Deal ID" INTEGER, "Line" INTEGER, "Product Code" TEXT, "Qty" INTEGER,
    "Unit Price (EUR)" REAL, "Discount %" INTEGER);
CREATE TABLE "Products" ("Product Code" TEXT, "Product" TEXT, "Family" TEXT,
    "List Price (EUR)" REAL, "Discontinued" TEXT);
CREATE TABLE "Sales Reps" ("Code" TEXT, "Full Name" TEXT, "Team" TEXT, "Reports To" TEXT,
    "Quota 2024 (EUR)" INTEGER, "Is Active" INTEGER, "Hired" TEXT);
CREATE TABLE "Activities" ("Activity ID" INTEGER, "Type" TEXT, "Account ID" TEXT,
    "Contact ID" INTEGER, "Rep" TEXT, "Due Date" TEXT, "Done" INTEGER, "Minutes" INTEGER,
    "Notes" TEXT);
CREATE TABLE "Activity Types" ("Code" TEXT, "Description" TEXT);
CREATE TABLE "Support Tickets" ("Ticket #" INTEGER, "Account ID" TEXT, "Priority" TEXT,
    "Status" TEXT, "Opened At" TEXT, "Closed At" TEXT, "Subject" TEXT, "CSAT" INTEGER);
CREATE TABLE "Accounts_bak_2023" ("Account ID" TEXT, "Account Name" TEXT, "Country" TEXT,
    "Owner" TEXT);
CREATE TABLE stg_contacts_import (row_no INTEGER, first TEXT, last TEXT, mail TEXT, company TEXT,
    imported INTEGER);
CREATE TABLE "tmp old deals" ("Deal ID" INTEGER, "Deal Name" TEXT, "Stage" TEXT, "Value" TEXT);
"""

STEMS = """Nordwind|Meyer & Sons|Blue Harbor|Kestrel|Atelier Roux|Lindqvist|Van Dyck|Castellan|Orbis
|Hollis|Fjord|Grünwald|Petit Moulin|Silverline|Tamarisk|Brandt|O'Neill|Quay Street|Sundance|Zephyr
|Morrow|Alpenrose|Delft|Ironbridge|Marchetti|Pinewood|Saint-Cyr|Westerveld""".replace("\n", "")
KINDS = {
    "DE": ("GmbH", "AG", "Logistik GmbH"),
    "FR": ("SARL", "SA", "Frères"),
    "GB": ("Ltd", "Group plc", "Partners"),
    "NL": ("BV", "Holding NV", "Transport BV"),
    "US": ("Inc.", "LLC", "Industries"),
}
CITIES = {
    "DE": ("Hamburg", "Kiel", "Munich", "Leipzig"),
    "FR": ("Lyon", "Paris", "Lille"),
    "GB": ("Leeds", "London", "Bristol"),
    "NL": ("Utrecht", "Rotterdam"),
    "US": ("Boston", "Austin", "Denver"),
}
INDUSTRIES = ("Logistics", "Retail", "Healthcare", "Manufacturing", "Software", "Education")
FIRST = "Anna|Ben|Chloé|David|Eva|Farid|Greta|Hugo|Ines|Jan|Kim|Lars|Mia|Noah|Olga|Paul|Rosa|Tom"
LAST = """Schmidt|Dubois|Clarke|Jansen|Miller|Weber|Moreau|Hughes|de Boer|Carter|Braun|Lopez|Novak
|Ferrari|Young""".replace("\n", "")
TITLES = ("CEO", "CFO", "Head of IT", "IT Manager", "Buyer", "Buyer", "Office Manager", "CTO")
REPS = [
    ("kms", "Katja M. Sommer", "Enterprise", None, 0, 1, "2016-03-01"),
    ("rdo", "Rory Doyle", "SMB", None, 0, 1, "2017-09-15"),
    ("abe", "Amira Benali", "Enterprise", "kms", 900000, 1, "2018-01-08"),
    ("tvl", "Tim van Laar", "Enterprise", "kms", 750000, 1, "2019-05-20"),
    ("jco", "Jess Cole", "Enterprise", "kms", 700000, 0, "2019-11-04"),
    ("pza", "Piotr Zając", "SMB", "rdo", 400000, 1, "2020-02-10"),
    ("lma", "Lucia Marino", "SMB", "rdo", 420000, 1, "2021-06-01"),
    ("hsk", "Hannah Skov", "SMB", "rdo", 350000, 1, "2023-04-17"),
    ("obi", "Obi Eze", "Partner", "kms", 500000, 1, "2022-08-22"),
    ("wgr", "Wes Grant", "Partner", "kms", None, 0, "2018-10-01"),
    ("nfu", "Naomi Fujita", "SMB", "rdo", None, 1, "2025-05-05"),
]
PRODUCTS = [
    ("SRV-10", "Rack Server S10", "Hardware", 4200.0, "N"),
    ("SRV-20", "Rack Server S20", "Hardware", 7900.0, "N"),
    ("LAP-13", "Laptop 13", "Hardware", 1150.0, "N"),
    ("LAP-11", "Laptop 11", "Hardware", 890.0, "Y"),
    ("SCN-01", "Handheld Scanner", "Hardware", 340.0, "N"),
    ("LIC-WMS", "Warehouse Licence", "Software", 6500.0, "N"),
    ("LIC-CRM", "CRM Licence", "Software", 2400.0, "N"),
    ("LIC-OLD", "Inventory Classic", "Software", 1800.0, "Y"),
    ("SVC-INS", "Installation Day", "Services", 980.0, "N"),
    ("SVC-TRN", "Training Day", "Services", 1250.0, "N"),
    ("SVC-SUP", "Support Year", "Services", 3100.0, "N"),
    ("SVC-AUD", "Security Audit", "Services", 5400.0, "N"),
]
TYPES = [("C", "Call"), ("M", "Meeting"), ("E", "E-mail"), ("D", "Demo"), ("V", "Site visit")]
REASONS = ("Price", "Price", "Competitor", "No budget", "No decision")
NOTES = """left voicemail|wants a discount|asked for references, send the Fjord case|Very happy!
|budget frozen until Q3|competitor is cheaper|call back next week|needs approval from CFO|no answer
|interested in a demo|will sign soon|complained about delivery times|wants a DISCOUNT on licences
""".replace("\n", "")
SUBJECTS = """Scanner does not pair|Invoice unclear|Login fails|Server noisy|Licence key missing
|Report is empty|Slow since update|Wrong delivery""".replace("\n", "")


def later(date: str, days: int) -> str:
    """The date some days later."""
    return (datetime.date.fromisoformat(date) + datetime.timedelta(days)).isoformat()


def tables(seed: int = 2025) -> dict[str, Rows]:
    """Table -> rows, in the order of the schema."""
    rng = Random(seed)
    accounts, contacts = companies(rng)
    deals, lines = sales(rng, accounts, contacts)
    made = {"Accounts": accounts, "Contacts": contacts, "Deals": deals, "Deal Lines": lines}
    made |= {"Products": list(PRODUCTS), "Sales Reps": list(REPS)}
    made["Activities"] = activities(rng, contacts)
    made["Activity Types"] = list(TYPES)
    made["Support Tickets"] = tickets(rng, accounts)
    made["Accounts_bak_2023"] = [(a[0], a[1].upper(), a[3], "rdo") for a in accounts[:40]]
    made["stg_contacts_import"] = [
        (i, c[2], c[3], c[5], None, i % 2) for i, c in enumerate(contacts[:60], 1)
    ]
    made["tmp old deals"] = [(d[0] - 500, d[1], "won", f"{d[0]} EUR") for d in deals[:25]]
    return made


def companies(rng: Random) -> tuple[Rows, Rows]:
    """Accounts, some of one name in two cities or with a parent, and the people who work there."""
    accounts: Rows = []
    for i in range(96):
        stem, country = STEMS.split("|")[i % 28], pick(rng, ("DE", "DE", "FR", "GB", "NL", "US"))
        country = accounts[i - 28][3] if i >= 84 else country  # the same company once more
        name = accounts[i - 28][1] if i >= 84 else f"{stem} {pick(rng, KINDS[country])}"
        city = pick(rng, [c for c in CITIES[country] if i < 84 or c != accounts[i - 28][4]])
        staff = None if rng.random() < 0.15 else between(rng, 4, 90) * pick(rng, (1, 5, 40))
        revenue = None if rng.random() < 0.25 else 1000 * between(rng, 180, 90000)
        parent = accounts[between(rng, 0, 20)][0] if i > 40 and rng.random() < 0.2 else None
        owner = pick(rng, ("abe", "tvl", "jco", "pza", "lma", "hsk", "obi", "wgr"))
        rating = pick(rng, ("H", "W", "W", "C", None))
        accounts.append((f"A-{1001 + i}", name, pick(rng, INDUSTRIES), country, city, owner, staff))
        created = day(rng, "2019-01-10", "2025-05-20")
        active = "N" if rng.random() < 0.2 else "Y"
        accounts[i] += (revenue, active, rating, created, parent)
    contacts: Rows = []
    for account in accounts[:88]:
        for _ in range(pick(rng, (1, 2, 2, 3, 4))):
            first, last = pick(rng, FIRST.split("|")), pick(rng, LAST.split("|"))
            mail = f"{first}.{last}@{account[1].split()[0]}.example".lower().replace(" ", "")
            mail = None if rng.random() < 0.18 else mail
            phone = (
                None
                if rng.random() < 0.3
                else f"+{between(rng, 31, 49)} {between(rng, 2000000, 9999999)}"
            )
            touched = None if rng.random() < 0.2 else day(rng, "2023-06-01", "2025-06-30")
            title, out = pick(rng, TITLES), int(rng.random() < 0.12)
            number = 5001 + len(contacts)
            contacts.append((number, account[0], first, last, title, mail, phone, out, touched))
    return accounts, contacts


def sales(rng: Random, accounts: Rows, contacts: Rows) -> tuple[Rows, Rows]:
    """Deals and their lines; a value is the sum of the lines, and NULL where nothing was quoted."""
    deals: Rows = []
    lines: Rows = []
    for i in range(430):
        account = accounts[int(82 * rng.random() ** 1.5)]
        own = [c[0] for c in contacts if c[1] == account[0]]
        person = pick(rng, own) if own and rng.random() < 0.85 else None
        created = day(rng, max("2023-01-05", account[10]), "2025-06-28")
        stage = pick(rng, ("WON", "WON", "WON", "LOST", "LOST", "OPEN", "HOLD"))
        stage = pick(rng, ("OPEN", "OPEN", "HOLD")) if created > "2025-05-01" else stage
        closed = later(created, between(rng, 5, 160)) if stage in ("WON", "LOST") else None
        if closed and closed > "2025-06-30":
            stage, closed = "OPEN", None
        basket = {pick(rng, PRODUCTS)[0] for _ in range(between(rng, 1, 4))}
        basket = set() if stage in ("OPEN", "HOLD", "LOST") and rng.random() < 0.3 else basket
        value, number = 0.0, 7001 + i
        for position, product in enumerate(p for p in PRODUCTS if p[0] in basket):
            discount = pick(rng, (None, None, None, 0, 5, 10, 15, 20))
            quantity = between(rng, 1, 25 if product[3] < 2000 else 6)
            value += round(quantity * product[3] * (1 - (discount or 0) / 100), 2)
            lines.append((number, position + 1, product[0], quantity, product[3], discount))
        rep = account[5] if rng.random() < 0.75 else pick(rng, ("abe", "tvl", "pza", "lma", "obi"))
        rep = rep if rep != "hsk" or created > "2023-04-17" else "lma"
        likely = {"WON": 100, "LOST": 0}.get(stage, 10 * between(rng, 1, 9))
        source = pick(rng, ("Web", "Web", "Referral", "Trade fair", "Cold call", None))
        reason = pick(rng, REASONS) if stage == "LOST" and rng.random() < 0.85 else None
        what = "Renewal" if rng.random() < 0.2 else pick(rng, ("Rollout", "Pilot", "Upgrade"))
        where = f"A-{1900 + i}" if i in (37, 120, 288) else account[0]
        name = f"{account[1].split()[0]} {what} {created[:4]}"
        deals.append((number, name, where, person, rep, stage, round(value, 2) if basket else None))
        deals[-1] += (likely, source, created, closed, reason)
    return deals, lines


def activities(rng: Random, contacts: Rows) -> Rows:
    """Calls, meetings and so on; what is still to be done has no minutes."""
    rows: Rows = []
    for i in range(900):
        contact = contacts[int(len(contacts) * rng.random() ** 1.4)]
        due = day(rng, "2024-01-03", "2025-07-20")
        done = int(due <= "2025-06-30" and rng.random() < 0.87)
        minutes = 5 * between(rng, 1, 24) if done else None
        kind = pick(rng, ("C", "C", "C", "E", "E", "M", "D"))
        note = None if rng.random() < 0.45 else pick(rng, NOTES.split("|"))
        rep = pick(rng, ("abe", "tvl", "jco", "pza", "lma", "hsk", "obi"))
        person = contact[0] if rng.random() < 0.9 else None
        rows.append((i + 1, kind, contact[1], person, rep, due, done, minutes, note))
    return rows


def tickets(rng: Random, accounts: Rows) -> Rows:
    """Tickets of some accounts; a rating only where a customer gave one."""
    rows: Rows = []
    for i in range(260):
        account = accounts[int(70 * rng.random() ** 1.3)]
        opened = day(rng, "2024-01-02", "2025-06-30")
        at = f"{opened} {between(rng, 7, 18):02}:{between(rng, 0, 59):02}:00"
        days = between(rng, 0, 30)
        closed = later(opened, days) if later(opened, days) <= "2025-06-30" else None
        closed = None if rng.random() < 0.08 else closed
        until = closed and f"{closed} {between(rng, 19, 21):02}:{between(rng, 0, 59):02}:00"
        status = "closed" if until else pick(rng, ("open", "pending"))
        score = between(rng, 1, 5) if until and rng.random() < 0.6 else None
        urgency = pick(rng, ("P1", "P2", "P2", "P3", "P3", "P3"))
        subject = pick(rng, SUBJECTS.split("|"))
        rows.append((20001 + i, account[0], urgency, status, at, until, subject, score))
    return rows


def build(path: Path) -> None:
    """Write the database to a new file."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(SCHEMA)
        for table, rows in tables().items():
            marks = ",".join("?" * len(rows[0]))
            connection.executemany(f'INSERT INTO "{table}" VALUES ({marks})', rows)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
