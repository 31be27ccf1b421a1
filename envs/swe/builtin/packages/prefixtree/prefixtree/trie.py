"""The trie itself: words with integer weights, stored character by character."""

from collections.abc import Iterable, Iterator


class Node:
    """One character position: its children, the weight of a word ending here, a word count."""

    __slots__ = ("children", "count", "weight")

    def __init__(self) -> None:
        self.children: dict[str, Node] = {}
        self.weight: int | None = None
        self.count = 0

    def ordered(self) -> list[tuple[str, "Node"]]:
        """Return ``(character, child)`` pairs in code point order."""
        return sorted(self.children.items(), key=lambda pair: pair[0])


class Trie:
    """A set of non-empty words, each with an integer weight.

    The constructor takes an iterable of words and stores each with ``insert(word)``.
    """

    def __init__(self, words: Iterable[str] = ()) -> None:
        self.root = Node()
        for word in words:
            self.insert(word)

    def __len__(self) -> int:
        """Number of distinct words."""
        return self.root.count

    def __contains__(self, word: str) -> bool:
        """Whether exactly ``word`` was inserted; a mere prefix of a word is not contained."""
        node = self.find_node(word)
        return node is not None and node.weight is not None

    def __iter__(self) -> Iterator[str]:
        """Iterate over all words in code point order."""
        return self.words()

    @property
    def node_count(self) -> int:
        """Number of nodes, the root included; 1 for an empty trie."""
        total = 0
        stack = [self.root]
        while stack:
            node = stack.pop()
            total += 1
            stack.extend(node.children.values())
        return total

    def find_node(self, prefix: str) -> Node | None:
        """Return the node reached by ``prefix`` (the root for ""), or None."""
        node = self.root
        for char in prefix:
            child = node.children.get(char)
            if child is None:
                return None
            node = child
        return node

    def insert(self, word: str, weight: int = 1) -> bool:
        """Store ``word`` and return True if it is new.

        A word that is already stored has its weight replaced, and the result is False. Raises
        ValueError for an empty word or a negative weight.
        """
        if not word:
            raise ValueError("cannot store an empty word")
        if weight < 0:
            raise ValueError("weight must not be negative")
        is_new = word not in self
        path = [self.root]
        for char in word:
            path.append(path[-1].children.setdefault(char, Node()))
        path[-1].weight = weight
        if is_new:
            for node in path:
                node.count += 1
        return is_new

    def weight(self, word: str) -> int:
        """Return the weight of ``word``; KeyError if it is not stored."""
        node = self.find_node(word)
        if node is None or node.weight is None:
            raise KeyError(word)
        return node.weight

    def bump(self, word: str, by: int = 1) -> int:
        """Add ``by`` to the weight of ``word``, inserting it with weight ``by`` if it is new.

        The weight never falls below 0. Returns the weight now stored.
        """
        current = self.weight(word) if word in self else 0
        self.insert(word, max(0, current + by))
        return self.weight(word)

    def delete(self, word: str) -> bool:
        """Remove ``word`` and return True, or return False if it is not stored.

        Nodes that no remaining word needs are pruned.
        """
        if word not in self:
            return False
        node = self.root
        node.count -= 1
        for char in word:
            child = node.children[char]
            child.count -= 1
            if child.count == 0:
                del node.children[char]
                return True
            node = child
        node.weight = None
        return True

    def count_prefix(self, prefix: str) -> int:
        """Return how many words start with ``prefix``, a word equal to it included."""
        node = self.find_node(prefix)
        return 0 if node is None else node.count

    def words(self, prefix: str = "") -> Iterator[str]:
        """Yield the words that start with ``prefix`` in code point order (all by default)."""
        start = self.find_node(prefix)
        if start is None:
            return
        stack = [(prefix, start)]
        while stack:
            text, node = stack.pop()
            if node.weight is not None:
                yield text
            for char, child in reversed(node.ordered()):
                stack.append((text + char, child))

    def prefixes_of(self, text: str) -> list[str]:
        """Return the stored words that are prefixes of ``text``, shortest first."""
        found: list[str] = []
        node = self.root
        for index, char in enumerate(text):
            if char not in node.children:
                break
            node = node.children[char]
            if node.weight is not None:
                found.append(text[: index + 1])
        return found

    def longest_prefix(self, text: str) -> str | None:
        """Return the longest stored word that ``text`` starts with (or equals), else None."""
        found = self.prefixes_of(text)
        return found[-1] if found else None
