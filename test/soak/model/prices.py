"""What a quantity costs, in exact fractions: the rules of doc/reference.md (is_price, rate_minor) and nothing of the implementation."""
from fractions import Fraction
import math


def number(text):
    return Fraction(str(text))


def tiers_of(price, rate):
    lower = Fraction(0)
    for tier in price["tiers"]:
        upper = None if tier.get("up_to") is None else number(tier["up_to"])
        yield lower, upper, number(tier.get(rate, 0)), number(tier.get("flat", 0))
        lower = upper


def by_part(price, quantity, rate, per):
    total = Fraction(0)
    for lower, upper, unit, flat in tiers_of(price, rate):
        if quantity > lower:
            part = (quantity if upper is None else min(quantity, upper)) - lower
            total += part * unit / per + flat
    return total


def last_reached(price, quantity):
    reached = [tier for tier in tiers_of(price, "unit") if quantity > tier[0]]
    return reached[-1] if reached else (None, None, Fraction(0), Fraction(0))


def magnitude_cost(price, quantity):
    model, per = price["model"], number(price.get("per", 1))
    if model == "unit":
        return quantity * number(price["unit"]) / per
    if model == "graduated":
        return by_part(price, quantity, "unit", per)
    if model == "graduated_percentage":
        return by_part(price, quantity, "percent", 100)
    if model == "volume":
        tier = last_reached(price, quantity)
        return quantity * tier[2] / per + tier[3]
    if model == "stairstep":
        return last_reached(price, quantity)[3]
    if model == "package":
        return math.ceil(quantity / per) * number(price["unit"])
    if model == "percentage":
        return quantity * number(price["percent"]) / 100 + (number(price.get("flat", 0)) if quantity else 0)
    raise ValueError(model)


def cost(price, quantity):
    if price["model"] == "flat":
        return number(price["amount"])
    amount = magnitude_cost(price, abs(quantity))
    if quantity >= 0 and "minimum" in price:
        amount = max(amount, number(price["minimum"]))
    if "maximum" in price:
        amount = min(amount, number(price["maximum"]))
    return -amount if quantity < 0 else amount


def rate_minor(price, quantity, exponent, share=Fraction(1)):
    """Minor units, rounded once, half away from zero."""
    exact = cost(price, quantity) * share * 10**exponent
    rounded = math.floor(abs(exact) + Fraction(1, 2))
    return -rounded if exact < 0 else rounded


def random_price(rng, fixed):
    """A price document; fixed: of a fee."""
    def money(most_places):
        places = rng.randint(0, most_places)
        return f"{rng.random() * rng.choice([1, 10, 100]):.{places}f}"

    if fixed:
        return {"model": "flat", "amount": money(4)}
    model = rng.choice(["unit", "graduated", "volume", "package", "percentage", "graduated_percentage", "stairstep"])
    price = {"model": model}
    if model in ("unit", "package"):
        price["unit"] = money(5)
    if model in ("unit", "graduated", "volume", "package") and rng.random() < 0.4:
        price["per"] = str(rng.choice([3, 7, 10, 1000]))
    if model == "percentage":
        price["percent"] = money(3)
        if rng.random() < 0.5:
            price["flat"] = money(2)
    if model in ("graduated", "volume", "graduated_percentage", "stairstep"):
        rate = {"graduated_percentage": "percent", "stairstep": None}.get(model, "unit")
        bounds = sorted(rng.sample(range(1, 400), rng.randint(0, 3)))
        price["tiers"] = []
        for bound in [*bounds, None]:
            tier = {"up_to": None if bound is None else str(bound)}
            if rate:
                tier[rate] = money(5)
            if not rate or rng.random() < 0.4:
                tier["flat"] = money(2)
            price["tiers"].append(tier)
    if rng.random() < 0.2:
        price["minimum"] = money(2)
    if rng.random() < 0.2:
        price["maximum"] = str(200 + rng.randint(0, 500))
    return price
