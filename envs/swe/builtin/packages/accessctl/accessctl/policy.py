"""Rules and decisions."""

from dataclasses import dataclass
from enum import Enum

from accessctl.conditions import Attributes, Condition
from accessctl.patterns import check_pattern, matches, specificity
from accessctl.roles import RoleGraph


class Effect(Enum):
    """What a rule does."""

    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True)
class Rule:
    """An effect for a role on the actions and resources that fit two patterns.

    A rule with a ``condition`` applies only where it is true. Among the rules that apply the
    greatest ``priority`` wins. PatternError is raised for a malformed pattern.
    """

    name: str
    role: str
    effect: Effect
    action: str
    resource: str
    condition: Condition | None = None
    priority: int = 0

    def __post_init__(self) -> None:
        """Check both patterns."""
        check_pattern(self.action)
        check_pattern(self.resource)

    def covers(self, action: str, resource: str) -> bool:
        """Return whether both patterns fit; the condition is not looked at."""
        return matches(self.action, action) and matches(self.resource, resource)


@dataclass(frozen=True)
class Decision:
    """Whether a request is allowed, the deciding rule if any, and the reasons, line by line."""

    allowed: bool
    rule: Rule | None
    reasons: tuple[str, ...]


class Policy:
    """Rules over the roles of a graph; what no rule allows is denied."""

    def __init__(self, roles: RoleGraph) -> None:
        """Create a policy without rules over ``roles``, which stays shared with the caller."""
        self.roles = roles
        self._rules: list[Rule] = []

    @property
    def rules(self) -> list[Rule]:
        """Return the rules in order of addition, in a list of the caller's own."""
        return list(self._rules)

    def add(self, rule: Rule) -> None:
        """Add a rule.

        Raise RoleError when its role is unknown, and ValueError when its name is taken.
        """
        self.roles.parents(rule.role)
        if any(other.name == rule.name for other in self._rules):
            raise ValueError(f"duplicate rule name {rule.name!r}")
        self._rules.append(rule)

    def remove(self, name: str) -> bool:
        """Remove the rule of that name; return whether there was one."""
        kept = [rule for rule in self._rules if rule.name != name]
        removed = len(kept) < len(self._rules)
        self._rules = kept
        return removed

    def explain(self, subject: str, action: str, resource: str, attributes: Attributes | None = None) -> Decision:
        """Decide a request and say why.

        The rules are those of the subject's roles and all roles these inherit from. Of the
        rules that cover the request and whose condition holds, the winner has, in this order:
        the greatest priority; the role with the fewest inheritance steps from the subject's;
        the most specific resource pattern; the most specific action pattern; the effect deny;
        and the earliest addition. Conditions see ``attributes`` plus the keys ``subject``,
        ``action`` and ``resource``, which cannot be overridden.

        The reasons start with one line per covering rule in order of addition, being
        ``NAME: allow|deny via ROLE`` or ``NAME: condition not met``, and end with
        ``allowed by NAME``, ``denied by NAME`` or ``denied by default``.
        """
        given = dict(attributes or {})
        given.update(subject=subject, action=action, resource=resource)
        distances = self.roles.distances(self.roles.roles_of(subject))
        reasons: list[str] = []
        winner: Rule | None = None
        for rule in self._rules:
            if rule.role not in distances or not rule.covers(action, resource):
                continue
            if rule.condition is not None and not rule.condition(given):
                reasons.append(f"{rule.name}: condition not met")
                continue
            reasons.append(f"{rule.name}: {rule.effect.value} via {rule.role}")
            if winner is None or _rank(rule, distances) > _rank(winner, distances):
                winner = rule
        if winner is None:
            return Decision(False, None, (*reasons, "denied by default"))
        allowed = winner.effect is Effect.ALLOW
        reasons.append(f"{'allowed' if allowed else 'denied'} by {winner.name}")
        return Decision(allowed, winner, tuple(reasons))

    def allows(self, subject: str, action: str, resource: str, attributes: Attributes | None = None) -> bool:
        """Return whether explain would allow the request."""
        return self.explain(subject, action, resource, attributes).allowed


def _rank(rule: Rule, distances: dict[str, int]) -> tuple[int, int, tuple[int, int], tuple[int, int], bool]:
    """Return a key that is greater for the rule that takes precedence."""
    return (
        rule.priority,
        -distances[rule.role],
        specificity(rule.resource),
        specificity(rule.action),
        rule.effect is Effect.DENY,
    )
