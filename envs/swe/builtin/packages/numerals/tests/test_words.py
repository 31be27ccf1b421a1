import pytest
from numerals import from_words, ordinal_words, to_words

TOP = 10**15 - 1


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (7, "seven"),
        (10, "ten"),
        (19, "nineteen"),
        (20, "twenty"),
        (45, "forty-five"),
        (100, "one hundred"),
        (999, "nine hundred ninety-nine"),
        (1000, "one thousand"),
        (12013, "twelve thousand thirteen"),
        (3000000, "three million"),
        (1000200, "one million two hundred"),
        (5000000002, "five billion two"),
        (10**12, "one trillion"),
    ],
    ids=[f"n{index}" for index in range(14)],
)
def test_numbers_and_their_words(number, words):
    assert to_words(number) == words
    assert from_words(words) == number


def test_negative_numbers_start_with_minus():
    assert to_words(-21) == "minus twenty-one"
    assert from_words("minus twenty-one") == -21


def test_and_follows_a_hundred():
    assert to_words(105, use_and=True) == "one hundred and five"
    assert to_words(200, use_and=True) == "two hundred"
    assert to_words(120015, use_and=True) == "one hundred and twenty thousand and fifteen"


def test_and_joins_a_last_part_below_a_hundred():
    assert to_words(1005, use_and=True) == "one thousand and five"
    assert to_words(1100, use_and=True) == "one thousand one hundred"
    assert to_words(1000, use_and=True) == "one thousand"
    assert to_words(2001000, use_and=True) == "two million one thousand"


def test_and_is_left_out_by_default_and_before_small_numbers():
    assert to_words(1105) == "one thousand one hundred five"
    assert to_words(55, use_and=True) == "fifty-five"
    assert to_words(-101, use_and=True) == "minus one hundred and one"


def test_to_words_bounds():
    assert to_words(TOP).startswith("nine hundred ninety-nine trillion nine hundred")
    for number in (TOP + 1, -TOP - 1):
        with pytest.raises(ValueError, match="too large"):
            to_words(number)
    assert to_words(-TOP).startswith("minus nine hundred")


@pytest.mark.parametrize("number", [88, 317, 40017, 612005, 7000900, 80011012, TOP, -1001])
def test_words_read_back_with_and_without_and(number):
    assert from_words(to_words(number)) == number
    assert from_words(to_words(number, use_and=True)) == number


def test_from_words_ignores_case_commas_and_hyphens():
    assert from_words("  One Thousand,  two hundred FORTY five ") == 1245
    assert from_words("one-hundred") == 100


@pytest.mark.parametrize(
    "text",
    ["", "twenty eleven", "one million million", "hundred", "and one", "five minus", "minus zero"],
    ids=["empty", "tens", "scale", "bare", "and", "minus", "zero"],
)
def test_from_words_refuses_what_is_never_written(text):
    with pytest.raises(ValueError, match="not a number in words"):
        from_words(text)


def test_from_words_refuses_unknown_words_and_too_large_numbers():
    with pytest.raises(ValueError, match="unknown word 'dozen'"):
        from_words("one dozen")
    with pytest.raises(ValueError, match="not a number"):
        from_words("one thousand trillion")
    with pytest.raises(ValueError, match="not a number"):
        from_words("ten hundred trillion")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1, "first"),
        (4, "fourth"),
        (12, "twelfth"),
        (20, "twentieth"),
        (23, "twenty-third"),
        (100, "one hundredth"),
        (105, "one hundred fifth"),
        (1030, "one thousand thirtieth"),
    ],
    ids=[f"n{index}" for index in range(8)],
)
def test_ordinal_words(number, words):
    assert ordinal_words(number) == words


def test_irregular_ordinal_words():
    names = [ordinal_words(number) for number in (2, 5, 8, 9)]
    assert names == ["second", "fifth", "eighth", "ninth"]


def test_ordinal_words_start_at_one():
    with pytest.raises(ValueError, match="start at 1"):
        ordinal_words(0)
