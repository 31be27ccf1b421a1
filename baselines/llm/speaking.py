"""Local language models in environments.

* ``Speaker`` - holds the conversations of several environments
* ``LMPolicy`` - acts in a batch of environments, as ``telos.baselines.evaluation`` plays it
* ``play_episodes`` - whole episodes, with what the model saw and wrote
* ``LMEpisode`` - one of these
* ``seeded`` - the global generator of random numbers, for a while
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from telos.baselines.llm.causal_lm import CausalLM
from telos.baselines.llm.conversations import Conversation, TextFormat, TokenSequence
from telos.baselines.llm.prompts import Prompts
from telos.baselines.training_envs import TrainingEnvs, trainable_steps
from telos.wrappers.batching import row_in

__all__ = ["LMEpisode", "LMPolicy", "Speaker", "play_episodes", "seeded"]

_ENDS = ("completed", "modified", "resolved")
"""What SWEDocker-v0 says of an episode at its end."""


@contextmanager
def seeded(seed: np.random.SeedSequence) -> Iterator[None]:
    """Within it PyTorch's global generators, of which models of ``transformers`` draw, go on from a seed."""
    with torch.random.fork_rng():
        torch.manual_seed(int(seed.generate_state(1, np.uint32)[0]))
        yield


class Speaker:
    """Holds one conversation in each of several environments.

    Args:
        lm: The model.
        prompts: The environment's texts.
        context_tokens: Tokens that the model sees at most.
        reply_tokens: Tokens of a reply at most.

    Attributes:
        conversations: By environment.
    """

    def __init__(self, lm: CausalLM, prompts: Prompts, context_tokens: int, reply_tokens: int) -> None:
        self._lm, self._prompts, self._format = lm, prompts, TextFormat(lm.tokenizer)
        self._context, self._longest = min(context_tokens, lm.longest), reply_tokens
        self.conversations: dict[int, Conversation] = {}

    def begin(self, env: int, observation: Any) -> None:
        """Begins a conversation."""
        opening = self._prompts.opening(observation)
        self.conversations[env] = Conversation(self._format, opening, self._context, self._longest)

    def tell(self, env: int, observation: Any) -> None:
        """Tells what the last action came to."""
        self.conversations[env].told(self._prompts.told(observation))

    def speak(self, envs: Sequence[int], greedy: bool = False) -> list[str]:
        """Returns the next action in some environments, drawn by the global generator or the likeliest tokens."""
        chosen = [self.conversations[env] for env in envs]
        replies = self._lm.generate([conversation.context() for conversation in chosen], self._longest, greedy)
        for conversation, reply in zip(chosen, replies, strict=True):
            conversation.replied(reply)
        decode = self._lm.tokenizer.decode
        return [self._prompts.action(decode(reply, skip_special_tokens=True)) for reply in replies]


class LMPolicy:
    """A language model as a policy of a batch of environments.

    Args:
        speaker: What speaks.
        greedy: Whether to take the likeliest tokens instead of drawing them.
        seed: Of the draws.
    """

    def __init__(self, speaker: Speaker, greedy: bool = True, seed: int = 0) -> None:
        self._speaker, self._greedy = speaker, greedy
        self._seeds = np.random.SeedSequence(seed)

    def __call__(self, observations: Any, infos: dict[str, Any], begins: NDArray[np.bool_]) -> Any:
        """Returns a tuple of texts; see ``telos.baselines.evaluation.Policy``."""
        for env, new in enumerate(begins.tolist()):
            (self._speaker.begin if new else self._speaker.tell)(env, row_in(observations, env))
        with seeded(self._seeds.spawn(1)[0]):
            return tuple(self._speaker.speak(range(len(begins)), self._greedy))


@dataclass
class LMEpisode:
    """One episode.

    Attributes:
        sequences: What the model saw and wrote.
        reward: What the learner is paid for all of it.
        counted: False where the environment says that its infrastructure failed.
        raw: ``return``, ``length`` and reward terms as the environment pays them.
        paid: The same as the learner is paid, before anything is rewritten in hindsight.
        ends: What the environment says of it at its end: ``completed``, ``modified`` and ``resolved``, where it does.
    """

    sequences: list[TokenSequence] = field(default_factory=list)
    reward: float = 0.0
    counted: bool = True
    raw: dict[str, float] = field(default_factory=dict)
    paid: dict[str, float] = field(default_factory=dict)
    ends: dict[str, float] = field(default_factory=dict)

    @property
    def written(self) -> int:
        """Tokens that the model wrote."""
        return sum(sum(sequence.written) for sequence in self.sequences)


def play_episodes(
    envs: Sequence[TrainingEnvs], speaker: Speaker, seeds: Sequence[int], threads: ThreadPoolExecutor, greedy: bool
) -> tuple[list[LMEpisode], float]:
    """Plays one episode in each environment. All that still run are stepped at the same time.

    Args:
        envs: Of one environment each, from ``telos.baselines.group_episodes.make_group_envs``.
        speaker: What acts.
        seeds: Of the episodes.
        threads: Step the environments, one each.
        greedy: As for ``Speaker.speak``.

    Returns:
        The episodes, and the seconds spent in environments.
    """
    episodes = [LMEpisode() for _ in envs]

    def begin(k: int, seed: int) -> None:
        speaker.begin(k, row_in(envs[k].envs.reset(seed=[seed])[0], 0))  # type: ignore[arg-type]

    def step(k: int, action: str) -> bool:
        observations, rewards, terminated, truncated, infos = envs[k].envs.step((action,))
        episode, over = episodes[k], bool(terminated[0] | truncated[0])
        episode.reward += float(rewards[0])
        episode.counted &= bool(torch.as_tensor(trainable_steps(rewards, infos, torch.device("cpu"))).all())
        if over:
            _close(episode, envs[k], infos)
        else:
            speaker.tell(k, row_in(observations, 0))
        return over

    began = time.perf_counter()
    list(threads.map(begin, range(len(envs)), seeds))
    seconds, running = time.perf_counter() - began, list(range(len(envs)))
    while running:
        actions = speaker.speak(running, greedy)
        began = time.perf_counter()
        over = list(threads.map(step, running, actions))
        seconds += time.perf_counter() - began
        running = [k for k, ended in zip(running, over, strict=True) if not ended]
    for k, episode in enumerate(episodes):
        episode.sequences = speaker.conversations[k].sequences
    return episodes, seconds


def _close(episode: LMEpisode, training: TrainingEnvs, infos: dict[str, Any]) -> None:
    """Takes down what an episode was worth that has just ended."""
    raw = training.raw.take()
    paid = raw if training.paid is training.raw else training.paid.take()
    episode.raw, episode.paid = ({k: float(v[0]) for k, v in totals.items() if k != "row"} for totals in (raw, paid))
    episode.ends = {name: float(infos[name][0]) for name in _ENDS if name in infos}
    rewritten = infos["hindsight"][0] if "hindsight" in infos else None
    if rewritten is not None:
        episode.reward = float(rewritten.reward.sum())
