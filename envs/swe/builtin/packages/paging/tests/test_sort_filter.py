import pytest
from paging import apply_filters, parse_filter, parse_sort, sort_records

PEOPLE = [
    {"id": 1, "name": "Eve", "age": 30},
    {"id": 2, "name": "Bob", "age": 25},
    {"id": 3, "name": "Ann", "age": 30},
    {"id": 4, "name": "Dan", "age": None},
    {"id": 5, "name": "Cid"},
]


def ids(records):
    return [record["id"] for record in records]


def kept(*filters):
    return ids(apply_filters(PEOPLE, (parse_filter(text) for text in filters)))


def test_parse_sort_reads_directions():
    keys = parse_sort(" -age , name", iter(["name", "age"]))
    assert keys == [("age", True), ("name", False)]
    assert parse_sort("", ["a"]) == []
    assert parse_sort("  ", ["a"]) == []


@pytest.mark.parametrize("text", ["size", "--age", "age,", "-"], ids=["size", "dash", "end", "x"])
def test_parse_sort_rejects_unknown_empty_or_repeated_field(text):
    with pytest.raises(ValueError, match="cannot sort"):
        parse_sort(text, ["age"])
    with pytest.raises(ValueError, match="twice"):
        parse_sort("age,-age", ["age"])


def test_sort_puts_missing_values_last():
    assert ids(sort_records(PEOPLE, [("age", False)])) == [2, 1, 3, 4, 5]
    assert ids(sort_records(PEOPLE, [("age", True)])) == [1, 3, 2, 4, 5]


def test_sort_by_several_keys():
    assert ids(sort_records(PEOPLE, [("age", True), ("name", False)])) == [3, 1, 2, 5, 4]
    assert ids(sort_records(PEOPLE, [("age", False), ("name", True)])) == [2, 1, 3, 4, 5]


def test_sort_returns_new_list():
    records = list(PEOPLE)
    result = sort_records(records, [])
    result.pop()
    assert records == PEOPLE
    sort_records(records, [("name", False)])
    assert records == PEOPLE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("age>=30", ("age", ">=", 30)),
        ("age<=30", ("age", "<=", 30)),
        ("age!=-5", ("age", "!=", -5)),
        ("age > 3", ("age", ">", 3)),
        ("age<3", ("age", "<", 3)),
        (" name = Ann B ", ("name", "=", "Ann B")),
        ("name~7", ("name", "~", "7")),
        ("name=", ("name", "=", "")),
        ("name=--5", ("name", "=", "--5")),
        ("name=-", ("name", "=", "-")),
        ("x=\u0663", ("x", "=", "\u0663")),
    ],
    ids=["ge", "le", "ne", "gt", "lt", "eq", "has", "none", "dashes", "minus", "arabic"],
)
def test_parse_filter(text, expected):
    assert parse_filter(text) == expected


def test_parse_filter_takes_first_operator():
    assert parse_filter("name=a>=b") == ("name", "=", "a>=b")
    assert parse_filter("name~a=b") == ("name", "~", "a=b")


def test_parse_filter_rejects_missing_parts():
    with pytest.raises(ValueError, match="no operator"):
        parse_filter("age")
    with pytest.raises(ValueError, match="no field"):
        parse_filter(" =3")


def test_number_filters_respect_boundaries():
    assert kept("age>=30") == [1, 3]
    assert kept("age>25") == [1, 3]
    assert kept("age<=25") == [2]
    assert kept("age<30") == [2]
    assert kept("age=25") == [2]


def test_missing_values_pass_only_unequal():
    assert kept("age!=30") == [2, 4, 5]
    assert kept("age<99") == [1, 2, 3]


def test_text_filter_ignores_case():
    assert kept("name~AN") == [3, 4]
    assert kept("name=ann") == []


def test_different_kinds_pass_only_unequal():
    assert kept("name=3") == []
    assert kept("name!=3") == [1, 2, 3, 4, 5]
    assert kept("age>x") == []
    assert kept("age~3") == []


def test_all_filters_must_pass():
    assert kept("age=30", "name~e") == [1]
    assert kept() == [1, 2, 3, 4, 5]


def test_unknown_operator_is_rejected_even_without_records():
    with pytest.raises(ValueError, match="operator"):
        apply_filters([], [("age", "==", 1)])
