"""Builds an invented retail warehouse from one seed: a star schema, as data warehouses are.

Dates are whole numbers in the facts (20250314) and text in `dim_date`, keys are surrogates that
nobody declared outside the product snowflake, a product or customer that changed has a row for each
version (`is_current`), key -1 is "unknown", stock is a snapshot that must not be summed over days,
and the loading process left its own tables behind.

    python benchmarks/people/warehouse.py warehouse.sqlite
"""

from __future__ import annotations

import datetime
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

from drawing import between, pick

Rows = list[tuple[Any, ...]]

SCHEMA = """
CREATE TABLE dim_date (date_key INTEGER PRIMARY KEY, full_date TEXT, day_name TEXT, month_no INTEGER,
    month_name TEXT, quarter TEXT, year INTEGER, is_weekend TEXT, holiday_name TEXT);
CREATE TABLE dim_department (department_key INTEGER PRIMARY KEY, department_name TEXT);
CREATE TABLE dim_category (category_key INTEGER PRIMARY KEY, category_name TEXT,
    department_key INTEGER REFERENCES dim_department (department_key));
CREATE TABLE dim_product (product_key INTEGER PRIMARY KEY, product_code TEXT, product_name TEXT,
    category_key INTEGER REFERENCES dim_category (category_key), brand TEXT, list_price REAL,
    valid_from TEXT, valid_to TEXT, is_current INTEGER);
CREATE TABLE dim_store (store_key INTEGER PRIMARY KEY, store_code TEXT, store_name TEXT, city TEXT,
    region TEXT, store_type TEXT, opened_on TEXT, closed_on TEXT, area_sqm INTEGER);
CREATE TABLE dim_customer (customer_key INTEGER PRIMARY KEY, customer_code TEXT, full_name TEXT,
    segment TEXT, home_city TEXT, birth_year INTEGER, joined_on TEXT, valid_from TEXT, valid_to TEXT,
    is_current INTEGER);
CREATE TABLE dim_promotion (promo_key INTEGER PRIMARY KEY, promo_name TEXT, promo_type TEXT);
CREATE TABLE dim_return_reason (reason_code TEXT PRIMARY KEY, reason_text TEXT);
CREATE TABLE fact_sales (sale_id INTEGER, receipt_no TEXT, date_key INTEGER, store_key INTEGER,
    product_key INTEGER, customer_key INTEGER, promo_key INTEGER, quantity INTEGER, unit_price REAL,
    discount_amt REAL, net_amt REAL, cost_amt REAL);
CREATE TABLE fact_returns (return_id INTEGER, sale_id INTEGER, date_key INTEGER, store_key INTEGER,
    product_key INTEGER, reason_code TEXT, quantity INTEGER, refund_amt REAL);
CREATE TABLE fact_target (store_key INTEGER, month_key INTEGER, target_amt INTEGER);
CREATE TABLE fact_stock (snapshot_key INTEGER, store_key INTEGER, product_key INTEGER,
    on_hand INTEGER);
CREATE TABLE etl_load_log (load_id INTEGER, table_name TEXT, loaded_at TEXT, row_cnt INTEGER,
    status TEXT);
CREATE TABLE stg_sales_raw (line TEXT, file_name TEXT, loaded INTEGER);
"""

ASSORTMENT = {
    "Kitchen": {
        "Cookware": "Cast Iron Pan:49|Stock Pot:38|Wok:32|Casserole:64",
        "Knives": "Chef Knife:59|Bread Knife:28|Peeler:7",
        "Coffee & Tea": "French Press:27|Kettle:45|Espresso Cups:19|Tea Tin:9",
    },
    "Garden": {
        "Tools": "Spade:31|Pruning Shears:24|Rake:18|Watering Can:15",
        "Seeds": "Tomato Seeds:3|Wildflower Mix:4|Basil Seeds:3",
        "Outdoor Furniture": "Folding Chair:39|Bench:129|Parasol:79",
    },
    "Living": {
        "Lighting": "Desk Lamp:42|Floor Lamp:95|Candle Set:12|Lantern:22",
        "Textiles": "Wool Blanket:69|Cushion:21|Linen Throw:54",
        "Storage": "Wicker Basket:26|Shelf Box:14|Coat Rack:48",
    },
}
BRANDS = ("Hearth", "Ostra", "Fernway", "Nordli", "Pebble")
STORES = [
    ("S01", "Harbour Street", "Portsay", "North", "High street", "2012-04-02", None, 420),
    ("S02", "Old Mill", "Garve", "North", "High street", "2015-09-14", None, 310),
    ("S03", "Northgate Mall", "Portsay", "North", "Mall", "2018-03-01", None, 560),
    ("S04", "Lakeside", "Ennerby", "East", "Mall", "2014-11-20", None, 610),
    ("S05", "Station Arcade", "Ennerby", "East", "High street", "2019-05-06", "2025-01-31", 180),
    ("S06", "Corn Exchange", "Wickford", "East", "High street", "2016-02-15", None, 350),
    ("S07", "Southpark", "Dellham", "South", "Mall", "2013-08-30", None, 720),
    ("S08", "Dellham Outlet", "Dellham", "South", "Outlet", "2020-10-10", None, 900),
    ("S09", "Bay View", "Sandry", "South", "High street", "2021-06-21", None, 240),
    ("S10", "Sandry Outlet", "Sandry", "South", "Outlet", "2022-09-01", None, None),
    ("S11", "Riverside", "Garve", "North", "Mall", "2025-06-16", None, 480),
    ("WEB", "Online Shop", None, None, "Online", "2017-01-01", None, None),
]
WEIGHTS = (9, 6, 10, 8, 4, 5, 11, 7, 3, 5, 0, 14)
PROMOS = [
    (0, "No promotion", None),
    (1, "Spring Fair 2024", "Percent off"),
    (2, "Black Week 2024", "Percent off"),
    (3, "Garden Days 2025", "Percent off"),
    (4, "Loyalty Voucher", "Voucher"),
    (5, "Summer Closeout 2025", "Percent off"),
]
REASONS = [("DAM", "damaged"), ("CHG", "changed mind"), ("WRG", "wrong item")]
REASONS += [("DEF", "defective"), ("LAT", "arrived too late")]
HOLIDAYS = {"01-01": "New Year", "05-01": "May Day", "12-25": "Christmas", "12-26": "Boxing Day"}
FORE = "Ada|Bram|Cleo|Dario|Elif|Finn|Gwen|Hari|Ivy|Jonas|Kira|Liam|Maud|Nils|Orla|Petra|Quinn|Rhea"
LAST = "Abbott|Berg|Costa|Dunne|Ekholm|Frost|Gallo|Hale|Iversen|Joyce|Keller|Lund|Marsh|Novak"
TOWNS = ("Portsay", "Garve", "Ennerby", "Wickford", "Dellham", "Sandry", "Corran")
FIRST_DAY, LAST_DAY = datetime.date(2024, 1, 1), datetime.date(2025, 6, 30)


def key(date: datetime.date) -> int:
    """20250314 for 14 March 2025."""
    return date.year * 10000 + date.month * 100 + date.day


def calendar() -> Rows:
    """One row a day, sales or not."""
    rows: Rows = []
    for number in range((LAST_DAY - FIRST_DAY).days + 1):
        date = FIRST_DAY + datetime.timedelta(number)
        names = (date.strftime("%A"), date.month, date.strftime("%B"), f"Q{(date.month + 2) // 3}")
        weekend = "Y" if date.weekday() > 4 else "N"
        holiday = HOLIDAYS.get(date.strftime("%m-%d"))
        rows.append((key(date), date.isoformat(), *names, date.year, weekend, holiday))
    return rows


def versions(code: str, rows: Rows, row: tuple[Any, ...], change: dict[int, Any], on: str) -> None:
    """Add one row, or two where something changed on a day: the old version and the current one."""
    until = (datetime.date.fromisoformat(on) - datetime.timedelta(1)).isoformat() if on else None
    rows.append((len(rows) + 1, code, *row, "2024-01-01", until, int(not on)))
    if on:
        changed = [change.get(i, value) for i, value in enumerate(row)]
        rows.append((len(rows) + 1, code, *changed, on, None, 1))


def tables(seed: int = 7) -> dict[str, Rows]:
    """Table -> rows."""
    rng = Random(seed)
    made: dict[str, Rows] = {"dim_date": calendar(), "dim_department": [], "dim_category": []}
    products: Rows = []
    for department, categories in ASSORTMENT.items():
        made["dim_department"].append((len(made["dim_department"]) + 1, department))
        for category, goods in categories.items():
            number = len(made["dim_category"]) + 1
            made["dim_category"].append((number, category, len(made["dim_department"])))
            for good in goods.split("|"):
                name, price = good.split(":")
                code, cost = f"P-{100 + 7 * len(products)}", float(price) - 0.05
                on = pick(rng, ("2024-07-01", "2025-01-01", "2025-06-28"))
                on = on if rng.random() < 0.3 else ""
                first = (name, number, pick(rng, BRANDS), cost)
                versions(code, products, first, {3: round(cost * 1.1, 2)}, on)
    customers: Rows = []
    for i in range(160):
        name = f"{pick(rng, FORE.split('|'))} {pick(rng, LAST.split('|'))}"
        born = None if rng.random() < 0.2 else between(rng, 1945, 2004)
        joined = FIRST_DAY - datetime.timedelta(between(rng, -400, 1500))
        segment, town = pick(rng, ("Basic", "Basic", "Silver", "Gold")), pick(rng, TOWNS)
        on = pick(rng, ("2024-10-01", "2025-02-01")) if rng.random() < 0.2 else ""
        better = {"Basic": ("Silver", "Gold"), "Silver": ("Gold", "Basic"), "Gold": ("Silver",)}
        change = {1: pick(rng, better[segment]), 2: pick(rng, TOWNS)}
        person = (name, segment, town, born, joined.isoformat())
        versions(f"C{4000 + i}", customers, person, change, on)
    made["dim_product"], made["dim_customer"] = products, customers
    customers.append((-1, "n/a", "Unknown", None, None, None, None, "2024-01-01", None, 1))
    made["dim_store"] = [(i, *store) for i, store in enumerate(STORES, 1)]
    made["dim_promotion"], made["dim_return_reason"] = list(PROMOS), list(REASONS)
    made["fact_sales"] = sales(rng, products, customers)
    made["fact_returns"] = returns(rng, made["fact_sales"])
    months = [y * 100 + m for y in (2024, 2025) for m in range(1, 13) if y == 2024 or m < 7]
    made["fact_target"] = [
        (i + 1, month, 100 * between(rng, 2 + WEIGHTS[i], 8 + 2 * WEIGHTS[i]))
        for i in range(12)
        for month in months
        if i != 10 and (i != 4 or month < 202502)
    ]
    made["fact_stock"] = [
        (day, store, row[0], None if rng.random() < 0.03 else int(40 * rng.random() ** 2))
        for day in (20250430, 20250531, 20250630)
        for store in (1, 2, 3, 4, 6, 7, 8, 9, 10, 12)
        for row in products
        if row[-1]
    ]
    made["etl_load_log"] = [
        (i, pick(rng, tuple(made)), f"2025-06-{i:02} 03:10:00", between(rng, 50, 900), "OK")
        for i in range(1, 31)
    ]
    lines = [";".join(map(str, row[:6])) for row in made["fact_sales"][-60:]]
    made["stg_sales_raw"] = [(line, "sales_20250630.csv", 1) for line in lines]
    return made


def sales(rng: Random, products: Rows, customers: Rows) -> Rows:
    """Receipts of one to four lines, each line with the versions valid on its day."""
    stores = [i + 1 for i, weight in enumerate(WEIGHTS) for _ in range(weight)]
    codes = sorted({row[1] for row in products})[:-2]  # two products never sell
    people = sorted({row[1] for row in customers[:-1]})[:-25]  # nor do 25 customers buy
    rows: Rows = []
    for number in range(1480):
        date = FIRST_DAY + datetime.timedelta(int(547 * rng.random() ** 0.9))
        date += datetime.timedelta(5 - date.weekday() if rng.random() < 0.15 else 0)
        date, today = min(date, LAST_DAY), min(date, LAST_DAY).isoformat()
        store = pick(rng, stores)
        store = 4 if store == 5 and today > "2025-01-31" else store
        code = pick(rng, people) if rng.random() < 0.72 or store == 12 else "n/a"
        customer = valid(customers, code, today)
        if customer[6] and customer[6] > today:
            customer = customers[-1]
        promo = 0
        if rng.random() < 0.5:
            promo = {"2024-04": 1, "2024-11": 2, "2025-05": 3, "2025-06": 5}.get(today[:7], 0)
        promo = 4 if not promo and customer[3] == "Gold" and rng.random() < 0.2 else promo
        for code in dict.fromkeys(pick(rng, codes) for _ in range(pick(rng, (1, 1, 2, 2, 3, 4)))):
            product = valid(products, code, today)
            quantity, price = pick(rng, (1, 1, 1, 2, 2, 3, 6)), product[5]
            off = round(quantity * price * (0.2 if promo not in (0, 4) else 0.1), 2) if promo else 0
            net = round(quantity * price - off, 2)
            cost = round(quantity * price * (0.42 + 0.02 * (product[3] % 7)), 2)
            line = (len(rows) + 1, f"R{300000 + number}", key(date), store, product[0])
            rows.append((*line, customer[0], promo, quantity, price, off, net, cost))
    return rows


def valid(rows: Rows, code: str, date: str) -> tuple[Any, ...]:
    """The version of a product or customer on a day."""
    return next(r for r in rows if r[1] == code and (r[-2] is None or date <= r[-2]))


def returns(rng: Random, sold: Rows) -> Rows:
    """Some lines come back within five weeks, some of them in part; refunds at the price paid."""
    rows: Rows = []
    for sale in sold:
        if rng.random() < 0.07:
            date = datetime.date.fromisoformat(f"{sale[2] // 10000}-{sale[2] // 100 % 100:02}-01")
            date += datetime.timedelta(sale[2] % 100 - 1 + between(rng, 1, 35))
            quantity = between(rng, 1, sale[7])
            refund = round(sale[10] * quantity / sale[7], 2)
            reason = pick(rng, ("DAM", "CHG", "CHG", "DEF", None))
            reason = "LAT" if sale[3] == 12 and rng.random() < 0.3 else reason
            if date <= LAST_DAY:
                line = (len(rows) + 1, sale[0], key(date), sale[3], sale[4], reason)
                rows.append((*line, quantity, refund))
    return rows


def build(path: Path) -> None:
    """Write the database to a new file."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(SCHEMA)
        for table, rows in tables().items():
            marks = ",".join("?" * len(rows[0]))
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
