"""Rules in English."""

from recurrence.rule import Freq, MonthEnd, Rule

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def ordinal(number: int) -> str:
    """Return ``1st``, ``2nd``, ``3rd``, ``11th``, ...; ``last`` for -1, ``2nd last`` for -2."""
    if number == -1:
        return "last"
    if number < 0:
        return f"{ordinal(-number)} last"
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"


def describe(rule: Rule) -> str:
    """Return a rule in English, such as ``every 2 weeks on Mon, Wed, 5 times``.

    The parts come in this order: the interval, ``in`` the months, ``on`` weekdays or
    ``on the`` days of the month followed by nth weekdays, ``or the month's end`` when such
    days are clamped, and the count or the last day.
    """
    unit = rule.freq.value
    text = f"every {unit}" if rule.interval == 1 else f"every {rule.interval} {unit}s"
    if rule.months:
        text += " in " + ", ".join(MONTHS[month - 1] for month in rule.months)
    if rule.weekdays:
        text += " on " + ", ".join(WEEKDAYS[weekday] for weekday in rule.weekdays)
    days = [f"{ordinal(day)} day" if day < 0 else ordinal(day) for day in rule.month_days]
    days.extend(f"{ordinal(nth.n)} {WEEKDAYS[nth.weekday]}" for nth in rule.nth)
    if days:
        text += " on the " + ", ".join(days)
    if rule.month_end is MonthEnd.CLAMP and rule.freq in (Freq.MONTHLY, Freq.YEARLY):
        text += " or the month's end"
    if rule.count is not None:
        text += f", {rule.count} time" + ("" if rule.count == 1 else "s")
    if rule.until is not None:
        text += f", until {rule.until}"
    return text
