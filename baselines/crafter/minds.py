"""What plays Crafter: the interface of minds, and episodes of a team of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

__all__ = ["Mind", "play_episode"]


class Mind(Protocol):
    """One agent's: scripted, or driven by a language model."""

    def reset(self) -> None:
        """Forgets everything: an episode begins."""

    def act(self, observation: Any, messages: Sequence[Any] = ()) -> tuple[int, Any]:
        """Chooses.

        Args:
            observation: The agent's own, of the kind that the mind reads: symbols, or text.
            messages: What each of ``possible_agents`` said, as its channel's kind has it; empty without a channel.

        Returns:
            The action, and a message for the channel or None for silence.
        """


def play_episode(env: Any, minds: Mapping[str, Mind], seed: int | None = None) -> int:
    """Plays an episode of a team.

    Args:
        env: ``telos.envs.crafter.parallel_env``, wrapped or not; with a ``ChannelParallelEnv`` the minds can talk.
        minds: By agent.
        seed: Of the episode.

    Returns:
        How many steps it had.

    Raises:
        ValueError: If an agent has no mind.
    """
    if missing := [agent for agent in env.possible_agents if agent not in minds]:
        raise ValueError(f"there is no mind for {', '.join(missing)}")
    observations, _ = env.reset(seed=seed)
    for mind in minds.values():
        mind.reset()
    steps = 0
    while env.agents:
        actions: dict[str, Any] = {}
        for agent in env.agents:
            seen, messages = _split(observations[agent])
            action, message = minds[agent].act(seen, messages or ())
            actions[agent] = action if messages is None else {"action": action, "message": message}
        observations = env.step(actions)[0]
        steps += 1
    return steps


def _split(observation: Any) -> tuple[Any, Any]:
    """What is seen, and what is heard: None where there is no channel."""
    if not (isinstance(observation, Mapping) and "messages" in observation):
        return observation, None
    seen = {name: values for name, values in observation.items() if name != "messages"}
    return seen.get("observation", seen), observation["messages"]
