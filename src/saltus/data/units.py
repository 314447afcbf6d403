"""Units that a column of written numbers may mix, and their scales; tables for `numbers`."""

from __future__ import annotations

from collections.abc import Collection

Scale = tuple[float, float]  # value in the family's base unit = value * factor + offset


def _family(**units: tuple[float, str]) -> dict[str, float]:
    return {spelling: factor for factor, spellings in units.values() for spelling in spellings.split()}


# Spellings of one letter are taken as written ("M" is a million, "m" a metre); longer ones in any case.
# The order decides for units of several families: "m" alone is a metre, "k" beside "m" makes it a million.
FAMILIES: dict[str, dict[str, float]] = {
    "mass": _family(
        microgram=(1e-6, "µg μg mcg"),
        milligram=(1e-3, "mg"),
        gram=(1.0, "g gr gram grams"),
        kilogram=(1e3, "kg kgs kilo kilos kilogram kilograms"),
        tonne=(1e6, "t ton tons tonne tonnes"),
        ounce=(28.349523125, "oz ounce ounces"),
        pound=(453.59237, "lb lbs pound pounds"),
    ),
    "length": _family(
        micrometre=(1e-6, "µm μm"),
        millimetre=(1e-3, "mm"),
        centimetre=(1e-2, "cm"),
        decimetre=(1e-1, "dm"),
        metre=(1.0, "m meter meters metre metres"),
        kilometre=(1e3, "km kms kilometer kilometers kilometre kilometres"),
        inch=(0.0254, 'in inch inches " ″'),
        foot=(0.3048, "ft foot feet"),
        yard=(0.9144, "yd yds yard yards"),
        mile=(1609.344, "mi mile miles"),
    ),
    "time": _family(
        millisecond=(1e-3, "ms msec"),
        second=(1.0, "s sec secs second seconds"),
        minute=(60.0, "m min mins minute minutes"),
        hour=(3600.0, "h hr hrs hour hours"),
        day=(86400.0, "d day days"),
        week=(604800.0, "w wk wks week weeks"),
        month=(2629746.0, "mo mos month months"),
        year=(31556952.0, "y yr yrs year years"),
    ),
    "share": _family(percent=(1.0, "% pct percent"), permille=(0.1, "‰"), fraction=(100.0, "fraction")),
    "multiplier": _family(
        thousand=(1e3, "k K tsd thousand"),
        million=(1e6, "m M mn mio mln million millions"),
        billion=(1e9, "b B bn bln billion billions"),
        trillion=(1e12, "T tn trillion trillions"),
    ),
    "temperature": _family(
        celsius=(1.0, "°C C ℃ celsius"),
        fahrenheit=(5.0 / 9.0, "°F F ℉ fahrenheit"),
        kelvin=(1.0, "K kelvin"),
    ),
    "volume": _family(
        millilitre=(1e-3, "ml cc"),
        centilitre=(1e-2, "cl"),
        decilitre=(1e-1, "dl"),
        litre=(1.0, "l L liter liters litre litres ltr"),
        gallon=(3.785411784, "gal gallon gallons"),
    ),
    "speed": _family(
        metre=(1.0, "m/s"),
        kilometre=(1 / 3.6, "km/h kmh kph"),
        mile=(0.44704, "mph"),
        knot=(0.5144444444444445, "kn kt knots"),
    ),
    "bytes": _family(
        byte=(1.0, "B byte bytes"),
        kilo=(1e3, "kb"),
        mega=(1e6, "mb"),
        giga=(1e9, "gb"),
        tera=(1e12, "tb"),
        kibi=(1024.0, "kib"),
        mebi=(1048576.0, "mib"),
        gibi=(1073741824.0, "gib"),
    ),
    "power": _family(watt=(1.0, "W watt watts"), kilowatt=(1e3, "kw"), megawatt=(1e6, "mw"), horse=(735.49875, "ps")),
    "energy": _family(
        joule=(1.0, "J"),
        kilojoule=(1e3, "kj"),
        kilocalorie=(4184.0, "kcal"),
        watt_hour=(3600.0, "Wh"),
        kwh=(3.6e6, "kwh"),
    ),
}
_OFFSETS = {("temperature", 5.0 / 9.0): -160.0 / 9.0}
_KELVIN = {"K", "kelvin"}
_ANY_CASE = {
    name: {spelling.lower(): factor for spelling, factor in units.items() if len(spelling) > 1} for name, units in FAMILIES.items()
}

CURRENCIES = {"$": "USD", "US$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR"} | {
    code: code
    for code in [
        "USD",
        "EUR",
        "GBP",
        "JPY",
        "INR",
        "CHF",
        "CNY",
        "AUD",
        "CAD",
        "SEK",
        "NOK",
        "DKK",
        "PLN",
        "CZK",
    ]
}


def scale_of(family: str, unit: str) -> Scale | None:
    """Factor and offset of a unit within its family, None where the family does not have it.

    Example:
        >>> scale_of("length", "CM"), scale_of("length", "kg")
        ((0.01, 0.0), None)
    """
    factor = FAMILIES[family].get(unit, _ANY_CASE[family].get(unit.lower()))
    if factor is None:
        return None
    if family == "temperature" and unit in _KELVIN:
        return factor, -273.15
    return factor, _OFFSETS.get((family, factor), 0.0)


def family_of(units: Collection[str]) -> str:
    """The first family that has all of `units`; "" when none has.

    Example:
        >>> family_of({"min", "h"}), family_of({"k", "M"}), family_of({"kg", "cm"})
        ('time', 'multiplier', '')
    """
    return next((name for name in FAMILIES if all(scale_of(name, unit) is not None for unit in units)), "")


def converter(family: str, source: str, target: str) -> Scale:
    """Factor and offset that take a value from one unit of a family into another.

    Example:
        >>> factor, offset = converter("temperature", "°F", "°C")
        >>> round(212 * factor + offset, 6)
        100.0
    """
    if source == target:
        return 1.0, 0.0
    factor, offset = scale_of(family, source) or (1.0, 0.0)
    base_factor, base_offset = scale_of(family, target) or (1.0, 0.0)
    return factor / base_factor, (offset - base_offset) / base_factor
