"""Builds an invented web log from one seed: one wide table of events, as tracking writes it.

47 columns, of which most are empty in most rows: times as ISO text and as epoch milliseconds (epoch
seconds in `users`), HTTP codes, flags in three spellings (0/1, 'true'/'false', 'Y'/'N'/NULL), a text
column of JSON, bots among the visitors, visitors without an account; users, releases and error codes
beside it. No key is declared.

    python benchmarks/people/app_log.py app_log.sqlite
"""

from __future__ import annotations

import datetime
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

from drawing import between, pick

Rows = list[tuple[Any, ...]]

SCHEMA = """
CREATE TABLE events (event_id INTEGER, event_ts TEXT, received_ms INTEGER, event_type TEXT,
    session_id TEXT, user_id INTEGER, device_id TEXT, device_type TEXT, os TEXT, os_ver TEXT,
    browser TEXT, app_ver TEXT, country TEXT, city TEXT, lang TEXT, tz_offset_min INTEGER, ip TEXT,
    referrer TEXT, utm_source TEXT, utm_medium TEXT, utm_campaign TEXT, page_path TEXT,
    page_title TEXT, prev_path TEXT, http_method TEXT, http_status INTEGER, latency_ms INTEGER,
    bytes_out INTEGER, cache_hit INTEGER, is_bot INTEGER, is_logged_in TEXT, consent TEXT,
    screen_w INTEGER, screen_h INTEGER, scroll_pct INTEGER, dwell_s REAL, search_term TEXT,
    results_cnt INTEGER, cart_value REAL, currency TEXT, err_code TEXT, exp_group TEXT, server TEXT,
    dc TEXT, trace_id TEXT, sampled INTEGER, props TEXT);
CREATE TABLE users (user_id INTEGER, email TEXT, plan TEXT, country TEXT, created_at INTEGER,
    is_staff INTEGER, deleted_at TEXT);
CREATE TABLE releases (app_ver TEXT, released_on TEXT, channel TEXT, rolled_back INTEGER);
CREATE TABLE error_codes (err_code TEXT, meaning TEXT, severity TEXT);
"""

PAGES = {
    "/": "Home",
    "/products": "All products",
    "/products/tent-2p": "Tent for two",
    "/products/boots": "Hiking boots",
    "/products/stove": "Camping stove",
    "/products/backpack-40": "Backpack 40 l",
    "/search": "Search",
    "/cart": "Your cart",
    "/checkout": "Checkout",
    "/account": "Your account",
    "/blog/winter-trips": "Winter trips",
    "/help": "Help",
}
PLACES = {
    "DE": ("de", "EUR", 60, "Berlin|Cologne|Dresden"),
    "FR": ("fr", "EUR", 60, "Nantes|Paris"),
    "GB": ("en", "GBP", 0, "London|Glasgow|Cardiff"),
    "SE": ("sv", "SEK", 60, "Malmö|Uppsala"),
    "US": ("en", "USD", -300, "Boston|Chicago|Portland"),
}
PLATFORMS = [
    ("desktop", "Windows", "11", "Chrome", 1920, 1080),
    ("desktop", "Windows", "10", "Edge", 1366, 768),
    ("desktop", "macOS", "14", "Safari", 1728, 1117),
    ("desktop", "Linux", "6.8", "Firefox", 2560, 1440),
    ("mobile", "Android", "14", "Chrome", 412, 915),
    ("mobile", "iOS", "17", "Safari", 390, 844),
    ("mobile", "iOS", "16", "Safari", 375, 812),
    ("tablet", "iPadOS", "17", "Safari", 820, 1180),
]
CAMPAIGNS = [
    ("google", "cpc", "spring_sale", "https://www.google.com/"),
    ("newsletter", "email", "march_news", None),
    ("instagram", "social", "spring_sale", "https://l.instagram.com/"),
    (None, None, None, "https://www.google.com/"),
    (None, None, None, "https://forum.trails.example/"),
    (None, None, None, None),
    (None, None, None, None),
]
RELEASES = [
    ("5.1.0", "2025-02-11", "stable", 0),
    ("5.2.0", "2025-03-04", "stable", 0),
    ("5.2.1", "2025-03-12", "stable", 1),
    ("5.2.2", "2025-03-13", "stable", 0),
    ("5.3.0", "2025-03-25", "stable", 0),
    ("6.0.0-b1", "2025-03-20", "beta", 0),
    ("6.0.0-b2", "2025-03-28", "beta", 0),
]
ERRORS = [
    ("E404", "page not found", "low"),
    ("E403", "not allowed", "low"),
    ("E500", "server failure", "high"),
    ("E503", "service overloaded", "high"),
    ("EPAY", "payment declined", "medium"),
    ("ETMO", "payment timed out", "high"),
]
TERMS = ("tent", "boots", "rain jacket", "gas stove", "Tent", "sleeping bag", "kayak", "headlamp")
START = datetime.datetime(2025, 3, 1, tzinfo=datetime.timezone.utc)


def tables(seed: int = 31) -> dict[str, Rows]:
    """Table -> rows."""
    rng = Random(seed)
    users: Rows = []
    for number in range(101, 241):
        joined = int(START.timestamp()) - between(rng, -25 * 86400, 700 * 86400)
        plan, country = pick(rng, ("free", "free", "free", "plus", "pro")), pick(rng, [*PLACES])
        mail = None if rng.random() < 0.06 else f"user{number}@mail{between(rng, 1, 3)}.example"
        gone = f"2025-03-{between(rng, 2, 30):02}T12:00:00Z" if rng.random() < 0.07 else None
        users.append((number, mail, plan, country, joined, int(rng.random() < 0.05), gone))
    events: Rows = []
    for number in range(440):
        session(rng, events, number, users)
    events.sort(key=lambda row: row[0])
    numbered = [(i, *row) for i, row in enumerate(events, 90001)]
    return {"events": numbered, "users": users, "releases": RELEASES, "error_codes": ERRORS}


def session(rng: Random, events: Rows, number: int, users: Rows) -> None:
    """One visit: its visitor, device and campaign stay, its pages, clicks and searches follow."""
    hours = int(24 * (0.3 + 0.7 * rng.random()))
    days = int(31 * rng.random())
    time = START + datetime.timedelta(days, 3600 * hours - between(rng, 0, 3599))
    bot = rng.random() < 0.08
    account = pick(rng, users[:-30]) if rng.random() < 0.5 and not bot else None
    if account and (account[4] > time.timestamp() or (account[6] and account[6] < iso(time))):
        account = None
    country = account[3] if account else pick(rng, [*PLACES])
    lang, currency, offset, cities = PLACES[country]
    kind, system, version, browser, width, height = pick(rng, PLATFORMS)
    device = f"d{between(rng, 1000, 1260)}" if not account else f"d{account[0] + 2000}"
    shipped = [r for r in RELEASES if r[1] <= iso(time)[:10]]
    stable = [r[0] for r in shipped if r[2] == "stable"]
    release = shipped[-1][0] if shipped[-1][2] == "beta" and rng.random() < 0.5 else stable[-1]
    source, medium, campaign, referrer = pick(rng, CAMPAIGNS)
    place = (
        country,
        pick(rng, cities.split("|")),
        lang,
        offset,
        f"10.{number % 200}.7.{number}"[:12],
    )
    who = (f"s{70000 + number}", account and account[0], device)
    what = (kind, system, version, "HeadlessChrome" if bot else browser, release, *place)
    group = None if bot else pick(rng, ("A", "B", "A", "B", None))
    consent = None if bot else pick(rng, ("Y", "Y", "Y", "N", None))
    center = "eu" if country != "US" else "us"
    previous: str | None = None
    cart = 0.0
    for step in range(between(rng, 1, 12) + 3 * bot):
        path = "/" if not step and rng.random() < 0.5 else pick(rng, [*PAGES][1:])
        path = "/products" if path == "/account" and not account else path
        event = pick(rng, ("page_view", "page_view", "page_view", "click"))
        term = results = value = error = None
        props: dict[str, Any] = {"slot": pick(rng, ("hero", "list", "footer"))}
        status, method = pick(rng, (200,) * 16 + (304, 304, 404, 500)), "GET"
        if path == "/search":
            event, term = "search", pick(rng, TERMS)
            results = 0 if term == "kayak" else between(rng, 1, 40)
            props = {"filters": between(rng, 0, 3)}
        elif path.startswith("/products/") and not bot and rng.random() < 0.35:
            event, method, status = "add_to_cart", "POST", 200
            cart = round(cart + pick(rng, (29.9, 64.5, 89.0, 149.0, 239.0)), 2)
            value, props = cart, {"qty": between(rng, 1, 3)}
        elif path == "/checkout" and cart and not bot:
            event, method, value = "purchase", "POST", cart
            declined = pick(rng, (None, None, None, None, "EPAY", "ETMO"))
            error, status = declined, {"EPAY": 402, "ETMO": 504}.get(declined or "", 200)
            coupon = pick(rng, (None, None, "SPRING10", "WELCOME"))
            props = {"items": between(rng, 1, 4), **({"coupon": coupon} if coupon else {})}
            cart = cart if error else 0.0
        elif event == "click":
            props = {"button": pick(rng, ("menu", "buy", "share"))}
        if path == "/help" and release == "5.2.1":
            status = 500
        if path == "/account" and rng.random() < 0.1:
            status = 403
        error = error or {404: "E404", 403: "E403", 500: "E500"}.get(status)
        slow = between(rng, 900, 4000) if status >= 500 else between(rng, 18, 420)
        latency = None if event == "click" else slow * (2 if center == "us" else 1)
        sent = None if event == "click" else 0 if status == 304 else between(rng, 900, 90000)
        late = between(rng, 3, 9) * 3600 * 1000 if kind == "mobile" and rng.random() < 0.02 else 0
        received = int(time.timestamp()) * 1000 + between(rng, 15, 900) + late
        scroll = between(rng, 0, 20) * 5 if event == "page_view" and not bot else None
        dwell = round(2 + 90 * rng.random() ** 2, 1) if event == "page_view" and not bot else None
        tracking = (referrer, source, medium, campaign) if step < 2 else (None,) * 4
        page = (path, PAGES[path] if event == "click" or status < 400 else None, previous)
        wire = (None if event == "click" else method, None if event == "click" else status)
        error = None if event == "click" else error
        cached = None if event == "click" else int(status == 304 or rng.random() < 0.3)
        row = (iso(time), received, event, *who, *what, *tracking, *page, *wire, latency, sent)
        row += (cached, int(bot), "true" if account else "false", consent, width, height)
        row += (scroll, dwell, term, results, value, currency if value else None, error, group)
        machine = f"{center}-web-{between(rng, 1, 3)}"
        row += (machine, center, f"{int(rng.random() * 16**10):010x}", int(rng.random() < 0.1))
        events.append((*row, json.dumps(props)))
        previous, time = path, time + datetime.timedelta(seconds=between(rng, 4, 240))


def iso(time: datetime.datetime) -> str:
    """2025-03-14T08:15:30Z."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def build(path: Path) -> None:
    """Write the database to a new file."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(SCHEMA)
        for table, rows in tables().items():
            marks = ",".join("?" * len(rows[0]))
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
