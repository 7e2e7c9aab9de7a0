"""Builds the sample database from one seed: synthetic data with the shape of real sales.

Choices are made with `Random.random()` alone, the only method whose sequence Python promises to
keep, so that every version builds the same rows.

    python data/scripts/build_sample.py
"""

from __future__ import annotations

import datetime
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from typing import TypeVar

from txt2sql.sample import path as sample_path

T = TypeVar("T")

SCHEMA = """
CREATE TABLE shops (
    shop_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    city TEXT NOT NULL,
    country TEXT NOT NULL,
    opening_year INTEGER NOT NULL,
    floor_area INTEGER
);
CREATE TABLE staff (
    staff_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    salary INTEGER NOT NULL,
    hire_date DATE NOT NULL,
    shop_id INTEGER NOT NULL REFERENCES shops (shop_id)
);
CREATE TABLE authors (
    author_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    country TEXT NOT NULL,
    birth_year INTEGER
);
CREATE TABLE books (
    book_id INTEGER PRIMARY KEY,
    title TEXT NOT NULL,
    genre TEXT NOT NULL,
    language TEXT NOT NULL,
    pages INTEGER NOT NULL,
    price REAL NOT NULL,
    publication_year INTEGER NOT NULL,
    author_id INTEGER NOT NULL REFERENCES authors (author_id)
);
CREATE TABLE customers (
    customer_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    city TEXT NOT NULL,
    email TEXT,
    birth_year INTEGER,
    join_date DATE NOT NULL
);
CREATE TABLE orders (
    order_id INTEGER PRIMARY KEY,
    order_date DATE NOT NULL,
    payment_method TEXT NOT NULL,
    customer_id INTEGER NOT NULL REFERENCES customers (customer_id),
    shop_id INTEGER NOT NULL REFERENCES shops (shop_id)
);
CREATE TABLE order_lines (
    order_id INTEGER NOT NULL REFERENCES orders (order_id),
    book_id INTEGER NOT NULL REFERENCES books (book_id),
    quantity INTEGER NOT NULL,
    PRIMARY KEY (order_id, book_id)
);
CREATE TABLE reviews (
    review_id INTEGER PRIMARY KEY,
    rating INTEGER NOT NULL CHECK (rating BETWEEN 1 AND 5),
    comment TEXT,
    review_date DATE NOT NULL,
    book_id INTEGER NOT NULL REFERENCES books (book_id),
    customer_id INTEGER NOT NULL REFERENCES customers (customer_id)
);
"""

SHOPS = [
    (1, "Farol Books", "Lisbon", "Portugal", 1974, 320),
    (2, "The Paper Boat", "Porto", "Portugal", 1988, 210),
    (3, "Casa Azul", "Seville", "Spain", 1996, 185),
    (4, "Night Reader", "Barcelona", "Spain", 2003, 450),
    (5, "Harbour Pages", "Lisbon", "Portugal", 2011, 140),
    (6, "Lantern Books", "Madrid", "Spain", 2015, 380),
    (7, "Island Stories", "Funchal", "Portugal", 2021, None),
]
# Cities where customers live; the last two have no shop.
CITIES = ["Lisbon"] * 6 + ["Porto"] * 4 + ["Barcelona"] * 4 + ["Madrid"] * 4
CITIES += ["Seville"] * 3 + ["Funchal"] * 2 + ["Coimbra", "Valencia"]

FIRST_NAMES = """Ana Bruno Carla Diogo Elena Felipe Gabriela Hugo Irene Jorge Laura Marta Nuno Olga
Pedro Rita Sara Tiago Vera Xavier Alice Daniel Emma Javier Lucia Miguel Nora Pablo Raquel Sofia
Tomas Ines Clara Duarte Eva Rafael Teresa Victor Joana Mateo""".split()
LAST_NAMES = """Almeida Barbosa Castro Duran Esteves Ferreira Garcia Herrera Iglesias Lopes Marques
Navarro Oliveira Pereira Quintana Ramos Santos Torres Vargas Vidal Moreno Costa Molina Pinto Reis
Serrano Soares Teixeira Vega Campos""".split()
AUTHOR_NAMES = {
    "Portugal": ["Leonor Bastos", "Afonso Mira", "Catarina Seabra", "Gil Tavares", "Marta Falcao"],
    "Spain": ["Isabel Robles", "Andres Luna", "Carmen Ibarra", "Julio Sierra", "Pilar Montes"],
    "Brazil": ["Davi Monteiro", "Luana Prado", "Caio Siqueira", "Bianca Rocha"],
    "France": ["Camille Garnier", "Lucien Morel", "Elise Fontaine", "Hugo Delmas"],
    "United Kingdom": ["Harriet Cole", "Edmund Frost", "Maisie Thorne", "Oliver Penrose"],
    "Ireland": ["Niamh Callaghan", "Declan Byrne", "Orla Keane"],
    "Italy": ["Chiara Bellini", "Marco Ferri", "Giulia Conti"],
    "Argentina": ["Valentina Sosa", "Martin Acosta", "Lucila Rivas"],
    "Japan": ["Haruka Mori", "Kenji Arai", "Yumi Okada"],
    "United States": ["Grace Holloway", "Samuel Reed", "Ruth Whitaker", "Caleb Marsh"],
    "Mexico": ["Ximena Cruz", "Diego Solis"],
}
LANGUAGES = {
    "Portugal": "Portuguese",
    "Brazil": "Portuguese",
    "Spain": "Spanish",
    "Argentina": "Spanish",
    "Mexico": "Spanish",
    "France": "French",
}

# Genre -> (adjectives, nouns, typical pages, typical price in euros).
GENRES: dict[str, tuple[str, str, int, float]] = {
    "novel": (
        "Quiet Last Long White Borrowed",
        "Summer Garden Letter House Winter Bridge",
        320,
        18,
    ),
    "crime": ("Silent Crooked Second Cold Hidden", "Witness Harbour Alibi Corridor Debt", 360, 16),
    "science fiction": (
        "Distant Hollow Ninth Electric",
        "Orbit Colony Signal Machine Sun",
        410,
        19,
    ),
    "fantasy": ("Broken Golden Sleeping Forgotten", "Crown Dragon Forest Oath Tower", 520, 22),
    "history": (
        "Forgotten Great Divided Maritime",
        "Empire Century Voyage Siege Republic",
        460,
        29,
    ),
    "poetry": ("Blue Slow Salt Unwritten", "Tides Mornings Hours Windows", 110, 12),
    "children": ("Little Brave Curious Sleepy", "Fox Lighthouse Whale Balloon Owl", 48, 11),
    "cookery": ("Simple Coastal Sunday Green", "Kitchen Table Feast Harvest", 240, 32),
    "travel": ("Slow Northern Open Secret", "Roads Islands Coast Railway", 280, 21),
}
COMMENTS = {
    5: ["A wonderful book", "I could not put it down", "My favourite of the year"],
    4: ["Well written", "A lovely gift", "Better than I expected"],
    3: ["Good in parts", "A slow start", "Decent"],
    2: ["Too long", "Not for me"],
    1: ["I did not finish it", "A disappointment"],
}
ROLES = [("manager", 2600), ("bookseller", 1500), ("bookseller", 1500), ("cashier", 1300)]
PAYMENTS = ["card"] * 6 + ["cash"] * 3 + ["voucher"]

Rows = list[tuple[object, ...]]


def pick(rng: Random, items: Sequence[T]) -> T:
    """One of the items."""
    return items[int(rng.random() * len(items))]


def between(rng: Random, low: int, high: int) -> int:
    """A whole number from low to high, both included."""
    return low + int(rng.random() * (high - low + 1))


def day(rng: Random, first: str, last: str) -> str:
    """An ISO date from first to last, both included."""
    start, end = datetime.date.fromisoformat(first), datetime.date.fromisoformat(last)
    return (start + datetime.timedelta(between(rng, 0, (end - start).days))).isoformat()


def people(rng: Random, count: int) -> list[str]:
    """Different full names."""
    names: dict[str, None] = {}
    while len(names) < count:
        names[f"{pick(rng, FIRST_NAMES)} {pick(rng, LAST_NAMES)}"] = None
    return list(names)


def staff(rng: Random) -> Rows:
    """A manager and a few others for each shop."""
    names = iter(people(rng, 60))
    rows: Rows = []
    for shop_id, _, _, _, opening_year, _ in SHOPS:
        for role, salary in (*ROLES, *ROLES[1 : between(rng, 1, 4)]):
            first = f"{max(opening_year, 2005)}-01-10"
            pay = salary + 50 * between(rng, 0, 12)
            hired = day(rng, first, "2025-06-30")
            rows.append((len(rows) + 1, next(names), role, pay, hired, shop_id))
    return rows


def authors(rng: Random) -> Rows:
    """The authors by country; the birth year of a few is not known."""
    names = [(name, country) for country, names in AUTHOR_NAMES.items() for name in names]
    return [
        (i, name, country, None if rng.random() < 0.12 else between(rng, 1931, 1994))
        for i, (name, country) in enumerate(names, start=1)
    ]


def books(rng: Random, written_by: Rows) -> Rows:
    """Every title once, each by an author who sticks to two genres; two authors have no book."""
    favourites = {row[0]: {pick(rng, list(GENRES)) for _ in range(2)} for row in written_by[:-2]}
    rows: Rows = []
    for genre, (adjectives, nouns, typical_pages, typical_price) in GENRES.items():
        writers = [row for row in written_by[:-2] if genre in favourites[row[0]]]
        for adjective in adjectives.split():
            for noun in nouns.split():
                author_id, _, country, birth_year = pick(rng, writers)
                born = birth_year if isinstance(birth_year, int) else 1960
                pages = round(typical_pages * (0.6 + rng.random()))
                price = round(typical_price * (0.7 + 0.7 * rng.random())) - pick(
                    rng, (0.05, 0.1, 0.5)
                )
                year = between(rng, max(born + 24, 1972), 2025)
                language = LANGUAGES.get(str(country), "English")
                title = f"The {adjective} {noun}"
                book = (title, genre, language, pages, round(price, 2), year, author_id)
                rows.append((len(rows) + 1, *book))
    return rows


def customers(rng: Random) -> Rows:
    """Some gave no e-mail address, some no year of birth."""
    rows: Rows = []
    for i, name in enumerate(people(rng, 360), start=1):
        email = f"{name.lower().replace(' ', '.')}@example.com" if rng.random() < 0.8 else None
        born = between(rng, 1942, 2007) if rng.random() < 0.9 else None
        rows.append((i, name, pick(rng, CITIES), email, born, day(rng, "2018-03-01", "2025-09-30")))
    return rows


def orders(rng: Random, buyers: Rows) -> Rows:
    """Mostly in a shop of the customer's own city; few customers buy much, some nothing."""
    regulars = [row for row in buyers if rng.random() < 0.8]
    rows: Rows = []
    for i in range(1, 1101):
        customer = regulars[int(rng.random() ** 2 * len(regulars))]
        near = [shop[0] for shop in SHOPS if shop[2] == customer[2]]
        shop_id = pick(rng, near) if near and rng.random() < 0.9 else pick(rng, SHOPS)[0]
        first = max(str(customer[5]), "2023-01-02", f"{SHOPS[shop_id - 1][4]}-01-02")
        rows.append((i, day(rng, first, "2025-12-30"), pick(rng, PAYMENTS), customer[0], shop_id))
    return rows


def order_lines(rng: Random, bought: Rows, sold: Rows) -> Rows:
    """One to four different books in an order; the last ten books were never sold."""
    popular = sorted(sold[:-10], key=lambda _: rng.random())
    rows: Rows = []
    for order_id, *_ in bought:
        picks = [
            popular[int(rng.random() ** 1.7 * len(popular))] for _ in range(between(rng, 1, 4))
        ]
        for book_id in dict.fromkeys(book[0] for book in picks):
            rows.append((order_id, book_id, 1 if rng.random() < 0.8 else between(rng, 2, 5)))
    return rows


def reviews(rng: Random, buyers: Rows, sold: Rows) -> Rows:
    """More good ones than bad ones, about half with a comment."""
    rows: Rows = []
    for i in range(1, 651):
        rating = pick(rng, (5, 5, 5, 4, 4, 4, 4, 3, 3, 2, 1))
        comment = pick(rng, COMMENTS[rating]) if rng.random() < 0.5 else None
        book_id = sold[int(rng.random() ** 1.5 * len(sold))][0]
        rows.append(
            (
                i,
                rating,
                comment,
                day(rng, "2023-02-01", "2025-12-31"),
                book_id,
                pick(rng, buyers)[0],
            )
        )
    return rows


def tables(seed: int = 1974) -> dict[str, Rows]:
    """Every table's rows, in an order in which foreign keys point to rows already there."""
    rng = Random(seed)
    written_by, sold_by = authors(rng), staff(rng)
    sold, buyers = books(rng, written_by), customers(rng)
    bought = orders(rng, buyers)
    return {
        "shops": list(SHOPS),
        "staff": sold_by,
        "authors": written_by,
        "books": sold,
        "customers": buyers,
        "orders": bought,
        "order_lines": order_lines(rng, bought, sold),
        "reviews": reviews(rng, buyers, sold),
    }


def build(path: Path) -> None:
    """Write the database; an older one is replaced as a whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with closing(sqlite3.connect(part)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.executescript(SCHEMA)
        for table, rows in tables().items():
            marks = ", ".join("?" * len(rows[0]))
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
        connection.commit()
        connection.execute("VACUUM")
    part.replace(path)


if __name__ == "__main__":
    build(sample_path())
