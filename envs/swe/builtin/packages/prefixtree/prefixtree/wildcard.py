"""Pattern and approximate search over a trie."""

from .trie import Node, Trie

_ANY_ONE = "?"
_ANY_RUN = "*"


def _parse(pattern: str) -> list[tuple[str, bool]]:
    """Split a pattern into ``(character, is_wildcard)`` tokens."""
    tokens: list[tuple[str, bool]] = []
    escaped = False
    for char in pattern:
        if escaped:
            tokens.append((char, False))
            escaped = False
        elif char == "\\":
            escaped = True
        else:
            tokens.append((char, char in (_ANY_ONE, _ANY_RUN)))
    if escaped:
        raise ValueError("pattern ends in a lone backslash")
    return tokens


def match(trie: Trie, pattern: str) -> list[str]:
    r"""Return the words that match the whole ``pattern``, in code point order.

    ``?`` stands for exactly one character, ``*`` for any run of characters (the empty run too),
    and a backslash takes the next character literally. Each word is reported once. Raises
    ValueError for a pattern that ends in a lone backslash.
    """
    tokens = _parse(pattern)
    found: set[str] = set()
    seen: set[tuple[str, int]] = set()
    stack: list[tuple[str, Node, int]] = [("", trie.root, 0)]
    while stack:
        text, node, position = stack.pop()
        if (text, position) in seen:
            continue
        seen.add((text, position))
        if position == len(tokens):
            if node.weight is not None:
                found.add(text)
            continue
        char, is_wildcard = tokens[position]
        if is_wildcard and char == _ANY_RUN:
            stack.append((text, node, position + 1))
            for letter, child in node.children.items():
                stack.append((text + letter, child, position))
        elif is_wildcard:
            for letter, child in node.children.items():
                stack.append((text + letter, child, position + 1))
        elif char in node.children:
            stack.append((text + char, node.children[char], position + 1))
    return sorted(found)


def within_distance(trie: Trie, word: str, max_edits: int = 1) -> list[tuple[int, str]]:
    """Return ``(edits, stored word)`` for words at most ``max_edits`` away from ``word``.

    An edit inserts, removes or replaces one character. The result is sorted by edits, then in
    code point order. Raises ValueError if ``max_edits`` is negative.
    """
    if max_edits < 0:
        raise ValueError("max_edits must not be negative")
    found: list[tuple[int, str]] = []
    stack = [("", trie.root, list(range(len(word) + 1)))]
    while stack:
        text, node, row = stack.pop()
        if node.weight is not None and row[-1] <= max_edits:
            found.append((row[-1], text))
        for letter, child in node.children.items():
            next_row = [row[0] + 1]
            for column, char in enumerate(word, start=1):
                replace = row[column - 1] + (char != letter)
                next_row.append(min(replace, row[column] + 1, next_row[-1] + 1))
            if min(next_row) <= max_edits:
                stack.append((text + letter, child, next_row))
    return sorted(found)
