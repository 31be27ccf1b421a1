import pytest
from undoredo import Delete, Document, Insert, Replace


def test_new_document_is_empty_at_revision_zero():
    document = Document()
    assert document.text == ""
    assert len(document) == 0
    assert document.revision == 0


def test_read_returns_range():
    document = Document("abcdef")
    assert document.read(1, 3) == "bcd"
    assert document.read(3, 3) == "def"
    assert document.read(6, 0) == ""


@pytest.mark.parametrize(("start", "length"), [(-1, 1), (0, -1), (0, 4), (3, 1), (4, 0)])
def test_range_outside_raises(start, length):
    document = Document("abc")
    with pytest.raises(IndexError):
        document.read(start, length)
    with pytest.raises(IndexError):
        document.replace(start, length, "x")
    assert document.text == "abc"
    assert document.revision == 0


def test_replace_returns_old_text_and_counts_revisions():
    document = Document("abcdef")
    assert document.replace(1, 2, "XYZ") == "bc"
    assert document.text == "aXYZdef"
    assert document.replace(7, 0, "!") == ""
    assert document.text == "aXYZdef!"
    assert document.revision == 2


@pytest.mark.parametrize(("offset", "expected"), [(0, (1, 1)), (2, (1, 3)), (3, (2, 1)), (4, (3, 1)), (6, (3, 3))])
def test_position_is_one_based(offset, expected):
    assert Document("ab\n\nxy").position(offset) == expected


def test_position_outside_raises():
    for offset in (-1, 3):
        with pytest.raises(IndexError):
            Document("ab").position(offset)


@pytest.mark.parametrize(
    ("command", "result"),
    [
        (Insert(2, "XY"), "abXYcdef"),
        (Insert(6, "!"), "abcdef!"),
        (Delete(1, "bcd"), "aef"),
        (Replace(2, "cd", "1"), "ab1ef"),
        (Replace(0, "a", "123"), "123bcdef"),
    ],
    ids=["insert", "insert_end", "delete", "shorten", "lengthen"],
)
def test_apply_and_revert(command, result):
    document = Document("abcdef")
    command.apply(document)
    assert document.text == result
    command.revert(document)
    assert document.text == "abcdef"


def test_delete_at_reads_text_without_change():
    document = Document("abcdef")
    assert Delete.at(document, 2, 3) == Delete(2, "cde")
    assert document.revision == 0
    with pytest.raises(IndexError):
        Delete.at(document, 5, 2)


@pytest.mark.parametrize("command", [Delete(0, "b"), Replace(0, "b", "x")], ids=["del", "rep"])
def test_other_text_is_not_removed(command):
    document = Document("abc")
    with pytest.raises(ValueError, match="not there"):
        command.apply(document)
    assert document.revision == 0


def test_insert_merges_right_behind():
    assert Insert(3, "ab").merged(Insert(5, "c")) == Insert(3, "abc")
    assert Insert(3, "ab").merged(Insert(4, "c")) is None
    assert Insert(3, "ab").merged(Insert(3, "c")) is None


def test_insert_does_not_merge_after_newline():
    assert Insert(0, "a\n").merged(Insert(2, "b")) is None
    assert Insert(0, "a").merged(Insert(1, "\n")) == Insert(0, "a\n")


def test_delete_merges_backspace_and_delete_key():
    assert Delete(5, "c").merged(Delete(3, "ab")) == Delete(3, "abc")
    assert Delete(5, "c").merged(Delete(5, "de")) == Delete(5, "cde")
    assert Delete(5, "c").merged(Delete(3, "a")) is None
    assert Delete(5, "c").merged(Delete(6, "x")) is None


def test_different_kinds_do_not_merge():
    assert Insert(0, "a").merged(Delete(1, "b")) is None
    assert Delete(1, "b").merged(Insert(1, "a")) is None
    assert Replace(0, "a", "b").merged(Replace(1, "c", "d")) is None


@pytest.mark.parametrize("command", [Insert(0, "a"), Delete(0, "a"), Replace(0, "a", "b")], ids=["ins", "del", "rep"])
def test_commands_are_immutable(command):
    with pytest.raises(AttributeError):
        command.start = 1
    assert command.start == 0
