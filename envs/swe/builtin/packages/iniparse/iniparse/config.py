"""Typed access to the values of an INI file, and changes to it."""

from __future__ import annotations

from iniparse.document import IniError, Line, parse_document, strip_comment
from iniparse.interpolate import interpolate

_BOOLS: dict[str, bool] = {
    **dict.fromkeys(("1", "yes", "true", "on"), True),
    **dict.fromkeys(("0", "no", "false", "off"), False),
}


class Config:
    """An INI file: see `parse_document` for the syntax and `interpolate` for references.

    A section has the entries of its parent too, and of the parent's parent and so on, where it
    has no entry of its own. References in an inherited value are resolved from the section
    that was asked. Keys are looked up in lower case. Every getter raises IniError if the
    section does not exist; if only the key does not, it returns `default`, or raises IniError
    if that is None.
    """

    def __init__(self, text: str = "") -> None:
        self._document = parse_document(text)

    def sections(self) -> list[str]:
        """Return a new list of the section names in order of appearance."""
        return list(self._document.parents)

    def ancestry(self, section: str) -> list[str]:
        """Return the section, its parent, the parent's parent and so on."""
        chain: list[str] = []
        name: str | None = section
        while name is not None:
            if name not in self._document.parents:
                raise IniError(f"no section {name!r}")
            chain.append(name)
            name = self._document.parents[name]
        return chain

    def keys(self, section: str) -> list[str]:
        """Return the keys of a section: those of its oldest ancestor first, each key once."""
        chain = self.ancestry(section)
        found: dict[str, None] = {}
        for name in reversed(chain):
            for line in self._document.lines:
                if line.kind == "entry" and line.section == name:
                    found[line.key] = None
        return list(found)

    def raw(self, section: str, key: str) -> str | None:
        """Return the value before interpolation, own or inherited, or None if there is none."""
        for name in self.ancestry(section):
            index = self._document.find(name, key.lower())
            if index is not None:
                return self._document.lines[index].value
        return None

    def get(self, section: str, key: str, default: str | None = None) -> str:
        """Return the value with its references replaced, recursively; a default is kept as is.

        Raises IniError also if a reference leads back to itself or to a missing entry.
        """
        if self.raw(section, key) is None and default is not None:
            return default
        return self._resolve(section, key.lower(), ())

    def _resolve(self, section: str, key: str, active: tuple[tuple[str, str], ...]) -> str:
        """Interpolate an entry; `active` has the entries that are being interpolated."""
        if (section, key) in active:
            raise IniError(f"circular reference to {section}:{key}")
        value = self.raw(section, key)
        if value is None:
            raise IniError(f"no key {key!r} in section {section!r}")
        inner = (*active, (section, key))
        return interpolate(value, section, lambda name, other: self._resolve(name, other, inner))

    def get_int(self, section: str, key: str, default: int | None = None) -> int:
        """Return the value as an int; raises IniError if it is not one."""
        if default is not None and self.raw(section, key) is None:
            return default
        text = self.get(section, key)
        try:
            return int(text)
        except ValueError:
            raise IniError(f"{section}:{key} is not an integer: {text!r}") from None

    def get_bool(self, section: str, key: str, default: bool | None = None) -> bool:
        """Return the value as a bool: 1, yes, true, on or 0, no, false, off in any case.

        Raises IniError for any other value.
        """
        if default is not None and self.raw(section, key) is None:
            return default
        text = self.get(section, key)
        if text.lower() not in _BOOLS:
            raise IniError(f"{section}:{key} is not a boolean: {text!r}")
        return _BOOLS[text.lower()]

    def get_list(self, section: str, key: str, default: list[str] | None = None) -> list[str]:
        """Return the items between commas or line feeds, stripped, without empty ones.

        A default is copied, so that changing the result does not change it.
        """
        if default is not None and self.raw(section, key) is None:
            return list(default)
        items = self.get(section, key).replace("\n", ",").split(",")
        return [item.strip() for item in items if item.strip()]

    def as_dict(self, section: str) -> dict[str, str]:
        """Return a new dict with all keys and interpolated values of a section."""
        return {key: self.get(section, key) for key in self.keys(section)}

    def set(self, section: str, key: str, value: str) -> None:
        """Change an entry of the section itself, or add it behind its last entry.

        The section is added at the end if it does not exist. A changed entry keeps its place
        and the comment on its first line; other lines do not change. Line feeds in the value
        become continuation lines. Raises IniError if the key or the value could not be read
        back (such as a value with an inline comment, or an empty line in it).
        """
        key = key.lower()
        text = f"{key} = " + value.replace("\n", "\n    ")
        lines = parse_document(f"[x]\n{text}").lines
        if len(lines) != 2 or (lines[1].key, lines[1].value) != (key, value):
            raise IniError(f"cannot write {key!r} = {value!r}")
        if section not in self._document.parents:
            self.add_section(section)
        index = self._document.find(section, key)
        if index is None:
            place = self._document.end_of(section)
            self._document.lines.insert(place, Line("entry", text, section, key, value))
            return
        line = self._document.lines[index]
        first = line.text.split("\n")[0]
        comment = first[len(strip_comment(first)) :]
        head, *rest = text.split("\n")
        line.text = "\n".join([head + comment, *rest])
        line.value = value

    def add_section(self, name: str, parent: str | None = None) -> None:
        """Add an empty section at the end, with a blank line before it unless it is first.

        Raises IniError for a malformed or repeated name and for an unknown parent.
        """
        header = f"[{name}]" if parent is None else f"[{name} : {parent}]"
        text = self._document.text()
        document = parse_document(f"{text}\n{header}" if text else header)
        if list(document.parents.items())[-1] != (name, parent):
            raise IniError(f"malformed section name in {header!r}")
        self._document = document

    def remove(self, section: str, key: str) -> bool:
        """Remove an entry of the section itself; return whether there was one.

        Inherited entries stay. Raises IniError if the section does not exist.
        """
        self.ancestry(section)
        index = self._document.find(section, key.lower())
        if index is None:
            return False
        del self._document.lines[index]
        return True

    def text(self) -> str:
        """Return the file, with all comments, blank lines and changes."""
        return self._document.text()
