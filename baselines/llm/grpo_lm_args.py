"""Arguments of ``telos.baselines.llm.grpo_lm``."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from telos.baselines.group_batches import Average
from telos.baselines.group_losses import Advantage
from telos.baselines.input_errors import InputError
from telos.baselines.llm.causal_lm import Precision
from telos.baselines.run_args import RunArgs

__all__ = ["Args"]


@dataclass
class Args(RunArgs):
    """GRPO of a local language model: it plays whole episodes, and those from the same start are compared."""

    env: str = "SWEDocker-v0"
    """Environment id: SWEDocker-v0, or one whose observations and actions are Text."""
    model: str = ""
    """Folder of a causal language model as transformers saves it, or its name at Hugging Face."""
    num_envs: int = 16
    """Episodes of an update, each in an environment of its own; a multiple of the group's size."""
    group_size: int = 8
    """Episodes from the same start, G: in SWEDocker-v0 of the same task."""
    starts: int = 0
    """Number of different starts, drawn once; 0 for new ones in every update."""
    max_steps: int = 1000
    """Steps after which an episode is truncated, if the environment does not do so before, as by its max_turns."""
    context_tokens: int = 8192
    """Tokens that the model sees at most; the oldest turns of longer episodes are left out."""
    max_new_tokens: int = 512
    """Tokens of a reply at most; up to a quarter of the context."""
    temperature: float = 1.0
    """Of the policy: logits are divided by it, where it acts and where it learns."""
    greedy_evaluation: bool = True
    """Evaluate with the likeliest tokens, and not with tokens that are drawn."""
    precision: Precision = "float32"
    """Of the weights. Weights of bfloat16 that are all trained lose small updates; take LoRA with it."""
    lora_rank: int = 0
    """Rank of LoRA's adapters; 0 to train all weights."""
    lora_alpha: float = 32.0
    """LoRA's scale, divided by the rank."""
    outcome: str = "outcome"
    """Reward term that says whether an episode succeeded, for charts/pass_at."""
    success: float = 1.0
    """Smallest outcome of a success."""
    advantage: Advantage = "z-score"
    """How the returns of a group are compared."""
    average: Average = "episode"
    """Mean of the losses of each episode's tokens and then of episodes, or of all tokens alike."""
    clip_low: float = 0.2
    """How far a ratio may fall where that is rewarded."""
    clip_high: float = 0.2
    """How far a ratio may rise where that is rewarded."""
    kl_weight: float = 0.0
    """Weight of the divergence from the model as it was at the start."""
    learning_rate: float = 1e-5
    """Step size of Adam."""
    anneal_lr: bool = True
    """Lower the learning rate linearly to 0 at the end of the run."""
    num_minibatches: int = 2
    """Minibatches of an epoch, each a step of Adam."""
    micro_batch: int = 2
    """Sequences that go through the model at a time while it learns; as many as memory allows."""
    update_epochs: int = 1
    """Passes over the episodes of an update."""
    max_grad_norm: float = 1.0
    """Largest norm of the gradient."""
    total_steps: int = 20_000
    """Environment steps (replies) of the whole run, over all environments."""
    eval_every: int = 2_000
    """Steps between evaluations; the last step is always evaluated."""
    eval_episodes: int = 32
    """Episodes of an evaluation; 0 for none."""
    checkpoint_every: int = 2_000
    """Steps between checkpoints."""

    def check(self) -> None:
        """Raises ``InputError`` if the arguments do not fit."""
        super().check()
        if not self.model:
            raise InputError("--model is missing: the folder of a causal language model, or its name at Hugging Face")
        self.check_least(2, "group_size")
        self.check_least(1, "max_steps", "max_new_tokens", "num_minibatches", "micro_batch", "update_epochs")
        self.check_least(0, "starts", "clip_high", "kl_weight", "lora_rank")
        if self.num_envs % self.group_size:
            raise InputError(f"--num-envs {self.num_envs} must be a multiple of --group-size {self.group_size}")
        if not 0.0 <= self.clip_low <= 1.0:
            raise InputError(f"--clip-low must be from 0 to 1, got {self.clip_low}")
        if self.temperature <= 0.0 or self.max_grad_norm <= 0.0:
            raise InputError(
                f"--temperature and --max-grad-norm must be above 0, got {self.temperature} and {self.max_grad_norm}"
            )

    @property
    def num_groups(self) -> int:
        """Groups of an update."""
        return self.num_envs // self.group_size

    def smoked(self) -> Args:
        """These arguments for a run of two updates."""
        return dataclasses.replace(
            self,
            num_envs=2,
            group_size=2,
            starts=min(self.starts, 2),
            max_steps=min(self.max_steps, 4),
            max_new_tokens=min(self.max_new_tokens, 16),
            total_steps=4,
            eval_every=4,
            eval_episodes=2,
            checkpoint_every=4,
        )
