"""INI files with inheritance, interpolation, typed getters and comments that survive."""

from iniparse.config import Config
from iniparse.document import Document, IniError, Line, parse_document
from iniparse.interpolate import interpolate

__all__ = ["Config", "Document", "IniError", "Line", "interpolate", "parse_document"]
