"""``telos play crafter``: a person plays, with keys, alone or with other agents.

* ``play`` - opens the window and plays
* ``Session`` - the game behind it: whose turn it is, what the others do, and what there is to tell
* ``KEYS``, ``GIFT_KEYS`` - what the keys do
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telos.baselines.crafter.replays import ParallelRecorder
from telos.baselines.crafter.videos import agents_eyes
from telos.baselines.input_errors import InputError, bad_input
from telos.envs.crafter.env import parallel_env
from telos.envs.crafter.names import ACHIEVEMENTS, GIFTS, NOOP
from telos.envs.crafter.text import reasons
from telos.envs.engine.window import Window, open_display

__all__ = ["GIFT_KEYS", "KEYS", "OTHERS", "Session", "key_help", "play"]

#: The original's keys, and arrows; by pygame's names.
KEYS = {
    **{"left": "move_left", "right": "move_right", "up": "move_up", "down": "move_down"},
    **{"a": "move_left", "d": "move_right", "w": "move_up", "s": "move_down"},
    **{"space": "do", "z": "sleep", "r": "place_stone", "t": "place_table", "f": "place_furnace", "p": "place_plant"},
    **{"1": "make_wood_pickaxe", "2": "make_stone_pickaxe", "3": "make_iron_pickaxe"},
    **{"4": "make_wood_sword", "5": "make_stone_sword", "6": "make_iron_sword"},
}
#: F1 to F12 give.
GIFT_KEYS = {f"f{number}": f"give_{item}" for number, item in enumerate(GIFTS, start=1)}
OTHERS = ("idle", "random")
_SWITCH, _NEXT, _LEAVE = "tab", "return", "escape"
_PANEL, _LINE = 300, 20
_LIT, _DIM, _PAPER = (246, 246, 240), (110, 110, 120), (24, 24, 32)


class Session:
    """A person's game.

    Args:
        env: The environment.
        others: What the agents do that the person does not play: ``"idle"``, or ``"random"``, any action that has an
            effect.
        seed: Of the first world and of the others; None for any.

    Attributes:
        agent: Whom the person plays.
        episode: Episodes begun.
        over: Whether the episode is over.
        steps: Of the episode.
        returns: Of the episode, by agent.
        reward: What ``agent`` earned in the last step.
        hint: Why the last action had no effect, or ``""``.
    """

    def __init__(self, env: ParallelRecorder, others: str = "idle", seed: int | None = None) -> None:
        if others not in OTHERS:
            raise ValueError(f"others={others!r} is unknown: choose from {', '.join(map(repr, OTHERS))}")
        self.env, self.others = env, others
        self.episode = 0
        self._random = np.random.default_rng(seed)
        self.begin(seed)

    def begin(self, seed: int | None = None) -> None:
        """Begins an episode; without a seed the next one."""
        _, self._infos = self.env.reset(seed=seed)
        self.agent: str = self.env.agents[0]
        self.episode += 1
        self.steps, self.reward, self.hint = 0, 0.0, ""
        self.returns = dict.fromkeys(self.env.possible_agents, 0.0)

    @property
    def over(self) -> bool:
        """See the class."""
        return not self.env.agents

    @property
    def number(self) -> int:
        """The number of ``agent``."""
        number: int = self.env.possible_agents.index(self.agent)
        return number

    @property
    def state(self) -> Any:
        """The world; the only one of a batch."""
        return self.env.unwrapped.clone_state().state

    @property
    def unlocked(self) -> list[str]:
        """What ``agent`` has achieved."""
        times = self.state.achievements[0, self.number]
        return [name for name, count in zip(ACHIEVEMENTS, times, strict=True) if count]

    def switch(self) -> None:
        """Goes on to the next agent that is left."""
        agents = self.env.agents
        if agents:
            after = [agent for agent in agents if self.env.possible_agents.index(agent) > self.number]
            self.agent, self.hint = (after or agents)[0], ""

    def step(self, action: str) -> list[str]:
        """Takes a step; returns what happened that is worth telling.

        Args:
            action: The name of the person's action; one that is not in this game is none.
        """
        names = self.env.unwrapped.family.action_names
        actions = {agent: self._action_of(agent) for agent in self.env.agents}
        actions[self.agent] = names.index(action) if action in names else NOOP
        refused = reasons(self.state, 0, self.number, self.env.unwrapped.family.params, names)
        self.hint = f"cannot {action}: {refused[action]}" if refused.get(action) else ""
        _, rewards, *_, self._infos = self.env.step(actions)
        self.steps += 1
        self.reward = rewards[self.agent]
        news = []
        for agent, reward in rewards.items():
            self.returns[agent] += reward
            terms = self._infos[agent]["reward_terms"]
            news += [f"{agent} achieved {name}" for name in ACHIEVEMENTS if terms[name] > 0]
            if agent not in self.env.agents and not self.over:
                news.append(f"{agent} is dead, after {self.steps} steps")
        if self.reward:
            news.append(f"reward {self.reward:+.1f}, return {self.returns[self.agent]:.1f}")
        if self.over:
            told = ", ".join(f"{agent} {total:.1f}" for agent, total in self.returns.items())
            news.append(f"the episode is over after {self.steps} steps; returns: {told}")
        elif self.agent not in self.env.agents:
            self.switch()
            news.append(f"you are {self.agent} now")
        return news

    def _action_of(self, agent: str) -> int:
        if self.others == "idle":
            return NOOP
        return int(self._random.choice(np.flatnonzero(self._infos[agent]["action_mask"])))

    def picture(self, height: int) -> NDArray[np.uint8]:
        """What ``agent`` sees.

        Args:
            height: Pixels, about.

        Returns:
            uint8 ``(height, width, 3)``.
        """
        return agents_eyes(self.state, 0, self.env.unwrapped.family.view, height, [self.number])


def key_help(several: bool) -> str:
    """What the keys do, a line each."""
    keys = {**KEYS, **(GIFT_KEYS if several else {})}
    by_action: dict[str, list[str]] = {}
    for key, action in keys.items():
        by_action.setdefault(action, []).append(key)
    lines = [f"  {', '.join(names):<10} {action}" for action, names in by_action.items()]
    further = {
        _SWITCH: "the next agent" if several else "sleep",
        _NEXT: "a new world, when it is over",
        _LEAVE: "leave",
    }
    return "\n".join([*lines, *(f"  {key:<10} {what}" for key, what in further.items())])


def play(
    arguments: dict[str, Any],
    *,
    others: str = "idle",
    seed: int | None = None,
    frames_per_second: float = 5.0,
    wait: bool = False,
    record: Path | None = None,
    height: int = 630,
    tell: Callable[[str], None] = print,
) -> None:
    """Opens a window and lets a person play until it is closed.

    Args:
        arguments: Of ``telos.envs.crafter.parallel_env``.
        others: See :class:`Session`.
        seed: See :class:`Session`.
        frames_per_second: Steps a second.
        wait: Whether the game waits for keys, except while one sleeps.
        record: File for the replay, of the second episode and on with "-2" and so on before its ending; None for none.
        height: Pixels of the window, about.
        tell: Gets what there is to tell, line by line.

    Raises:
        InputError: Without pygame or a display, or if the arguments are invalid.
    """
    try:
        import pygame
    except ImportError as error:
        raise InputError(
            "playing needs the extra `play`: pip install 'telos-gym[play]', or pip install pygame-ce"
        ) from error
    with bad_input():
        session = Session(ParallelRecorder(parallel_env(**arguments)), others, seed)
    several = len(session.env.possible_agents) > 1
    keys = _Keys({**KEYS, **GIFT_KEYS} if several else {**KEYS, _SWITCH: "sleep"})
    try:
        _check_display()
        tell(key_help(several))
        with Window("Crafter", frames_per_second) as window:
            while True:
                window.show(_screen(session, height))
                keys.read(pygame.event.get())
                pressed = keys.next()
                if pressed == _LEAVE:
                    break
                if session.over:
                    if pressed == _NEXT:
                        _save(session, record, tell)
                        session.begin()
                elif pressed == _SWITCH:
                    session.switch()
                elif pressed or not wait or session.state.sleeping[0, session.number]:
                    for line in session.step(pressed or "noop"):
                        tell(line)
    finally:
        _save(session, record, tell)
        session.env.close()
        pygame.quit()


def _check_display() -> None:
    """Raises ``InputError`` where nobody would see the window."""
    import pygame

    advice = "play where there is a display, or through one that is forwarded"
    try:
        open_display()
    except pygame.error as error:
        raise InputError(f"no window can be opened ({error}): {advice}") from error
    # pygame falls back to these by itself.
    if pygame.display.get_driver() in ("dummy", "offscreen") and "SDL_VIDEODRIVER" not in os.environ:
        raise InputError(f"there is no display: {advice}")


class _Keys:
    """Keys in the order in which they were pressed; one that is held counts again and again.

    Args:
        actions: What keys stand for, besides those that are no actions.
    """

    def __init__(self, actions: dict[str, str]) -> None:
        self._meanings = {_SWITCH: _SWITCH, _NEXT: _NEXT, _LEAVE: _LEAVE} | actions
        self._pressed: deque[str] = deque()
        self._held: list[str] = []

    def read(self, events: Sequence[Any]) -> None:
        """Notes what has happened; a closed window goes before all keys."""
        import pygame

        for event in events:
            if event.type == pygame.QUIT:
                self._pressed.appendleft(_LEAVE)
            if event.type in (pygame.KEYDOWN, pygame.KEYUP) and (name := pygame.key.name(event.key)) in self._meanings:
                with suppress(ValueError):
                    self._held.remove(name)
                if event.type == pygame.KEYDOWN:
                    self._pressed.append(self._meanings[name])
                    if self._meanings[name].startswith("move_") or self._meanings[name] == "do":
                        self._held.append(name)

    def next(self) -> str:
        """What is to be done now, or ``""``."""
        if self._pressed:
            return self._pressed.popleft()
        return self._meanings[self._held[-1]] if self._held else ""


def _screen(session: Session, height: int) -> NDArray[np.uint8]:
    """The picture, and beside it what the person should know."""
    import pygame

    picture = session.picture(height)
    pygame.font.init()
    font = pygame.font.Font(None, _LINE)
    panel = pygame.Surface((_PANEL, max(len(picture), _LINE * (len(ACHIEVEMENTS) + 6))))
    panel.fill(_PAPER)
    unlocked = session.unlocked
    told = [
        (f"{session.agent}   step {session.steps}", _LIT),
        (f"return {session.returns[session.agent]:.1f}   last reward {session.reward:+.1f}", _LIT),
        (session.hint or ("over: Enter plays on, Esc leaves" if session.over else ""), _LIT),
        (f"achieved {len(unlocked)} of {len(ACHIEVEMENTS)}:", _LIT),
        *((name, _LIT if name in unlocked else _DIM) for name in ACHIEVEMENTS),
    ]
    for number, (text, colour) in enumerate(told):
        panel.blit(font.render(text, True, colour), (_LINE // 2, _LINE // 2 + number * _LINE))
    beside = pygame.surfarray.array3d(panel).swapaxes(0, 1)
    screen = np.zeros((len(beside), picture.shape[1] + _PANEL, 3), np.uint8)
    screen[: len(picture), : picture.shape[1]], screen[:, picture.shape[1] :] = picture, beside
    return screen


def _save(session: Session, record: Path | None, tell: Callable[[str], None]) -> None:
    if record is not None and session.steps:
        path = record if session.episode == 1 else record.with_stem(f"{record.stem}-{session.episode}")
        session.env.replay.save(path)
        tell(f"recorded in {path}")
