"""Arguments of ``telos.baselines.grpo``."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from telos.baselines.group_batches import Average
from telos.baselines.group_losses import Advantage, Divergence
from telos.baselines.input_errors import InputError
from telos.baselines.run_args import RunArgs
from telos.wrappers.specs import parse_stack

__all__ = ["Args"]


@dataclass
class Args(RunArgs):
    """Group-relative policy optimisation: episodes from the same start are compared with each other."""

    num_envs: int = 64
    """Episodes of an update, each in an environment of its own; a multiple of the group's size."""
    group_size: int = 8
    """Episodes from the same start, G."""
    group_from: Literal["seeds", "forks"] = "seeds"
    """What a group shares: the seed of the environment, or also the state that its first episode reaches."""
    fork_steps: int = 0
    """With forks, steps at most to where a group forks; each group draws a number from 0 to this."""
    starts: int = 0
    """Number of different starts, drawn once; 0 for new ones in every update."""
    max_steps: int = 1000
    """Steps after which an episode is truncated, if the environment does not do so before."""
    outcome: str = "outcome"
    """Reward term that says whether an episode succeeded; where there is none, its unshaped return does."""
    success: float | None = None
    """Smallest outcome of a success. Without it, outcomes that are all 0 or 1 say it, and others say nothing."""
    tokens: bool = False
    """Take a MultiDiscrete action for a sequence of tokens; Text and Sequence always are."""
    max_tokens: int = 32
    """Tokens of a Text or Sequence action at most."""
    loss: Literal["grpo", "stable-reinforce", "oreal"] = "grpo"
    """Clipped ratios; these with StableReinforce's guards; or OREAL, which clones successes."""
    advantage: Advantage | None = None
    """How a group's returns are compared; by default leave-one-out for OREAL and z-score for others."""
    credit: Literal["outcome", "process"] = "outcome"
    """Compare returns of whole episodes, or rewards of single steps, added up from each step on."""
    average: Average = "episode"
    """Mean of the losses of each episode's tokens and then of episodes, or of all tokens alike."""
    clip_low: float = 0.2
    """How far a ratio may fall where that is rewarded."""
    clip_high: float = 0.2
    """How far a ratio may rise where that is rewarded."""
    failure_factor: float = 0.5
    """OREAL's weight of failures."""
    step_weights: bool = False
    """With OREAL, weigh steps by a model that learns which of them decide the outcome."""
    warmup_updates: int = 10
    """With --step-weights, updates at the beginning in which only that model learns."""
    kl_weight: float = 0.0
    """Weight of the divergence from the reference policy, estimated from the policy's own episodes."""
    reference_every: int = 0
    """Updates after which the reference becomes the policy as it then is; 0 for never."""
    divergence: Divergence | None = None
    """Divergence from the reference in episodes that it played itself, from the starts that it masters."""
    divergence_weight: float = 0.1
    """Weight of that divergence."""
    divergence_alpha: float = 0.2
    """Alpha of the divergence "alpha"."""
    pef_threshold: float = 0.75
    """Share of successes from which on a start counts as mastered by the reference."""
    init: Path | None = None
    """Run whose newest policy to begin with, of this script or of PPO, with the same network."""
    learning_rate: float = 3e-3
    """Step size of Adam."""
    anneal_lr: bool = True
    """Lower the learning rate linearly to 0 at the end of the run."""
    num_minibatches: int = 4
    """Minibatches of an epoch."""
    update_epochs: int = 2
    """Passes over the episodes of an update."""
    entropy_weight: float = 0.0
    """Weight of the entropy in the objective."""
    max_grad_norm: float = 0.5
    """Largest norm of the gradient."""
    hidden: int = 64
    """Units of hidden layers."""

    def check(self) -> None:
        """Raises ``InputError`` if the arguments do not fit."""
        super().check()
        self.check_least(2, "group_size")
        self.check_least(1, "max_steps", "max_tokens", "num_minibatches", "update_epochs", "hidden")
        self.check_least(
            0,
            "fork_steps",
            "warmup_updates",
            "starts",
            "clip_high",
            "kl_weight",
            "reference_every",
            "divergence_weight",
            "entropy_weight",
            "failure_factor",
        )
        if self.num_envs % self.group_size:
            raise InputError(f"--num-envs {self.num_envs} must be a multiple of --group-size {self.group_size}")
        if not 0.0 <= self.clip_low <= 1.0:
            raise InputError(f"--clip-low must be from 0 to 1, got {self.clip_low}")
        if not 0.0 <= self.pef_threshold <= 1.0:
            raise InputError(f"--pef-threshold must be from 0 to 1, got {self.pef_threshold}")
        if (self.group_from == "forks") != (self.fork_steps > 0):
            raise InputError("--group-from forks needs --fork-steps of at least 1, and seeds have none")
        if self.step_weights and self.loss != "oreal":
            raise InputError("--step-weights needs --loss oreal")
        if self.credit == "process" and self.comparison == "leave-one-out":
            raise InputError("--credit process has no leave-one-out; take --advantage z-score or mean")
        if self.divergence is not None and (not self.starts or self.group_from == "forks"):
            raise InputError("--divergence is of episodes from known starts: give --starts, and --group-from seeds")
        if self.divergence == "alpha" and self.divergence_alpha in (0.0, 1.0):
            raise InputError("--divergence-alpha must not be 0 or 1; these are forward-kl and reverse-kl")
        if self.group_from == "forks":
            for transform, arguments in parse_stack(*self.wrap):
                if transform(**arguments).observes:
                    raise InputError(
                        f"{transform.public_name()} looks at observations, and would not see those before a fork; "
                        "take --group-from seeds"
                    )

    @property
    def comparison(self) -> Advantage:
        """The advantage that is meant."""
        return self.advantage or ("leave-one-out" if self.loss == "oreal" else "z-score")

    @property
    def num_groups(self) -> int:
        """Groups of an update."""
        return self.num_envs // self.group_size

    def smoked(self) -> Args:
        """These arguments for a run of a few updates."""
        return dataclasses.replace(
            self,
            num_envs=2 * self.group_size,
            starts=min(self.starts, 4),
            max_steps=min(self.max_steps, 50),
            total_steps=256,
            eval_every=128,
            eval_episodes=4,
            checkpoint_every=128,
        )
