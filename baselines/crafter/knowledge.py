"""What an agent keeps of an episode: a graph of goals, experiences and perceptions, from which it recalls what matters.

After DAMCS (arXiv 2502.05453), whose agents keep a hierarchical memory as a knowledge graph around their goals. What is
relevant and what is forgotten is ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import log

__all__ = ["LEVELS", "KnowledgeGraph", "Node"]

#: From the lasting to the fleeting: what is wanted, what came of it, what was seen.
LEVELS = ("goal", "experience", "perception")
_WORD = re.compile(r"[a-z]+")
#: Relevance that a node passes on over each link, and share of relevance that is left after so many steps. Ours.
_PASSED_ON, _HALF_LIFE = 0.5, 100.0


@dataclass
class Node:
    """Something that is known.

    Attributes:
        level: One of ``LEVELS``.
        text: In words.
        step: When it was noted, or noted again.
        links: Of other nodes, by relation: ``{"part of": ["find a diamond"]}``.
    """

    level: str
    text: str
    step: int
    links: dict[str, list[str]] = field(default_factory=dict)


class KnowledgeGraph:
    """The memory of one agent.

    Args:
        capacity: Nodes that are kept of each level; the oldest are forgotten, goals with other nodes under them last.

    Attributes:
        nodes: By text.

    Raises:
        ValueError: If ``capacity`` is less than 1.
    """

    def __init__(self, capacity: int = 200) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, got {capacity}")
        self.nodes: dict[str, Node] = {}
        self._capacity = capacity

    def note(self, level: str, text: str, step: int, **links: str) -> Node:
        """Notes something; what is known already becomes new again.

        Args:
            level: One of ``LEVELS``.
            text: In words; equal texts are the same node.
            step: Of the episode.
            **links: Text of a known node by relation, with ``_`` for spaces: ``part_of="find a diamond"``.

        Raises:
            ValueError: If there is no such level, or a link leads to what is not known.
        """
        if level not in LEVELS:
            raise ValueError(f"level {level!r} is unknown: choose from {', '.join(LEVELS)}")
        if missing := [target for target in links.values() if target not in self.nodes]:
            raise ValueError(f"{missing[0]!r} is not known: note it before it is linked to")
        # A node that is noted again goes to the end: the order is that of age.
        node = self.nodes.pop(text, None) or Node(level, text, step)
        node.level, node.step = level, step
        self.nodes[text] = node
        for relation, target in links.items():
            targets = node.links.setdefault(relation.replace("_", " "), [])
            if target not in targets:
                targets.append(target)
        self._forget(level)
        return node

    def _forget(self, level: str) -> None:
        """Drops the oldest nodes of a full level."""
        alike = [node for node in self.nodes.values() if node.level == level]
        if len(alike) <= self._capacity:
            return
        in_use = {target for node in self.nodes.values() for targets in node.links.values() for target in targets}
        free = [node for node in alike[:-1] if node.text not in in_use] or alike[:-1] or alike
        gone = free[0].text
        del self.nodes[gone]
        for node in self.nodes.values():
            node.links = {
                relation: kept
                for relation, targets in node.links.items()
                if (kept := [target for target in targets if target != gone])
            }

    def relevance(self, query: str, step: int) -> dict[str, float]:
        """How much each node has to do with a query, by text; 0 for nothing.

        A node is relevant for the words that it shares with the query, rare ones more, and half as much for what it is
        linked with. Relevance halves every hundred steps, but that of goals does not.
        """
        asked = _words(query)
        words = {text: _words(text) for text in self.nodes}
        in_nodes: dict[str, int] = {}
        for own in words.values():
            for word in own:
                in_nodes[word] = in_nodes.get(word, 0) + 1
        count = len(self.nodes)
        direct = {text: sum(log(1.0 + count / in_nodes[word]) for word in own & asked) for text, own in words.items()}
        passed = dict.fromkeys(direct, 0.0)
        for text, node in self.nodes.items():
            for target in {target for targets in node.links.values() for target in targets}:
                passed[text] += _PASSED_ON * direct[target]
                passed[target] += _PASSED_ON * direct[text]
        total = {}
        for text, node in self.nodes.items():
            age = 0.0 if node.level == LEVELS[0] else max(0, step - node.step)
            total[text] = (direct[text] + passed[text]) * 0.5 ** (age / _HALF_LIFE)
        return total

    def recall(self, query: str, step: int, max_chars: int = 2000) -> str:
        """What is relevant to a query, in words, grouped by level; never longer than ``max_chars``.

        Args:
            query: What it is about.
            step: Of the episode.
            max_chars: Characters at most.
        """
        scores = self.relevance(query, step)
        order = {text: place for place, text in enumerate(self.nodes)}
        ranked = sorted((text for text in scores if scores[text] > 0.0), key=lambda text: (-scores[text], -order[text]))
        chosen: list[str] = []
        for text in ranked:
            if len(self._told([*chosen, text])) <= max_chars:
                chosen.append(text)
        return self._told(chosen)

    def _told(self, texts: Iterable[str]) -> str:
        lines: dict[str, list[str]] = {level: [] for level in LEVELS}
        for text in texts:
            node = self.nodes[text]
            ties = "; ".join(f"{relation}: {', '.join(targets)}" for relation, targets in node.links.items())
            lines[node.level].append(f"- step {node.step}: {text}" + (f" ({ties})" if ties else ""))
        return "\n".join("\n".join([f"{level}s:", *entries]) for level, entries in lines.items() if entries)


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))
