"""Pagination of lists of records: filter, sort, page, link."""

from .cursor import decode_cursor, encode_cursor, seek
from .filters import apply_filters, parse_filter
from .pages import Page, count_pages, page_links, paginate
from .sorting import parse_sort, sort_records

__all__ = [
    "Page",
    "apply_filters",
    "count_pages",
    "decode_cursor",
    "encode_cursor",
    "page_links",
    "paginate",
    "parse_filter",
    "parse_sort",
    "seek",
    "sort_records",
]
