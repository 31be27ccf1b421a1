"""The four coupled bandits that users make. Their documentation differs in the coupling only, so it is one text."""

from __future__ import annotations

from typing import Any

from telos.envs.bandits.coupled import CapacityBandit, InterventionBandit, MatchingBandit, PathBandit
from telos.envs.bandits.feasible_actions import FeasibleActions
from telos.envs.engine.env import SimulatedEnv
from telos.envs.engine.vector import SimulatedVectorEnv

__all__ = [
    "CoRMABCapacityEnv",
    "CoRMABCapacityVectorEnv",
    "CoRMABInterventionEnv",
    "CoRMABInterventionVectorEnv",
    "CoRMABMatchingEnv",
    "CoRMABMatchingVectorEnv",
    "CoRMABPathEnv",
    "CoRMABPathVectorEnv",
]

_DOCUMENTATION = """A restless bandit with combinatorial actions: {title}.

## Description
``J`` arms are birth-death chains with four states: an arm moves up with a probability that depends on what is done to
it, else down. A step pays each arm's reward of the state that it has reached. Some arms pay less in the middle states
than at the bottom, so that looking one step ahead leaves them alone, while three steps up there is much to earn.

{coupling}

## Action Space
``MultiBinary({size})``, of which only the feasible vectors count; ``sample()`` gives feasible ones. {action}

## Observation Space
``Box(0, 3, (J,), int16)``: each arm's state. With ``features=True`` a ``Dict``: ``arms`` as above, and ``features``,
``Box(-inf, inf, (J, F), float32)``: for each arm the reward of each state, then its transition probabilities.

## Rewards
The sum over arms of the reward of the state that is reached, between 0.1 J and 6 J.

### Reward terms
| Term | Values | When |
|---|---|---|
| `arms` | 0.1 J to 6 J; at most `reward_cap` J / 5 | every step; **the outcome** |

## Starting State
Each arm is in state 0 or 1, with equal chance.

## Episode End
### Termination
After ``horizon`` steps: the horizon is part of the problem.
### Truncation
Only by ``max_episode_steps`` of ``gym.make``.

## Info
| Key | When | Meaning |
|---|---|---|
| `reward_terms` | every step | see above |
| `acted_on` | every step | number of arms with a level above 0 |
| `expected_reward` | every step, unless `reward_cap` is given | expectation of the reward before the draw: what the paper reports |
| `upper_bound` | every step, with `certify=True` | no policy can expect more reward from here to the end; 0 at the end |

## Harder variants
With prices for the arms' levels and a linear oracle, the published problem is nearly solved. Arguments make it harder:

* ``observe="acted_on"``: only the arms acted on show their state. The observation is then each arm's belief state,
  ``Box(0, S' - 1, (J,), int16)``, which :class:`telos.envs.bandits.belief.BeliefArms` explains and
  ``env.unwrapped.family.beliefs`` turns into probabilities; the reward is the expected one, since a reward drawn from
  the state would show it.
* ``contagion=c``: an arm that has moved then follows a random neighbour of a planar graph, by one state towards the
  state that the neighbour had before the step, with probability ``c``. Arms are no longer independent.
* ``reward_cap=r``: arms form random groups of five, and a group earns at most ``r`` in a step: the reward is
  submodular in the arms' rewards.
{variants}

## Arguments
| Parameter | Default | Meaning |
|---|---|---|
| `num_arms` | 20 | `J` |
| `budget` | 5 | {budget} |
{arguments}| `horizon` | None | steps of an episode; None is the instance's own, 20 |
| `instance_seed` | 0 | seed of the instance generator, apart from the seed of `reset` |
| `instance` | None | a `CoupledInstance`, or the file that one was saved to, instead of a generated one |
| `invalid` | `"error"` | what an infeasible action does: `"error"`, `"project"` (the feasible levels that agree with it on the most arms), `"noop"` (all passive) |
| `observe` | `"always"` | `"always"` or `"acted_on"`, see above; the latter not with the next two |
| `features` | False | whether the observation holds the instance |
| `certify` | False | whether `info` has `upper_bound`; a fraction of a second when the environment is made; not with both `persistent` and `contagion` |
| `contagion` | 0.0 | probability, see above |
| `reward_cap` | None | see above |

On ``env.unwrapped``: ``feasible(action)``, ``sample_feasible(count)``, ``linear_oracle(weights)``,
``linear_constraints()``, ``enumerate()``; see :class:`telos.envs.bandits.feasible.base.FeasibleSet`.

## Vectorized environment
``gym.make_vec("{id}", num_envs=1024)``: one batch, no processes, all autoreset modes (argument ``autoreset_mode``),
``options={{"reset_mask": ...}}``.

## Determinism
A trajectory is a function of ``instance_seed``, arguments, seed and actions alone. ``clone_state()`` and
``restore_state()`` on ``env.unwrapped`` copy it exactly.

## Baselines
Bounds and prices: :mod:`telos.envs.bandits.relaxation`. Exact values of small instances:
:mod:`telos.envs.bandits.optimum`.

## Licence and data source
All instances are generated; MIT.

## References
Xu, Wilder, Khalil and Tambe, "Reinforcement learning with combinatorial actions for coupled restless bandits",
arXiv:2503.01919.

## Version History
* v0: initial version (2026).
"""  # noqa: E501 - a table's row is one line


def _document(env: type[Any], **parts: str) -> None:
    env.__doc__ = _DOCUMENTATION.format(**{"arguments": "", "variants": "", **parts})


class CoRMABInterventionEnv(FeasibleActions, SimulatedEnv):  # noqa: D101 - documented below
    family_type = InterventionBandit


_document(
    CoRMABInterventionEnv,
    id="CoRMABIntervention-v0",
    title="interventions that act on several arms at once",
    coupling="""Each of ``num_actions`` interventions is connected to some arms. An arm's level is the number of chosen
interventions connected to it, and its chance to move up is a sigmoid of that number: most arms take one, steep ones
need two or three at the same time.""",
    size="num_actions",
    action="Entry k is 1 to choose intervention k.",
    budget="largest number of interventions in a step",
    arguments="| `num_actions` | 10 | number of interventions |\n",
)


class CoRMABPathEnv(FeasibleActions, SimulatedEnv):  # noqa: D101 - documented below
    family_type = PathBandit


_document(
    CoRMABPathEnv,
    id="CoRMABPath-v0",
    title="arms on a graph, visited on a round trip",
    coupling="""The arms are nodes of a graph. A vehicle makes a closed walk of at most ``2 * budget`` edges from its
depot, and acts on at most ``budget`` of the nodes that it visits.""",
    size="J",
    action="""Entry j is 1 to act on arm j.

With ``persistent=True`` it is ``MultiBinary(2 J)``: entry J + j is 1 for a walk that ends in node j, and none of these
is 1 for a walk that ends where it began. What is feasible then depends on where the vehicle is, so ``sample()`` gives
any vector, and ``env.unwrapped.sample_feasible()`` feasible ones.""",
    budget="largest number of arms acted on; the walk has at most twice as many edges",
    arguments="| `persistent` | False | whether the vehicle stays out, see above |\n",
    variants="""* ``persistent=True``: the vehicle does not go home. A step's walk has at most ``budget`` edges,
  begins where the last one ended (at the depot at first), and ends anywhere. The observation is a ``Dict`` with
  ``arms`` and ``vehicle``, ``MultiBinary(J)``, 1 for the node that it is in.
""",
)


class CoRMABMatchingEnv(FeasibleActions, SimulatedEnv):  # noqa: D101 - documented below
    family_type = MatchingBandit


_document(
    CoRMABMatchingEnv,
    id="CoRMABMatching-v0",
    title="a schedule of workers in time slots",
    coupling="""``budget`` workers and the arms are each available in some of five time slots. Acting on an arm takes
two (worker, slot) pairs that fit its slots; a pair serves one arm.""",
    size="J",
    action="Entry j is 1 to act on arm j.",
    budget="number of workers, and largest number of arms acted on",
)


class CoRMABCapacityEnv(FeasibleActions, SimulatedEnv):  # noqa: D101 - documented below
    family_type = CapacityBandit


_document(
    CoRMABCapacityEnv,
    id="CoRMABCapacity-v0",
    title="workers with limited capacity",
    coupling="""Acting on an arm has a cost, and each of ``budget`` workers has a capacity: the arms acted on must be
assigned to workers so that no worker's costs exceed the capacity (a multiple knapsack).""",
    size="J",
    action="Entry j is 1 to act on arm j.",
    budget="number of workers",
)


class CoRMABInterventionVectorEnv(FeasibleActions, SimulatedVectorEnv):
    """Many environments on the same instance; see :class:`CoRMABInterventionEnv`."""

    family_type = InterventionBandit


class CoRMABPathVectorEnv(FeasibleActions, SimulatedVectorEnv):
    """Many environments on the same instance; see :class:`CoRMABPathEnv`."""

    family_type = PathBandit


class CoRMABMatchingVectorEnv(FeasibleActions, SimulatedVectorEnv):
    """Many environments on the same instance; see :class:`CoRMABMatchingEnv`."""

    family_type = MatchingBandit


class CoRMABCapacityVectorEnv(FeasibleActions, SimulatedVectorEnv):
    """Many environments on the same instance; see :class:`CoRMABCapacityEnv`."""

    family_type = CapacityBandit
