"""Division of integers under a rounding mode."""

from enum import Enum


class Rounding(Enum):
    """How a quotient that is not whole becomes whole.

    UP is away from zero and DOWN towards it; CEILING and FLOOR are towards plus and minus
    infinity. The HALF modes go to the nearest whole number; HALF_UP takes a tie away from
    zero, HALF_DOWN towards zero, HALF_EVEN to the even neighbour.
    """

    UP = "up"
    DOWN = "down"
    CEILING = "ceiling"
    FLOOR = "floor"
    HALF_UP = "half_up"
    HALF_DOWN = "half_down"
    HALF_EVEN = "half_even"


def divide(numerator: int, denominator: int, mode: Rounding = Rounding.HALF_EVEN) -> int:
    """Return ``numerator / denominator`` rounded by ``mode``, computed exactly.

    Raise ZeroDivisionError when ``denominator`` is zero.
    """
    if denominator == 0:
        raise ZeroDivisionError("rounded division by zero")
    negative = (numerator < 0) != (denominator < 0)
    quotient, rest = divmod(abs(numerator), abs(denominator))
    if rest != 0 and _away_from_zero(quotient, 2 * rest - abs(denominator), mode, negative):
        quotient += 1
    return -quotient if negative else quotient


def _away_from_zero(quotient: int, above_half: int, mode: Rounding, negative: bool) -> bool:
    """Return whether a truncated ``quotient`` with a remainder grows by one in magnitude.

    ``above_half`` has the sign of the remainder less one half.
    """
    if mode is Rounding.UP:
        return True
    if mode is Rounding.DOWN:
        return False
    if mode is Rounding.CEILING:
        return not negative
    if mode is Rounding.FLOOR:
        return negative
    if above_half != 0:
        return above_half > 0
    if mode is Rounding.HALF_EVEN:
        return quotient % 2 == 1
    return mode is Rounding.HALF_UP
