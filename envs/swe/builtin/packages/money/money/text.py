"""Money to text and back."""

from money.amount import Money
from money.currency import Currency, CurrencyTable, MoneyError


def format_money(money: Money, *, symbol: bool = False, group: str = ",", point: str = ".") -> str:
    """Return the amount as text, such as ``USD 1,234.50``, ``-JPY 7`` or ``-$1.00``.

    With ``symbol`` the currency's symbol stands without a space in place of the code, unless
    it is empty. The whole part is grouped in threes with ``group``; all decimal places are
    shown after ``point``, which is left out for a currency without places.
    """
    currency = money.currency
    whole, minor = divmod(abs(money.minor), currency.scale)
    digits = f"{whole:,}".replace(",", group)
    if currency.places > 0:
        digits += f"{point}{minor:0{currency.places}d}"
    mark = currency.symbol if symbol and currency.symbol else f"{currency.code} "
    return f"{'-' if money.minor < 0 else ''}{mark}{digits}"


def parse_money(text: str, table: CurrencyTable, *, group: str = ",", point: str = ".") -> Money:
    """Return the Money that ``text`` shows, as format_money writes it.

    Accepted are an optional ``-``, then a code of ``table`` in any letter case or a symbol,
    then digits; spaces around and between these parts are ignored. Groups may be left out,
    but where ``group`` occurs every group after the first has exactly three digits and the
    first one to three. Fewer decimal places than the currency has are filled with zeros.
    MoneyError is raised for more places than the currency has, for a point without digits on
    both sides, and for everything else that does not fit.
    """
    body = text.strip()
    negative = body.startswith("-")
    if negative:
        body = body[1:].lstrip()
    start = next((i for i, char in enumerate(body) if char.isdigit()), len(body))
    currency = _currency(body[:start].strip(), table)
    whole, found, decimals = body[start:].partition(point)
    if len(decimals) > currency.places:
        raise MoneyError(f"{text!r} has too many decimal places")
    groups = whole.split(group)
    if len(groups) > 1 and (len(groups[0]) > 3 or any(len(part) != 3 for part in groups[1:])):
        raise MoneyError(f"{text!r} is grouped wrongly")
    for part in [*groups, decimals] if found else groups:
        if not (part.isascii() and part.isdigit()):
            raise MoneyError(f"{text!r} is not an amount")
    minor = int("".join(groups) + decimals.ljust(currency.places, "0"))
    return Money(-minor if negative else minor, currency)


def _currency(mark: str, table: CurrencyTable) -> Currency:
    """Return the currency whose code or symbol is ``mark``."""
    return table.get(mark) if mark.isalpha() else table.by_symbol(mark)
