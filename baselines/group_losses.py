"""Advantages and losses of group-relative policy optimisation and its relatives, as functions of tensors.

* ``group_advantages``, ``step_advantages`` - what an episode, or a step, earned beside the others of its group
* ``clipped_surrogate`` - PPO's objective, with a clip for each direction
* ``ratio_metrics`` - how far a policy has moved
* ``pre_clip``, ``within_deviations`` - the two guards of StableReinforce
* ``kl_estimate`` - divergence from a reference policy, from samples of the policy
* ``f_divergence`` - divergence from a reference policy, from samples of the reference
* ``oreal_losses``, ``oreal_weights`` - cloning of successes, policy gradient of failures

Log probabilities may be of whole actions or of tokens: all losses are element by element, and whoever calls them takes
the mean.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor

__all__ = [
    "Advantage",
    "Divergence",
    "clipped_surrogate",
    "f_divergence",
    "group_advantages",
    "kl_estimate",
    "oreal_losses",
    "oreal_weights",
    "pre_clip",
    "ratio_metrics",
    "step_advantages",
    "within_deviations",
]

Advantage = Literal["z-score", "mean", "leave-one-out"]
"""What is done to the returns of a group."""

Divergence = Literal["forward-kl", "reverse-kl", "js", "alpha"]
"""A divergence from the reference policy."""

_SAME = 1e-9
"""Returns of a group whose deviation is below this share of the largest are taken for equal; ours."""


def group_advantages(returns: Tensor, counted: Tensor, kind: Advantage) -> Tensor:
    r"""What each episode earned beside the others of its group.

    With the returns ``R_1 .. R_G`` of a group,

    - ``"z-score"``: ``A_i = (R_i - mean R) / std R``, with the population's deviation (ours: the paper does not say
      which), and 0 where all are equal;
    - ``"mean"``: ``A_i = R_i - mean R``;
    - ``"leave-one-out"``: ``A_i = R_i - (sum_{j != i} R_j) / (G - 1)``, which is ``"mean"`` times ``G / (G - 1)``.

    Args:
        returns: Floating ``(groups, G)``.
        counted: Bool ``(groups, G)``, False for episodes that are to be left out, as if their group were smaller.
        kind: See above.

    Returns:
        ``(groups, G)`` of the same dtype; 0 where not counted, or in groups with fewer than two counted episodes.

    Source: z-score: Shao et al., DeepSeekMath (arXiv 2402.03300), section 4.1.2. Mean: Liu et al., Understanding
    R1-Zero-Like Training (arXiv 2503.20783), "Dr. GRPO". Leave-one-out: Kool et al., Buy 4 REINFORCE Samples, Get a
    Baseline for Free! (2019); Ahmadian et al. (arXiv 2402.14740), "RLOO".
    """
    count = counted.sum(dim=1, keepdim=True)
    values, size = torch.where(counted, returns, 0.0), count.clamp(min=1)
    centred = torch.where(counted, values - values.sum(dim=1, keepdim=True) / size, 0.0)
    deviation = (centred.square().sum(dim=1, keepdim=True) / size).sqrt()
    differs = deviation > _SAME * values.abs().amax(dim=1, keepdim=True)
    if kind == "z-score":
        centred = centred / torch.where(differs, deviation, 1.0)
    elif kind == "leave-one-out":
        centred = centred * count / (count - 1).clamp(min=1)
    return torch.where(differs, centred, 0.0)


def step_advantages(rewards: Tensor, there: Tensor, kind: Advantage) -> Tensor:
    r"""What each step led to, where rewards are of steps.

    With the rewards of all steps of all episodes of a group, ``r' = (r - mean r) / std r``, and
    ``A_t = sum_{k >= t} r'_k`` of the same episode. With ``"mean"`` without the division (ours).

    Args:
        rewards: Floating ``(T, groups, G)``.
        there: Bool ``(T, groups, G)``, False behind the ends of episodes and in episodes that are left out.
        kind: ``"z-score"`` or ``"mean"``.

    Returns:
        ``(T, groups, G)``, 0 where not there.

    Raises:
        ValueError: If ``kind`` is another.

    Source: DeepSeekMath (arXiv 2402.03300), section 4.1.3, "process supervision".
    """
    if kind == "leave-one-out":
        raise ValueError("steps have no leave-one-out advantage; take z-score or mean")
    flat, mask = (x.permute(1, 0, 2).flatten(1) for x in (rewards, there))
    normalised = group_advantages(flat, mask, kind)
    by_step = normalised.view(rewards.shape[1], rewards.shape[0], rewards.shape[2]).permute(1, 0, 2)
    return torch.where(there, by_step.flip(0).cumsum(0).flip(0), 0.0)


def clipped_surrogate(log_ratios: Tensor, advantages: Tensor, low: float, high: float) -> Tensor:
    """PPO's loss, ``-min(r A, clip(r, 1 - low, 1 + high) A)`` with ``r = exp(log_ratio)``.

    Args:
        log_ratios: Log probability under the policy less that under the one that acted, any shape.
        advantages: Of the same shape.
        low: In [0, 1].
        high: At least 0.

    Source: Schulman et al., PPO (arXiv 1707.06347), equation 7. Two bounds: Yu et al., DAPO (arXiv 2503.14476),
    "clip-higher".
    """
    ratios = log_ratios.exp()
    return -torch.min(ratios * advantages, ratios.clamp(1.0 - low, 1.0 + high) * advantages)


@torch.no_grad()
def ratio_metrics(log_ratios: Tensor, weights: Tensor, low: float, high: float) -> Tensor:
    """How far a policy has moved from the one that acted.

    Args:
        log_ratios: As for ``clipped_surrogate``.
        weights: Of each in the means, of the same shape; their sum is 1.
        low: As for ``clipped_surrogate``.
        high: As for ``clipped_surrogate``.

    Returns:
        The estimate k3 of ``KL(old || new)``, ``r - 1 - log r``, and the share of ratios beyond the clip; ``(2,)``.

    Source: Schulman, Approximating KL Divergence (2020).
    """
    ratios = log_ratios.exp()
    outside = (ratios < 1.0 - low) | (ratios > 1.0 + high)
    return torch.stack([((ratios - 1.0 - log_ratios) * weights).sum(), (outside * weights).sum()])


def pre_clip(log_ratios: Tensor, low: float = 1e-3, high: float = 1e3) -> Tensor:
    """Log ratios clipped before the exponential: ``clip(log r, log low, log high)``, so that no ratio is infinite.

    Args:
        log_ratios: Any shape.
        low: Smallest ratio, above 0.
        high: Largest ratio.

    Source: StableReinforce, in R1-Reward (arXiv 2505.02835) and its repository.
    """
    return log_ratios.clamp(math.log(low), math.log(high))


def within_deviations(advantages: Tensor, counted: Tensor, deviations: float = 3.0) -> Tensor:
    """Which advantages are not outliers: ``|A - mean A| <= deviations * std A``. The rest are left out, not clipped.

    Args:
        advantages: Of one batch, ``(n,)``.
        counted: Bool ``(n,)``: which of them mean and deviation (the population's) are of.
        deviations: 3 in the paper.

    Returns:
        Bool ``(n,)``.

    Source: the advantage filter of StableReinforce, in R1-Reward (arXiv 2505.02835). There the advantages are those of
    a batch; that ours are relative to groups before is ours.
    """
    size = counted.sum().clamp(min=1)
    centred = advantages - torch.where(counted, advantages, 0.0).sum() / size
    deviation = (torch.where(counted, centred, 0.0).square().sum() / size).sqrt()
    # Rounding must not drop what is exactly at the limit.
    return centred.abs() <= deviations * deviation * (1.0 + 1e-6)


def kl_estimate(log_probs: Tensor, reference: Tensor) -> Tensor:
    """The estimate k3 of ``KL(pi || ref)`` from actions of ``pi``: ``exp(d) - d - 1`` with ``d = log ref - log pi``.

    It is unbiased and never negative.

    Args:
        log_probs: Of actions under the policy, any shape.
        reference: Of the same actions under the reference.

    Source: Schulman, Approximating KL Divergence (2020); DeepSeekMath (arXiv 2402.03300), equation 4.
    """
    difference = reference - log_probs
    return difference.exp() - difference - 1.0


def f_divergence(kind: Divergence, log_probs: Tensor, reference: Tensor, alpha: float = 0.2) -> Tensor:
    r"""Terms whose mean over actions of the reference policy is the divergence of the policy from it.

    ``D = E_{a ~ ref}[f(u)]`` with ``u = pi(a) / ref(a)`` and

    - ``"forward-kl"``: ``f(u) = -log u``, so that D = KL(ref || pi);
    - ``"reverse-kl"``: ``f(u) = u log u - u + 1``, so that D = KL(pi || ref);
    - ``"js"``: ``f(u) = u log u - (u + 1) log((u + 1) / 2)``, so that D is twice the Jensen-Shannon divergence;
    - ``"alpha"``: ``f(u) = (u^alpha - alpha u - (1 - alpha)) / (alpha (alpha - 1))``, which tends to the forward
      divergence as alpha goes to 0 and to the reverse one as it goes to 1.

    They differ in what they do for an action that the policy has all but lost, u near 0. The gradient on its logit is
    that of the reference's probability with forward KL, a share ``u^alpha / (1 - alpha)`` of that with alpha, and of
    the order of ``u log u``, next to nothing, with JS as with reverse KL (ours, by differentiation).

    Args:
        kind: See above.
        log_probs: Of actions that the reference took, under the policy, any shape.
        reference: The same under the reference.
        alpha: Of ``"alpha"``; not 0 or 1.

    Raises:
        ValueError: If the kind is unknown, or alpha is 0 or 1.

    Source: DPH-RL (arXiv 2509.07430) for forward KL and the generator of JS. Its reverse KL is of the policy's own
    samples (see ``kl_estimate``); that from the reference's is ours, for comparison (``1 - u`` has mean 0 and makes
    u = 1 the best for every stored action). The form of the alpha divergence is Amari's and has not been compared to
    the paper's.
    """
    log_u = log_probs - reference
    if kind == "forward-kl":
        return -log_u
    u = log_u.exp()
    if kind == "reverse-kl":
        return u * log_u - u + 1.0
    if kind == "js":
        # log(1 + u) without overflow.
        return u * log_u - (u + 1.0) * (torch.nn.functional.softplus(log_u) - math.log(2.0))
    if kind != "alpha":
        raise ValueError(f"there is no divergence {kind!r}; there are {', '.join(get_args(Divergence))}")
    if alpha in (0.0, 1.0):
        raise ValueError(f"alpha must not be 0 or 1, got {alpha}; take forward-kl for 0 and reverse-kl for 1")
    return ((alpha * log_u).exp() - alpha * u - (1.0 - alpha)) / (alpha * (alpha - 1.0))


def oreal_losses(
    log_probs: Tensor,
    old_log_probs: Tensor,
    advantages: Tensor,
    success: Tensor,
    weights: tuple[Tensor, Tensor] | None = None,
    failure_factor: float = 0.5,
) -> Tensor:
    r"""OREAL's loss: successes are cloned, failures get a policy gradient.

    ``-w+ A log pi`` for successes and ``-failure_factor w- A r`` with ``r = exp(log pi - log pi_old)`` for failures.

    Args:
        log_probs: Of actions or tokens, any shape.
        old_log_probs: The same under the policy that acted.
        advantages: Of their episodes, by ``"leave-one-out"`` in the paper.
        success: Bool: whether their episode succeeded.
        weights: Those of successes and of failures, see ``oreal_weights``; None for 1.
        failure_factor: 0.5 in the paper.

    Source: OREAL (arXiv 2502.06781) and its repository.
    """
    cloned = -advantages * log_probs
    gradient = -failure_factor * advantages * (log_probs - old_log_probs).exp()
    if weights is not None:
        cloned, gradient = weights[0] * cloned, weights[1] * gradient
    return torch.where(success, cloned, gradient)


def oreal_weights(logits: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
    r"""How much a step matters, from a model whose mean logit predicts the outcome of the episode.

    ``p_t = sigmoid((s_1 + .. + s_t) / t)`` is the success that is expected after step t. With it
    ``w+ = clip((p - 1/2) / (1/2), 0, 1)`` and ``w- = clip(((1 - p) - 1/2) / (1/2), 0, 1)``.

    Args:
        logits: ``s``, ``(T, n)``.
        there: Bool ``(T, n)``, False behind the ends of episodes; steps before an end are all there.

    Returns:
        ``w+`` and ``w-``, each ``(T, n)`` in [0, 1], 0 where not there.

    Source: OREAL (arXiv 2502.06781) and its repository.
    """
    steps = torch.arange(1, len(logits) + 1, device=logits.device, dtype=logits.dtype)[:, None]
    expected = (torch.where(there, logits, 0.0).cumsum(0) / steps).sigmoid()
    positive, negative = ((2.0 * p - 1.0).clamp(0.0, 1.0) for p in (expected, 1.0 - expected))
    return torch.where(there, positive, 0.0), torch.where(there, negative, 0.0)
