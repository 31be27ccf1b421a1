"""Completion of prefixes, ranked by weight."""

from .trie import Trie


def complete(
    trie: Trie,
    prefix: str,
    limit: int = 5,
    *,
    min_weight: int = 0,
    include_exact: bool = True,
) -> list[str]:
    """Return up to ``limit`` words that start with ``prefix``, best first.

    Words rank by higher weight, then by shorter length, then by code point order. Words of a
    weight below ``min_weight`` are left out, and so is the word equal to ``prefix`` when
    ``include_exact`` is False. Raises ValueError if ``limit`` is less than 1.
    """
    if limit < 1:
        raise ValueError("limit must be at least 1")
    candidates = [
        word for word in trie.words(prefix) if trie.weight(word) >= min_weight and (include_exact or word != prefix)
    ]
    candidates.sort(key=lambda word: (-trie.weight(word), len(word), word))
    return candidates[:limit]


def common_prefix(trie: Trie, prefix: str = "") -> str | None:
    """Return the longest string that starts all words starting with ``prefix``.

    This is what a shell would fill in unambiguously. It stops at a stored word, even if every
    other word goes on from there. Returns None if no word starts with ``prefix``.
    """
    node = trie.find_node(prefix)
    if node is None or node.count == 0:
        return None
    text = prefix
    while node.weight is None and len(node.children) == 1:
        ((char, node),) = node.children.items()
        text += char
    return text
