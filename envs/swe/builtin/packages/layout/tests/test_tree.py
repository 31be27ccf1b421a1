import pytest
from layout import Tree, parse_outline, render_tree


def sample():
    return Tree("r", [Tree("b", [Tree("y"), Tree("x", [Tree("z")])]), Tree("a", [Tree("w")])])


def test_render_tree_with_unicode_branches_by_default():
    assert render_tree(sample()).split("\n") == [
        "r",
        "├── b",
        "│   ├── y",
        "│   └── x",
        "│       └── z",
        "└── a",
        "    └── w",
    ]


def test_render_tree_in_ascii():
    tree = Tree("r", [Tree("a", [Tree("b")]), Tree("c")])
    assert render_tree(tree, "ascii") == "r\n|-- a\n|   `-- b\n`-- c"


def test_render_tree_counts_what_max_depth_leaves_out():
    assert render_tree(sample(), "ascii", 2) == "r\n|-- b (+3)\n`-- a (+1)"
    assert render_tree(sample(), max_depth=1) == "r (+6)"
    assert render_tree(sample(), max_depth=4) == render_tree(sample())


def test_render_tree_refuses_bad_options():
    with pytest.raises(ValueError, match="style"):
        render_tree(sample(), "fancy")
    with pytest.raises(ValueError, match="max_depth"):
        render_tree(sample(), max_depth=0)


def test_size_and_depth():
    assert (sample().size(), sample().depth()) == (7, 4)
    assert (Tree("a").size(), Tree("a").depth()) == (1, 1)


def test_sorted_orders_every_level():
    expected = Tree("r", [Tree("a", [Tree("w")]), Tree("b", [Tree("x", [Tree("z")]), Tree("y")])])
    assert sample().sorted() == expected


def test_sorted_by_key_shares_nothing():
    tree = sample()
    ordered = tree.sorted(key=lambda node: str(-node.size()))
    assert [child.label for child in ordered.children] == ["a", "b"]
    ordered.children[0].children.clear()
    assert tree == sample()


def test_parse_outline_nests_by_indentation():
    text = "r\n  b\n    y\n    x\n      z\n  a\n    w\n"
    assert parse_outline(text) == [sample()]


def test_parse_outline_reads_several_roots_and_skips_blank_lines():
    assert parse_outline("a \n\n b\n   \nc", step=1) == [Tree("a", [Tree("b")]), Tree("c")]
    assert parse_outline("") == []


@pytest.mark.parametrize(
    ("text", "line"),
    [("  a", 1), ("a\n b", 2), ("a\n\n    b", 3), ("a\n  b\nc\n    d", 4)],
    ids=["root", "odd", "deep", "back"],
)
def test_parse_outline_refuses_bad_indentation(text, line):
    with pytest.raises(ValueError, match=f"line {line} "):
        parse_outline(text)


def test_parse_outline_bounds_of_step():
    with pytest.raises(ValueError, match="step"):
        parse_outline("a", step=0)
