"""Read, write, convert and align delimited text such as CSV."""

from delimited.coerce import coerce, coerce_records, infer_type
from delimited.dialect import DIALECTS, DelimitedError, Dialect, sniff_delimiter
from delimited.reader import read_records, read_rows
from delimited.writer import align, write_records, write_rows

__all__ = [
    "DIALECTS",
    "DelimitedError",
    "Dialect",
    "align",
    "coerce",
    "coerce_records",
    "infer_type",
    "read_records",
    "read_rows",
    "sniff_delimiter",
    "write_records",
    "write_rows",
]
