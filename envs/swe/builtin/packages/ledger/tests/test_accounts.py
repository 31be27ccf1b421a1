import pytest
from ledger import Account, AccountType, Chart, ChartError


def small_chart():
    chart = Chart()
    chart.add("assets", AccountType.ASSET)
    chart.add("assets:cash", AccountType.ASSET)
    chart.add("assets:bank")
    chart.add("assets:bank:savings")
    chart.add("assets:bank:checking")
    chart.add("assets:bankrupt")
    return chart


@pytest.mark.parametrize(
    ("kind", "sign"),
    [
        (AccountType.ASSET, 1),
        (AccountType.EXPENSE, 1),
        (AccountType.LIABILITY, -1),
        (AccountType.EQUITY, -1),
        (AccountType.INCOME, -1),
    ],
    ids=["asset", "expense", "liability", "equity", "income"],
)
def test_normal_sign(kind, sign):
    assert kind.normal_sign == sign


def test_only_income_and_expense_are_temporary():
    temporary = [kind for kind in AccountType if kind.is_temporary]
    assert temporary == [AccountType.INCOME, AccountType.EXPENSE]


def test_account_name_and_parent():
    account = Account("assets:bank:checking", AccountType.ASSET)
    assert account.name == "checking"
    assert account.parent == "assets:bank"
    root = Account("assets", AccountType.ASSET)
    assert (root.name, root.parent) == ("assets", None)


def test_child_inherits_kind():
    chart = Chart()
    chart.add("debt", AccountType.LIABILITY)
    assert chart.add("debt:card") == Account("debt:card", AccountType.LIABILITY)
    assert chart.add("debt:loan", AccountType.LIABILITY).kind is AccountType.LIABILITY


def test_child_with_another_kind_is_refused():
    chart = small_chart()
    with pytest.raises(ChartError, match="must have kind asset"):
        chart.add("assets:odd", AccountType.EQUITY)


def test_root_needs_a_kind():
    with pytest.raises(ChartError, match="needs a kind"):
        Chart().add("assets")
    with pytest.raises(ChartError, match="unknown account 'income'"):
        Chart().add("income:sales", AccountType.INCOME)


def test_duplicate_is_refused():
    with pytest.raises(ChartError, match="duplicate"):
        small_chart().add("assets:bank")


@pytest.mark.parametrize("path", ["", ":cash", "assets:", "assets: "], ids=["none", "lead", "trail", "blank"])
def test_empty_segment_is_refused(path):
    with pytest.raises(ChartError, match="empty segment"):
        small_chart().add(path, AccountType.ASSET)


def test_get_unknown_account():
    with pytest.raises(ChartError, match="unknown account"):
        small_chart().get("nope")
    with pytest.raises(ChartError, match="unknown account"):
        small_chart().children("nope")


def test_children_are_direct_and_sorted():
    chart = small_chart()
    assert chart.children("assets") == ["assets:bank", "assets:bankrupt", "assets:cash"]
    assert chart.children("assets:bank") == ["assets:bank:checking", "assets:bank:savings"]
    assert chart.is_leaf("assets:cash")
    assert not chart.is_leaf("assets:bank")


def test_subtree_lists_parents_first_and_ignores_textual_prefixes():
    assert small_chart().subtree("assets:bank") == [
        "assets:bank",
        "assets:bank:checking",
        "assets:bank:savings",
    ]


def test_leaves_are_sorted_by_path():
    chart = small_chart()
    assert [account.path for account in chart.leaves()] == [
        "assets:bank:checking",
        "assets:bank:savings",
        "assets:bankrupt",
        "assets:cash",
    ]
