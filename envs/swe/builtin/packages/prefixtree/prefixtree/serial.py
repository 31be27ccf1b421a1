"""Front-coded text form of a trie."""

import json

from .trie import Trie

VERSION = 1


def dumps(trie: Trie) -> str:
    """Return a JSON text ``{"version": 1, "words": [[shared, suffix, weight], ...]}``.

    Words come in code point order. ``shared`` is the number of leading characters a word has in
    common with the word before it (0 for the first one), ``suffix`` the rest of the word.
    """
    rows: list[list[object]] = []
    previous = ""
    for word in trie:
        shared = 0
        while shared < min(len(previous), len(word)) and previous[shared] == word[shared]:
            shared += 1
        rows.append([shared, word[shared:], trie.weight(word)])
        previous = word
    return json.dumps({"version": VERSION, "words": rows})


def loads(text: str) -> Trie:
    """Rebuild the trie that ``dumps`` wrote.

    Raises ValueError if the version is not 1, if ``shared`` is negative or greater than the
    length of the word before, or if the words are not in strictly ascending order.
    """
    data = json.loads(text)
    if data.get("version") != VERSION:
        raise ValueError(f"unsupported version: {data.get('version')}")
    trie = Trie()
    previous = ""
    for shared, suffix, weight in data["words"]:
        if not 0 <= shared <= len(previous):
            raise ValueError(f"bad shared length: {shared}")
        word = previous[:shared] + suffix
        if word <= previous:
            raise ValueError(f"words out of order: {word}")
        trie.insert(word, weight)
        previous = word
    return trie
