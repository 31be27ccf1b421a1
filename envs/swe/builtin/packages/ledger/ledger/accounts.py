"""The chart of accounts: a tree of colon-separated paths."""

from dataclasses import dataclass
from enum import Enum


class ChartError(ValueError):
    """A chart of accounts was built or queried wrongly."""


class AccountType(Enum):
    """The five classic account types."""

    ASSET = "asset"
    LIABILITY = "liability"
    EQUITY = "equity"
    INCOME = "income"
    EXPENSE = "expense"

    @property
    def normal_sign(self) -> int:
        """Return 1 for debit-normal types (asset, expense) and -1 for all others."""
        return 1 if self in (AccountType.ASSET, AccountType.EXPENSE) else -1

    @property
    def is_temporary(self) -> bool:
        """Return whether accounts of this type are zeroed by a period close."""
        return self in (AccountType.INCOME, AccountType.EXPENSE)


@dataclass(frozen=True)
class Account:
    """One account: its full path such as ``assets:bank`` and its type."""

    path: str
    kind: AccountType

    @property
    def name(self) -> str:
        """Return the last segment of the path."""
        return self.path.rpartition(":")[2]

    @property
    def parent(self) -> str | None:
        """Return the path of the parent, or None for a root account."""
        return self.path.rpartition(":")[0] or None


class Chart:
    """A tree of accounts, in which only leaves may carry postings."""

    def __init__(self) -> None:
        """Create a chart without accounts."""
        self._accounts: dict[str, Account] = {}

    def add(self, path: str, kind: AccountType | None = None) -> Account:
        """Add the account at ``path`` and return it.

        A root account needs a ``kind``. Any other account needs an existing parent and takes
        its kind; passing the parent's own kind is allowed. ChartError is raised for an empty
        path segment, a path that exists already, a missing parent, a root without a kind, and
        a kind that differs from the parent's.
        """
        if not all(segment.strip() for segment in path.split(":")):
            raise ChartError(f"empty segment in account path {path!r}")
        if path in self._accounts:
            raise ChartError(f"duplicate account {path!r}")
        parent = path.rpartition(":")[0]
        if parent:
            inherited = self.get(parent).kind
            if kind is not None and kind is not inherited:
                raise ChartError(f"{path!r} must have kind {inherited.value}")
            kind = inherited
        if kind is None:
            raise ChartError(f"root account {path!r} needs a kind")
        account = Account(path, kind)
        self._accounts[path] = account
        return account

    def get(self, path: str) -> Account:
        """Return the account at ``path``; raise ChartError when there is none."""
        if path not in self._accounts:
            raise ChartError(f"unknown account {path!r}")
        return self._accounts[path]

    def children(self, path: str) -> list[str]:
        """Return the sorted paths of the direct children of ``path`` (which must exist)."""
        self.get(path)
        return sorted(a.path for a in self._accounts.values() if a.parent == path)

    def is_leaf(self, path: str) -> bool:
        """Return whether the existing account ``path`` has no children."""
        return not self.children(path)

    def subtree(self, path: str) -> list[str]:
        """Return ``path`` and then all its descendants, parents before their children.

        Siblings come in alphabetical order. An account that merely shares a textual prefix
        (``cash`` and ``cashier``) is not a descendant.
        """
        found = [path]
        for child in self.children(path):
            found.extend(self.subtree(child))
        return found

    def leaves(self) -> list[Account]:
        """Return all accounts without children, sorted by path."""
        return [self._accounts[path] for path in sorted(self._accounts) if self.is_leaf(path)]
