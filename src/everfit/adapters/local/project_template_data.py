"""Small made-up tables for new projects, the same ones every time."""

import math
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from random import Random

Rows = Iterator[tuple[object, ...]]


def rents() -> Rows:
    """Give flats with their rent."""
    chance = Random(1)  # noqa: S311 - made-up data
    districts = {"north": 11.0, "south": 14.5, "east": 12.0, "west": 16.0}
    yield "flat", "area", "rooms", "floor", "built", "district", "rent"
    for flat in range(1, 801):
        area = round(chance.triangular(25, 180, 65), 1)
        rooms = max(1, min(7, round(area / 24 + chance.gauss(0, 0.6))))
        floor, built = chance.randrange(0, 9), chance.randrange(1930, 2024)
        district = chance.choice(sorted(districts))
        rent = area * districts[district] * (1 + (built - 1980) / 400 + floor / 100) + 25 * rooms
        yield flat, area, rooms, floor, built, district, round(rent * chance.gauss(1, 0.05), 2)


def customers() -> Rows:
    """Give customers and whether they left."""
    chance = Random(2)  # noqa: S311 - made-up data
    yield "customer", "months", "bill", "calls", "plan", "left"
    for customer in range(1, 1001):
        months, calls = chance.randrange(1, 73), min(9, int(chance.expovariate(0.6)))
        plan = chance.choice(("basic", "family", "business"))
        bill = round(chance.gauss({"basic": 25, "family": 45, "business": 80}[plan], 8), 2)
        unhappiness = 1.6 * calls - 0.09 * months + 0.03 * bill + (0.8 if plan == "basic" else -0.4) - 1.2
        left = chance.random() < 1 / (1 + math.exp(-1.8 * unhappiness))
        yield customer, months, bill, calls, plan, "yes" if left else "no"


def visitors() -> Rows:
    """Give days with the number of visitors."""
    chance = Random(3)  # noqa: S311 - made-up data
    weekdays = (0.7, 0.75, 0.8, 0.9, 1.1, 1.5, 1.25)
    yield "day", "visitors"
    first = date(2022, 1, 1)
    for number in range(1000):
        day = first + timedelta(days=number)
        season = 1 + 0.3 * math.sin(2 * math.pi * (day.timetuple().tm_yday - 100) / 365.25)
        expected = 400 * weekdays[day.weekday()] * season * (1 + number / 4000)
        yield day.isoformat(), round(expected * chance.gauss(1, 0.07))


def purchases() -> Rows:
    """Give baskets and the product that was bought next."""
    chance = Random(4)  # noqa: S311 - made-up data
    follows = {"bread": "butter", "butter": "jam", "jam": "bread", "tea": "milk", "coffee": "sugar", "pasta": "sauce"}
    others = sorted(set(follows.values()))
    yield "purchase", "bought", "next"
    for purchase in range(1, 2001):
        bought = chance.choice(sorted(follows))
        yield purchase, bought, follows[bought] if chance.random() < 0.7 else chance.choice(others)


TABLES: dict[str, tuple[str, Callable[[], Rows]]] = {
    "regression": ("data/rents.csv", rents),
    "classification": ("data/customers.csv", customers),
    "forecast": ("data/visitors.csv", visitors),
    "custom": ("data/purchases.csv", purchases),
}
