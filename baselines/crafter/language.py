"""A mind for Crafter behind a language model, with a memory of its own and statements for its team.

After the agents of DAMCS (arXiv 2502.05453): the model reflects, keeps goals, acts, and tells the others what it needs
and whom it helps, all in one structured reply. Wording and fields are ours.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Protocol

from telos.baselines.crafter.knowledge import KnowledgeGraph
from telos.envs.crafter.names import NOOP
from telos.envs.crafter.teamwork import Schema

__all__ = ["STATEMENTS", "THOUGHTS", "Endpoint", "LanguageMind", "Statement", "Thought"]

_REMEMBERED_ACTIONS = 7
_OPENING = """\
You are {name}, one of a team in the game of Crafter: {team}. Together you want to reach: {goal}.

The rules:
{manual}

In every step you are told what you remember, what the others say, and what you see. Reply with one JSON object that
fits this schema, and nothing else:
{schema}
"""


@dataclass
class Statement:
    """What an agent tells the others.

    Attributes:
        summary: What it did and found, in a sentence or two.
        needs: What it lacks, and cannot well get by itself; empty for nothing.
        helps: Whom it helps now, or nobody.
        offer: How it helps; empty for not at all.
    """

    summary: str
    needs: str = ""
    helps: str | None = None
    offer: str = ""


@dataclass
class Thought:
    """A model's reply.

    Attributes:
        reflection: What came of the last action.
        long_term_goal: What it works towards.
        goal: What it does for that now.
        achieved: Whether that goal is reached.
        action: The name of its next action.
        statement: For the others.
    """

    reflection: str
    long_term_goal: str
    goal: str
    achieved: bool
    action: str
    statement: Statement


#: What travels over a channel between these agents.
STATEMENTS = Schema(max_chars=1000, record=Statement)
#: What a model is asked for.
THOUGHTS = Schema(max_chars=8000, record=Thought)


class Endpoint(Protocol):
    """What answers: a :class:`telos.baselines.llm.endpoint.Endpoint`."""

    def reply(self, messages: Sequence[Mapping[str, str]], **settings: Any) -> Any:
        """The next message: an object whose ``text`` it is."""


class LanguageMind:
    """One agent's mind: it asks a model in every step. It reads the observations of ``obs="text"``.

    A reply that is no :class:`Thought`, or names no action, is shown to the model with what is wrong with it, once;
    then the agent does nothing for a step.

    Args:
        endpoint: The model.
        name: Of the agent.
        team: Names of all agents, in the order of ``possible_agents``.
        action_names: Of the actions, in their order.
        manual: The rules in words.
        goal: What the team wants.
        memory_chars: Of the memory that goes into a prompt, at most.
        **settings: Of requests, such as ``temperature`` and ``max_tokens``.

    Attributes:
        knowledge: What the agent remembers.
        unusable: How many replies of the episode could not be used.
        requests: How many there were.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        name: str,
        team: Sequence[str],
        action_names: Sequence[str],
        manual: str,
        goal: str = "collect a diamond",
        memory_chars: int = 2000,
        **settings: Any,
    ) -> None:
        self._endpoint, self._name, self._team = endpoint, name, list(team)
        self._actions = {action: number for number, action in enumerate(action_names)}
        self._goal, self._memory_chars, self._settings = goal, memory_chars, settings
        schema = json.dumps(THOUGHTS.json_schema(), separators=(",", ":"))
        self._opening = _OPENING.format(name=name, team=", ".join(team), goal=goal, manual=manual, schema=schema)
        self.reset()

    def reset(self) -> None:
        """Forgets everything: an episode begins."""
        self.knowledge = KnowledgeGraph()
        self.knowledge.note("goal", self._goal, 0)
        self._pursued = self._goal
        self._done: deque[str] = deque(maxlen=_REMEMBERED_ACTIONS)
        self._step = self.unusable = self.requests = 0

    def act(self, observation: str, messages: Sequence[str] = ()) -> tuple[int, str | None]:
        """Asks the model.

        Args:
            observation: What the agent sees, in words.
            messages: What each of the team said, as text of ``STATEMENTS``; ``""`` for silence.

        Returns:
            The action, and a text of ``STATEMENTS``, or None if the model's replies could not be used.

        Raises:
            EndpointError: If the endpoint does not answer.
            InputError: If it refuses access.
        """
        heard = self._heard(messages)
        prompt = self._prompt(observation, heard)
        talk = [{"role": "user", "content": f"{self._opening}\n{prompt}"}]
        thought, fault = None, ""
        for _ in range(2):
            text = str(self._endpoint.reply(talk, **self._settings).text)
            self.requests += 1
            thought, fault = self._read(text)
            if thought is not None:
                break
            self.unusable += 1
            talk += [{"role": "assistant", "content": text}, {"role": "user", "content": fault}]
        self._step += 1
        if thought is None:
            return NOOP, None
        self._remember(thought, heard)
        return self._actions[thought.action], STATEMENTS.encode(thought.statement)

    def _heard(self, messages: Sequence[str]) -> list[tuple[str, Statement]]:
        said = zip(self._team, messages, strict=False)
        statements = [(name, STATEMENTS.decode(text)) for name, text in said if text and name != self._name]
        return [(name, statement) for name, statement in statements if statement is not None]

    def _prompt(self, observation: str, heard: Sequence[tuple[str, Statement]]) -> str:
        query = " ".join([self._pursued, observation, *(f"{name} {said.needs}" for name, said in heard)])
        memory = self.knowledge.recall(query, self._step, self._memory_chars)
        told = "\n".join(f"{name}: {_in_words(statement)}" for name, statement in heard)
        return (
            f"Step {self._step}.\nYou remember:\n{memory or 'nothing'}\n"
            f"Your last actions: {', '.join(self._done) or 'none'}.\n"
            f"The others say:\n{told or 'nothing'}\nYou see:\n{observation}"
        )

    def _read(self, text: str) -> tuple[Thought | None, str]:
        """The thought in a reply, or what is wrong with it."""
        thought = THOUGHTS.decode(text[text.find("{") : text.rfind("}") + 1])
        if thought is None:
            return None, "That was no JSON object of the schema. Reply with one, and nothing else."
        if thought.action not in self._actions:
            near = get_close_matches(thought.action, self._actions, n=1)
            hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(self._actions)}."
            return None, f"There is no action {thought.action!r}: {hint}"
        return thought, ""

    def _remember(self, thought: Thought, heard: Sequence[tuple[str, Statement]]) -> None:
        """Notes goals, what came of the last action, and what was heard."""
        step, know = self._step, self.knowledge
        for name, statement in heard:
            know.note("perception", f"{name}: {_in_words(statement)}", step)
        if thought.long_term_goal != self._goal:
            know.note("goal", thought.long_term_goal, step, part_of=self._goal)
        if thought.goal not in (thought.long_term_goal, self._goal):
            know.note("goal", thought.goal, step, part_of=thought.long_term_goal)
        result = "reached" if thought.achieved else "tried"
        know.note("experience", thought.reflection, step, **{result: self._pursued})
        self._pursued = thought.goal
        self._done.append(thought.action)


def _in_words(statement: Statement) -> str:
    parts = [statement.summary]
    if statement.needs:
        parts.append(f"needs {statement.needs}")
    if statement.helps:
        parts.append(f"helps {statement.helps}: {statement.offer}")
    return "; ".join(parts)
