"""English number words, short scale, up to 999 trillion."""

from __future__ import annotations

SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
ROUND = "zero ten twenty thirty forty fifty sixty seventy eighty ninety"
ONES = SMALL.split()
TENS = ROUND.split()
SCALES = ("", "thousand", "million", "billion", "trillion")
LIMIT = 1000 ** len(SCALES)
IRREGULAR = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}


def to_words(number: int, use_and: bool = False) -> str:
    """The number in lower-case words, as in "minus one thousand two hundred forty-five".

    With `use_and`, what follows a hundred, and a last part below a hundred that follows any
    other word, is joined by "and" ("one hundred and five", "one thousand and five"). ValueError
    for 1000 trillion or more on either side of zero.
    """
    if number < 0:
        return "minus " + to_words(-number, use_and)
    if number >= LIMIT:
        raise ValueError(f"{number} is too large")
    if number == 0:
        return ONES[0]
    parts: list[str] = []
    for power in reversed(range(len(SCALES))):
        group = number // 1000**power % 1000
        if group == 0:
            continue
        words = _below_thousand(group, use_and)
        if power == 0 and group < 100 and parts and use_and:
            words = "and " + words
        parts.append(f"{words} {SCALES[power]}".strip())
    return " ".join(parts)


def _below_thousand(number: int, use_and: bool) -> str:
    hundreds, rest = divmod(number, 100)
    parts: list[str] = []
    if hundreds:
        parts.append(f"{ONES[hundreds]} hundred")
    if hundreds and rest and use_and:
        parts.append("and")
    if rest >= 20:
        tens, ones = divmod(rest, 10)
        parts.append(TENS[tens] + (f"-{ONES[ones]}" if ones else ""))
    elif rest:
        parts.append(ONES[rest])
    return " ".join(parts)


def ordinal_words(number: int) -> str:
    """The ordinal of a number above 0 in words, as in "twenty-first"; ValueError below 1."""
    if number < 1:
        raise ValueError("ordinals start at 1")
    words = to_words(number)
    cut = max(words.rfind(" "), words.rfind("-")) + 1
    last = words[cut:]
    if last in IRREGULAR:
        return words[:cut] + IRREGULAR[last]
    if last.endswith("y"):
        return words[:-1] + "ieth"
    return words + "th"


def from_words(text: str) -> int:
    """The number that `text` spells, as `to_words` writes it with or without "and".

    Case, commas and extra white space do not matter, and a hyphen may be a space. Anything that
    `to_words` would not write, such as "twenty eleven" or "one million million", raises
    ValueError.
    """
    words = text.lower().replace("-", " ").replace(",", " ").split()
    total = group = 0
    for word in words:
        if word in ONES:
            group += ONES.index(word)
        elif word in TENS:
            group += TENS.index(word) * 10
        elif word == "hundred":
            group *= 100
        elif word in SCALES:
            total += group * 1000 ** SCALES.index(word)
            group = 0
        elif word not in ("and", "minus"):
            raise ValueError(f"unknown word {word!r}")
    number = -(total + group) if words[:1] == ["minus"] else total + group
    if abs(number) < LIMIT:
        for use_and in (False, True):
            if to_words(number, use_and).replace("-", " ").split() == words:
                return number
    raise ValueError(f"{text!r} is not a number in words")
