"""Roles, their inheritance, and who holds them."""

from collections.abc import Iterable


class RoleError(ValueError):
    """A role is unknown, defined twice, or part of a cycle."""


class RoleGraph:
    """Roles that inherit from parent roles, and the roles assigned to subjects."""

    def __init__(self) -> None:
        """Create a graph without roles."""
        self._parents: dict[str, list[str]] = {}
        self._assigned: dict[str, list[str]] = {}

    def add(self, role: str, parents: Iterable[str] = ()) -> None:
        """Define a role that inherits from existing ``parents``, in that order.

        Raise RoleError when the role exists already or a parent does not; a refused role is
        not defined. A parent named twice counts once.
        """
        if role in self._parents:
            raise RoleError(f"role {role!r} exists already")
        wanted = list(dict.fromkeys(parents))
        for parent in wanted:
            self._require(parent)
        self._parents[role] = wanted

    def inherit(self, role: str, parent: str) -> None:
        """Add a parent to an existing role; one that it has already changes nothing.

        Raise RoleError for an unknown role or parent, and for a parent that would close a
        cycle; the message shows the cycle, such as ``a -> b -> a``.
        """
        self._require(role)
        self._require(parent)
        chain = self.chain(parent, role)
        if chain:
            raise RoleError("role cycle: " + " -> ".join([role, *chain]))
        if parent not in self._parents[role]:
            self._parents[role].append(parent)

    def parents(self, role: str) -> list[str]:
        """Return the direct parents of a role in a list of the caller's own."""
        self._require(role)
        return list(self._parents[role])

    def chain(self, start: str, goal: str) -> list[str]:
        """Return the roles from ``start`` up to its ancestor ``goal``, both included.

        It is the first chain in order of parents, and empty when there is none. A role is its
        own chain of length 1. Raise RoleError when ``start`` is unknown.
        """
        self._require(start)
        if start == goal:
            return [start]
        for parent in self._parents[start]:
            rest = self.chain(parent, goal)
            if rest:
                return [start, *rest]
        return []

    def distances(self, roles: Iterable[str]) -> dict[str, int]:
        """Return ``roles`` and all their ancestors with the fewest steps to each.

        The roles themselves have distance 0. Nearer roles come first, and roles at the same
        distance in order of discovery. Raise RoleError for an unknown role.
        """
        found: dict[str, int] = {}
        level = list(roles)
        steps = 0
        while level:
            above: list[str] = []
            for role in level:
                if role not in found:
                    found[role] = steps
                    above.extend(self.parents(role))
            level = above
            steps += 1
        return found

    def assign(self, subject: str, role: str) -> None:
        """Give a role to a subject; giving it again changes nothing. RoleError when unknown."""
        self._require(role)
        held = self._assigned.setdefault(subject, [])
        if role not in held:
            held.append(role)

    def revoke(self, subject: str, role: str) -> bool:
        """Take a directly assigned role away; return whether the subject had it."""
        held = self._assigned.get(subject, [])
        if role not in held:
            return False
        held.remove(role)
        return True

    def roles_of(self, subject: str) -> list[str]:
        """Return the directly assigned roles, in order of assignment, in a new list."""
        return list(self._assigned.get(subject, []))

    def _require(self, role: str) -> None:
        """Raise RoleError when ``role`` is not defined."""
        if role not in self._parents:
            raise RoleError(f"unknown role {role!r}")
