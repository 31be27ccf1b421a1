"""The action format: what is a tool call, what is bash, and what each mistake is told."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telos.envs.swe.actions import TOOLS, Action, MalformedActionError, parse_action


def message(text):
    with pytest.raises(MalformedActionError) as caught:
        parse_action(text)
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "ls -la",
        "  echo spaces stay  ",
        "<(echo hi) cat",
        "<<EOF cat\nhello\nEOF",
        "< input.txt sort",
        "<1.txt cat",
        "</bash>",
        "cat <<'X'\n<submit/>\nX",
        "echo '<bash>ls</bash>'",
        "# <submit/>",
        "echo 日本語 🦉",
        "a\r\nb",
    ],
)
def test_what_is_no_tool_call_is_bash_to_the_letter(text):
    assert parse_action(text) == Action("bash", {"command": text})


def test_a_redirection_that_looks_like_a_tag_is_told_how_to_write_bash():
    """``<`` and a letter is a tool call by the format; whoever meant a redirection must learn how to say so."""
    assert "<bash>" in message("<file cat")


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("<bash>ls -la</bash>", "ls -la"),
        ("<bash>\nls\n</bash>", "ls"),
        ("\n\n  <bash>ls</bash>  \n", "ls"),
        ("<bash>\n\nls\n\n</bash>", "\nls\n"),
        ("<bash>  ls  </bash>", "  ls  "),
        ("<bash >ls</bash>", "ls"),
        ("<bash>cat <<'E'\n</bash>\nE\n</bash>", "cat <<'E'\n</bash>\nE"),
        ("<bash>echo a; echo '<edit>'</bash>", "echo a; echo '<edit>'"),
        ("<bash>a && b > c & d \"e\" 'f'</bash>", "a && b > c & d \"e\" 'f'"),
    ],
)
def test_bash_in_tags(text, command):
    assert parse_action(text) == Action("bash", {"command": command})


@pytest.mark.parametrize(
    "text", ["<submit/>", "<submit />", " <submit/>\n", "<submit></submit>", "<submit>\n</submit>"]
)
def test_submit(text):
    assert parse_action(text) == Action("submit")


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ('<view path="a.py"/>', {"path": "a.py"}),
        ("<view path='a.py'/>", {"path": "a.py"}),
        ('<view path="a.py" start="40" end="80"/>', {"path": "a.py", "start": 40, "end": 80}),
        ('<view end="7"\n  path = "a b/ü.py" />', {"path": "a b/ü.py", "end": 7}),
        ('<view path="it\'s.py"></view>', {"path": "it's.py"}),
        ("<view path='a\"b.py'/>", {"path": 'a"b.py'}),
        ('<view path="a>b.py"/>', {"path": "a>b.py"}),
        ('<view path="a.py" start="007"/>', {"path": "a.py", "start": 7}),
    ],
)
def test_view(text, arguments):
    assert parse_action(text) == Action("view", arguments)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ('<search pattern="def post"/>', {"pattern": "def post"}),
        ('<search pattern="x" path="ledger"/>', {"pattern": "x", "path": "ledger"}),
        ("<search pattern='a \"b\" <c> \\d+ /'/>", {"pattern": 'a "b" <c> \\d+ /'}),
        ('<search pattern=" "/>', {"pattern": " "}),
    ],
)
def test_search(text, arguments):
    assert parse_action(text) == Action("search", arguments)


@pytest.mark.parametrize(
    ("old", "new", "parsed_old", "parsed_new"),
    [
        ("\nreturn 1\n", "\nreturn 2\n", "return 1", "return 2"),
        ("return 1", "return 2", "return 1", "return 2"),
        ("\n\n  a\n\n", "\n    b  \n", "\n  a\n", "    b  "),
        ("a", "", "a", ""),
        ("", "all of a new file\n", "", "all of a new file"),
        ("\n\n", "\n\n\n", "", "\n"),
        ("x</old>y", "p", "x</old>y", "p"),
        ("x", "p</new>q", "x", "p</new>q"),
        ("x", "<new>q", "x", "<new>q"),
        ("x", "</edit>", "x", "</edit>"),
        ("<old>x", "<old>", "<old>x", "<old>"),
        ("a < b && c > d &amp; \"e\" 'f'", "🦉\t", "a < b && c > d &amp; \"e\" 'f'", "🦉\t"),
        ("a\r\n", "b\r\n", "a\r", "b\r"),
    ],
)
def test_edit_takes_text_as_it_is_but_for_one_line_break_at_each_end(old, new, parsed_old, parsed_new):
    action = parse_action(f'<edit path="m.py">\n<old>{old}</old>\n<new>{new}</new>\n</edit>')
    assert action == Action("edit", {"path": "m.py", "old": parsed_old, "new": parsed_new})


def test_edit_on_one_line():
    action = parse_action('<edit path="m.py"><old>a</old><new>b</new></edit>')
    assert action == Action("edit", {"path": "m.py", "old": "a", "new": "b"})


@pytest.mark.parametrize("text", ["", " ", "\n\t\r\n", "\u3000"])
def test_empty(text):
    assert "empty" in message(text)
    assert "<submit/>" in message(text)


@pytest.mark.parametrize("text", ["a\0b", "<bash>a\0b</bash>", '<view path="\0"/>', "x\0"])
def test_nul(text):
    assert "NUL" in message(text)


@pytest.mark.parametrize(
    ("name", "hint"), [("bsh", "'bash'"), ("serch", "'search'"), ("edits", "'edit'"), ("Submit", "'submit'")]
)
def test_unknown_tool_gets_the_nearest_one(name, hint):
    assert f"unknown tool <{name}>" in message(f"<{name}/>")
    assert hint in message(f"<{name}/>")


def test_unknown_tool_without_a_near_one_gets_the_list():
    assert all(repr(tool) in message("<zzzzzz/>") for tool in TOOLS)


@pytest.mark.parametrize(
    ("text", "example"),
    [
        ("<view path=a.py/>", '<view path="'),
        ('<view path="a.py"', '<view path="'),
        ('<view path="a.py/>', '<view path="'),
        ("<search pattern/>", "<search pattern="),
        ("<edit path=a>", "<edit path="),
        ("<bash", "<bash>"),
        ("<submit", "<submit/>"),
        ("<submit ! />", "<submit/>"),
    ],
)
def test_broken_opening_tag_shows_how_the_tool_is_written(text, example):
    assert "opening tag" in message(text)
    assert example in message(text)


@pytest.mark.parametrize(
    ("text", "attribute"),
    [
        ('<view path="a" line="3"/>', "line"),
        ('<bash path="a">ls</bash>', "path"),
        ('<submit now="1"/>', "now"),
        ('<edit file="a"><old>a</old><new>b</new></edit>', "file"),
    ],
)
def test_unknown_attribute(text, attribute):
    assert f"has no attribute '{attribute}'" in message(text)


@pytest.mark.parametrize(
    ("text", "attribute"),
    [
        ("<view/>", "path"),
        ('<view path=""/>', "path"),
        ('<view start="1"/>', "path"),
        ("<search/>", "pattern"),
        ('<search pattern="" path="a"/>', "pattern"),
        ("<edit><old>a</old><new>b</new></edit>", "path"),
    ],
)
def test_missing_attribute(text, attribute):
    assert f"needs the attribute '{attribute}'" in message(text)


@pytest.mark.parametrize("number", ["0", "-1", "x", "1.5", "", " 3", "²", "1e3", "+4"])
@pytest.mark.parametrize("name", ["start", "end"])
def test_line_numbers(name, number):
    assert f"{name}={number!r} is no line number" in message(f'<view path="a" {name}="{number}"/>')


def test_an_endless_line_number_is_malformed_like_any_other():
    """Python refuses to read integers above 4300 digits with a plain ValueError."""
    assert "line number" in message(f'<view path="a" start="{"9" * 5000}"/>')


@pytest.mark.parametrize("body", ["", " ", "\n\n"])
def test_empty_bash(body):
    assert "<bash> is empty" in message(f"<bash>{body}</bash>")


def test_self_closed_bash_is_empty():
    assert "<bash> is empty" in message("<bash/>")


@pytest.mark.parametrize(
    "body",
    [
        "",
        "text",
        "<old>a</old>",
        "<new>b</new>",
        "<new>b</new><old>a</old>",
        "<old>a</old>x<new>b</new>",
        "x<old>a</old><new>b</new>",
        "<old>a</old><new>b</new>x",
        "<old>a<new>b</new>",
        "<old>a</old><new>b",
        "<OLD>a</OLD><NEW>b</NEW>",
    ],
)
def test_edit_without_its_two_parts(body):
    assert "needs one <old> and one <new>" in message(f'<edit path="m.py">{body}</edit>')


@pytest.mark.parametrize(
    ("text", "tool"),
    [
        ('<view path="a">text</view>', "view"),
        ('<search pattern="a">b</search>', "search"),
        ("<submit>x</submit>", "submit"),
    ],
)
def test_text_where_none_belongs(text, tool):
    assert f"<{tool}> takes no text" in message(text)


@pytest.mark.parametrize(
    "text",
    [
        "<submit/> bye",
        '<view path="a"/><submit/>',
        "<submit/>\n<submit/>",
        '<view path="a"/>\nls',
        "<submit></submit> done",
    ],
)
def test_two_actions_are_none(text):
    assert "exactly one tool call" in message(text)


@pytest.mark.parametrize("text", ["<bash>ls", '<edit path="a"><old>a</old><new>b</new>', "<submit>", '<view path="a">'])
def test_missing_closing_tag(text):
    assert "there is no </" in message(text)


def test_messages_fit_the_observation():
    """``result`` holds 2000 characters, and a message that quotes the action must not eat the advice."""
    assert len(message(f"<{'z' * 150_000}/>")) < 2_000
    assert len(message(f'<view {"z" * 150_000}="1"/>')) < 2_000
    assert len(message(f'<view path="a" start="{"z" * 150_000}"/>')) < 2_000


FRAGMENTS = st.sampled_from(
    [
        *(
            "<bash>",
            "</bash>",
            "<bash/>",
            "<submit/>",
            "<submit>",
            "</submit>",
            "<view",
            "<search",
            "<edit",
            "/>",
            ">",
            "<",
            "</view>",
        ),
        *(
            ' path="a"',
            " path='b'",
            ' start="1"',
            ' end="-2"',
            ' start="٣"',
            ' pattern="x"',
            " x=",
            '"',
            "'",
            "=",
            " ",
            "\n",
            "\r\n",
            "\\",
        ),
        *("<old>", "</old>", "<new>", "</new>", "</edit>", "ls", "9" * 4400, "\0", "🦉", "<a", "-", "\u2028", "\x1f"),
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.text(), st.lists(FRAGMENTS, max_size=12).map("".join)))
def test_nothing_but_the_documented_error_is_raised(text):
    try:
        action = parse_action(text)
    except MalformedActionError:
        return
    assert action.tool in TOOLS
    assert all(isinstance(value, str | int) for value in action.arguments.values())


@settings(deadline=None)
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_any_text_survives_in_tags(text):
    old_and_new = f'<edit path="p"><old>\n{text}\n</old><new>\n{text[::-1]}\n</new></edit>'
    if not any(tag in old_and_new[30:-20] for tag in ("<old>", "</old>", "<new>", "</new>")) or "<" not in text:
        assert parse_action(old_and_new) == Action("edit", {"path": "p", "old": text, "new": text[::-1]})
    if text.strip():
        assert parse_action(f"<bash>\n{text}\n</bash>") == Action("bash", {"command": text})
