"""Advantages by hand, losses against NumPy, gradients against analytic ones, divergences against exact sums."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from telos.baselines.group_losses import (  # noqa: E402
    clipped_surrogate,
    f_divergence,
    group_advantages,
    kl_estimate,
    oreal_losses,
    oreal_weights,
    pre_clip,
    step_advantages,
    within_deviations,
)

KINDS = ["z-score", "mean", "leave-one-out"]
POLICY, REFERENCE = np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.3, 0.5])


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def advantages(returns, kind, counted=None):
    table = tensor(returns)
    counted = torch.ones_like(table, dtype=torch.bool) if counted is None else torch.tensor(counted)
    return group_advantages(table, counted, kind).numpy()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        # The mean is 3, squared distances are 4, 1, 0 and 9.
        ("z-score", np.array([-2.0, -1.0, 0.0, 3.0]) / np.sqrt(14 / 4)),
        ("mean", [-2.0, -1.0, 0.0, 3.0]),
        ("leave-one-out", [1 - 11 / 3, 2 - 10 / 3, 3 - 9 / 3, 6 - 6 / 3]),
    ],
)
def test_advantages_by_hand(kind, expected):
    found = advantages([[1.0, 2.0, 3.0, 6.0], [5.0, 5.0, 5.0, 5.0]], kind)
    assert np.allclose(found[0], expected)
    assert (found[1] == 0.0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_what_advantages_do_not_depend_on(kind):
    returns = np.random.default_rng(0).normal(size=(5, 6))
    found = advantages(returns, kind)
    assert np.allclose(advantages(returns + np.arange(5)[:, None] * 10, kind), found)
    assert np.allclose(found.sum(axis=1), 0.0)
    scaled = advantages(7.0 * returns, kind)
    assert np.allclose(scaled, found if kind == "z-score" else 7.0 * found)


@pytest.mark.parametrize("kind", KINDS)
def test_an_episode_that_is_left_out_makes_the_group_smaller(kind):
    found = advantages([[1.0, 100.0, 4.0, 2.0]], kind, [[True, False, True, True]])
    assert np.allclose(found[0][[0, 2, 3]], advantages([[1.0, 4.0, 2.0]], kind))
    assert found[0][1] == 0.0
    alone = advantages([[1.0, 9.0]], kind, [[True, False]])
    none = advantages([[1.0, 9.0]], kind, [[False, False]])
    assert (alone == 0.0).all()
    assert (none == 0.0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_rounding_makes_no_advantage(kind):
    """Sums of tenths in another order differ in the last bit."""
    assert (advantages([[0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1, 0.6]], kind) == 0.0).all()


@pytest.mark.parametrize("kind", ["z-score", "mean"])
def test_step_advantages_agree_with_loops(kind):
    rng = np.random.default_rng(1)
    rewards, lengths = rng.normal(size=(4, 2, 3)), np.array([[1, 4, 2], [3, 3, 4]])
    there = np.arange(4)[:, None, None] < lengths
    found = step_advantages(tensor(rewards), torch.tensor(there), kind).numpy()
    for group in range(2):
        steps = np.concatenate([rewards[: lengths[group, i], group, i] for i in range(3)])
        for i in range(3):
            own = rewards[: lengths[group, i], group, i] - steps.mean()
            own = own / steps.std() if kind == "z-score" else own
            expected = [own[t:].sum() for t in range(lengths[group, i])]
            assert np.allclose(found[: lengths[group, i], group, i], expected)
            assert (found[lengths[group, i] :, group, i] == 0.0).all()


def test_the_clip_is_that_of_ppo_with_two_bounds():
    ratios, worth = np.array([0.5, 0.75, 1.0, 1.25, 1.5]), np.array([[1.0], [-2.0]])
    log_ratios = tensor(np.log(ratios)).expand(2, 5).clone().requires_grad_()
    losses = clipped_surrogate(log_ratios, tensor(worth).expand(2, 5), 0.2, 0.3)
    expected = -np.minimum(ratios * worth, np.clip(ratios, 0.8, 1.3) * worth)
    assert np.allclose(losses.detach().numpy(), expected)
    losses.sum().backward()
    # No gradient where the ratio has gone further than is rewarded: above for good actions, below for bad ones.
    assert ((log_ratios.grad == 0.0).numpy() == [[0, 0, 0, 0, 1], [1, 1, 0, 0, 0]]).all()


def test_the_gradient_on_a_bandit_is_the_analytic_one():
    """At the policy that acted: minus the mean of ``A (onehot - p)``."""
    rng = np.random.default_rng(2)
    actions, returns = rng.integers(3, size=8), rng.normal(size=(1, 8))
    worth = advantages(returns, "z-score")[0]
    logits = tensor(np.log(POLICY)).requires_grad_()
    chosen = logits.log_softmax(0)[torch.tensor(actions)]
    clipped_surrogate(chosen - chosen.detach(), tensor(worth), 0.2, 0.2).mean().backward()
    expected = -np.mean(worth[:, None] * (np.eye(3)[actions] - POLICY), axis=0)
    assert np.allclose(logits.grad.numpy(), expected)


def test_leave_one_out_is_unbiased():
    """Over all pairs of actions the mean gradient is that of the expected return; "mean" is half of it."""
    worth, gradients = np.array([1.0, 0.0, 2.5]), {}
    exact = POLICY * (worth - POLICY @ worth)
    for kind in ("leave-one-out", "mean"):
        total = np.zeros(3)
        for a in range(3):
            for b in range(3):
                pair = advantages([[worth[a], worth[b]]], kind)[0]
                gradient = np.mean(pair[:, None] * (np.eye(3)[[a, b]] - POLICY), axis=0)
                total += POLICY[a] * POLICY[b] * gradient
        gradients[kind] = total
    assert np.allclose(gradients["leave-one-out"], exact)
    assert np.allclose(gradients["mean"], exact / 2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_pre_clip_keeps_everything_finite(dtype):
    log_ratios = torch.tensor([-200.0, -1.0, 0.0, 1.0, 200.0], dtype=dtype)
    worth = torch.tensor([1.0, 1.0, 1.0, -1.0, -1.0], dtype=dtype)
    for guarded in (False, True):
        given = log_ratios.clone().requires_grad_()
        losses = clipped_surrogate(pre_clip(given) if guarded else given, worth, 0.2, 0.2)
        losses.sum().backward()
        assert bool(losses.isfinite().all() and given.grad.isfinite().all()) == guarded
    assert torch.equal(pre_clip(log_ratios)[1:4], log_ratios[1:4])


def test_the_filter_drops_the_planted_outliers_alone():
    values = np.random.default_rng(3).uniform(-1.0, 1.0, size=100)
    everyone = torch.ones(100, dtype=torch.bool)
    assert within_deviations(tensor(values), everyone).all()
    values[[7, 60]] = [30.0, -40.0]
    assert (~within_deviations(tensor(values), everyone)).nonzero()[:, 0].tolist() == [7, 60]
    assert within_deviations(tensor(np.zeros(4)), torch.ones(4, dtype=torch.bool)).all()
    # An episode that does not count moves neither mean nor deviation.
    values[60], everyone[60] = 1e9, False
    assert (~within_deviations(tensor(values), everyone)).nonzero()[:, 0].tolist() == [7, 60]


def test_the_kl_estimate_is_unbiased_and_never_negative():
    terms = kl_estimate(tensor(np.log(POLICY)), tensor(np.log(REFERENCE))).numpy()
    assert POLICY @ terms == pytest.approx(POLICY @ np.log(POLICY / REFERENCE))
    assert (terms >= 0.0).all()
    assert (kl_estimate(tensor([-1.0, -2.0]), tensor([-1.0, -2.0])) == 0.0).all()


def exact_divergence(kind, p, q, alpha=0.2):
    """Of p from the reference q, by the definitions."""
    if kind == "forward-kl":
        return q @ np.log(q / p)
    if kind == "reverse-kl":
        return p @ np.log(p / q)
    if kind == "js":
        m = (p + q) / 2
        return p @ np.log(p / m) + q @ np.log(q / m)
    return (np.sum(p**alpha * q ** (1 - alpha)) - 1) / (alpha * (alpha - 1))


@pytest.mark.parametrize("kind", ["forward-kl", "reverse-kl", "js", "alpha"])
def test_f_divergences_are_the_exact_sums(kind):
    rng = np.random.default_rng(4)
    for _ in range(20):
        p, q = rng.dirichlet(np.ones(4)), rng.dirichlet(np.ones(4))
        found = q @ f_divergence(kind, tensor(np.log(p)), tensor(np.log(q))).numpy()
        assert found == pytest.approx(exact_divergence(kind, p, q))
        assert found > 0.0
        assert np.allclose(f_divergence(kind, tensor(np.log(p)), tensor(np.log(p))), 0.0)


@pytest.mark.parametrize(("alpha", "limit"), [(1e-5, "forward-kl"), (1 - 1e-5, "reverse-kl")])
def test_alpha_goes_from_forward_to_reverse(alpha, limit):
    logs = tensor(np.log(POLICY)), tensor(np.log(REFERENCE))
    found = REFERENCE @ f_divergence("alpha", *logs, alpha=alpha).numpy()
    assert found == pytest.approx(exact_divergence(limit, POLICY, REFERENCE), rel=1e-3)


def test_only_forward_kl_fully_brings_back_what_is_lost():
    """The gradient on the logit of an action that the reference takes and the policy does not."""
    pulls = {}
    for kind in ("forward-kl", "alpha", "js", "reverse-kl"):
        logits = tensor(np.log([1.0 - 1e-6, 1e-6])).requires_grad_()
        terms = f_divergence(kind, logits.log_softmax(0), tensor(np.log([0.5, 0.5])))
        (0.5 * terms).sum().backward()
        pulls[kind] = -float(logits.grad[1])
    assert pulls["forward-kl"] == pytest.approx(0.5, rel=1e-3)
    # u^alpha / (1 - alpha) of it is left, with u = 2e-6; of the others about u log u.
    assert pulls["alpha"] == pytest.approx(0.5 * (2e-6) ** 0.2 / 0.8, rel=0.01)
    assert abs(pulls["reverse-kl"]) < 1e-4
    assert abs(pulls["js"]) < 1e-4


def test_oreal_clones_successes_and_halves_failures():
    logs, old = tensor([-1.0, -2.0, -0.5, -3.0]).requires_grad_(), tensor([-1.0, -2.0, -1.0, -2.0])
    worth, success = tensor([0.5, 0.25, -0.75, -1.0]), torch.tensor([True, True, False, False])
    importance = tensor([1.0, 0.4, 9.0, 9.0]), tensor([9.0, 9.0, 0.5, 1.0])
    losses = oreal_losses(logs, old, worth, success, importance)
    expected = [0.5, 0.4 * 0.25 * 2.0, 0.5 * 0.5 * 0.75 * np.exp(0.5), 0.5 * 1.0 * np.exp(-1.0)]
    assert np.allclose(losses.detach().numpy(), expected)
    losses.sum().backward()
    assert np.allclose(logs.grad.numpy(), [-0.5, -0.1, expected[2], expected[3]])


@pytest.mark.parametrize("outcome", [0.0, 1.0])
def test_oreal_learns_nothing_from_a_group_that_agrees(outcome):
    worth = tensor(advantages([[outcome] * 4], "leave-one-out")[0])
    logs = tensor([-1.0, -2.0, -0.5, -3.0]).requires_grad_()
    oreal_losses(logs, logs.detach(), worth, torch.full((4,), bool(outcome))).sum().backward()
    assert (logs.grad == 0.0).all()


def test_oreal_weights_by_hand():
    """sigmoid(log 3) = 3/4: the success that is expected after logits whose mean is log 3."""
    three = np.log(3.0)
    logits = tensor([[three, -three], [-three, -three], [7.0, 3.0 * three]])
    there = torch.tensor([[True, True], [True, True], [False, True]])
    positive, negative = oreal_weights(logits, there)
    # Means: log 3, 0 and -log 3, -log 3, log(3) / 3.
    last = 2.0 / (1.0 + 3.0 ** (-1.0 / 3.0)) - 1.0
    assert np.allclose(positive.numpy(), [[0.5, 0.0], [0.0, 0.0], [0.0, last]])
    assert np.allclose(negative.numpy(), [[0.0, 0.5], [0.0, 0.5], [0.0, 0.0]])


def test_what_does_not_fit_is_refused():
    ones = torch.ones(2, 1, 2)
    with pytest.raises(ValueError, match="z-score or mean"):
        step_advantages(ones, ones.bool(), "leave-one-out")
    with pytest.raises(ValueError, match="forward-kl"):
        f_divergence("kl", ones, ones)
    for alpha in (0.0, 1.0):
        with pytest.raises(ValueError, match="must not be 0 or 1"):
            f_divergence("alpha", ones, ones, alpha)
