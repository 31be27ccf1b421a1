"""Logs to memory maps: read once, checked, cut into sessions, written to a cache folder or not at all."""

from __future__ import annotations

import csv
import itertools
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telos.envs.recsys.logged.layouts import DataMissingError, Layout, check_archive, find_layout

__all__ = ["Interactions", "Progress", "cache_of", "convert", "load_interactions", "runs_elsewhere", "write_atomically"]

Progress = Callable[[str, float], None]

#: A pause of more than half an hour ends a session, as is the custom for logs of the web.
SESSION_GAP = 1800.0
_FORMAT = 1
_CHUNK = 200_000
_FOLDER = "interactions"


@dataclass(frozen=True)
class Description:
    """What was converted.

    Attributes:
        format: Of the folder.
        layout: Name of the layout.
        signals: Names.
        categories: Names; the last one is the rest.
        num_items: Items to recommend, the most shown ones; the others are pooled by category and follow them.
        checked: What was checked of the files.
        threshold: A signal is given where its column is above it.
        repeats: Rows that were left out because the session had the item before.
        days: Days from the first to the last interaction, both counted.
        sources: Size of each file, by which a change is noticed.
        limits: The arguments ``max_items`` and ``num_categories``.
    """

    format: int
    layout: str
    signals: tuple[str, ...]
    categories: tuple[str, ...]
    num_items: int
    checked: str
    threshold: float
    repeats: int
    days: int
    sources: dict[str, int]
    limits: tuple[int, int]


@dataclass(frozen=True)
class Interactions:
    """A converted log of ``N`` interactions, sorted by user and time, each array a memory map.

    Attributes:
        about: Description.
        user: Int32 ``(N,)``, row of ``user_ids``.
        item: Int32 ``(N,)``; from ``about.num_items`` on, the pool of a category.
        day: Int32 ``(N,)``, since the log's first.
        session: Int32 ``(N,)``, counted from 0.
        feedback: Bool ``(N, S)``.
        categories: Int16 ``(num_items + C,)``, of items and pools.
        user_ids: Int64 ``(U,)``, as the files have them.
        item_ids: Int64 ``(num_items,)``.
    """

    about: Description
    user: NDArray[np.int32]
    item: NDArray[np.int32]
    day: NDArray[np.int32]
    session: NDArray[np.int32]
    feedback: NDArray[np.bool_]
    categories: NDArray[np.int16]
    user_ids: NDArray[np.int64]
    item_ids: NDArray[np.int64]

    @property
    def starts(self) -> NDArray[np.int64]:
        """First row of each session, and ``N``, int64."""
        first = np.flatnonzero(np.diff(self.session, prepend=-1))
        return np.append(first, len(self.session))


_ARRAYS = ("user", "item", "day", "session", "feedback", "categories", "user_ids", "item_ids")


def cache_of(data_root: str | Path, cache: str | Path | None = None) -> Path:
    """The cache folder: the one given, or ``telos-cache`` in the data's folder."""
    return Path(data_root) / "telos-cache" if cache is None else Path(cache)


def convert(
    data_root: str | Path,
    cache: str | Path | None = None,
    watch_threshold: float = 2.0,
    max_items: int = 10_000,
    num_categories: int = 16,
    progress: Progress = lambda text, fraction: None,
) -> Interactions:
    """Converts a log, or loads what was converted before from the same files with the same arguments.

    Args:
        data_root: Folder of the files, or the one above ``data``.
        cache: Folder for what is made; None is ``data_root/telos-cache``.
        watch_threshold: KuaiRec's ``watched`` is a watch ratio above this; 2 is the example of its documentation.
        max_items: Items to recommend, those that are most shown.
        num_categories: Categories, those that are most shown; the last one is the rest.
        progress: Called with a text and the fraction done.

    Raises:
        DataMissingError: If files or columns are missing, or an archive has another checksum.
        ValueError: If an argument is out of range, or a line cannot be read.
    """
    if max_items < 2 or num_categories < 2:
        raise ValueError(f"max_items and num_categories must be at least 2, got {max_items} and {num_categories}")
    layout, folder = find_layout(Path(data_root))
    threshold = watch_threshold if layout.above is None else layout.above
    sources = {name: (folder / name).stat().st_size for name in layout.files}
    target = cache_of(data_root, cache) / _FOLDER
    limits, known = (max_items, num_categories), _description(target)
    if known is not None and (known.sources, known.threshold, known.limits) == (sources, threshold, limits):
        return load_interactions(data_root, cache)
    checked = check_archive(layout, folder)
    columns, bits = _read_logs(layout, folder, threshold, progress)
    progress("sessions", 0.8)
    arrays, about = _arrange(layout, folder, columns, bits, max_items, num_categories)
    described = Description(
        format=_FORMAT,
        layout=layout.name,
        signals=tuple(layout.signals),
        checked=checked,
        threshold=threshold,
        sources=sources,
        limits=limits,
        **about,
    )
    with write_atomically(target) as draft:
        draft.mkdir()
        for name, values in arrays.items():
            np.save(draft / f"{name}.npy", values)
        (draft / "about.json").write_text(json.dumps(asdict(described), indent=1) + "\n")
    progress("converted", 1.0)
    return load_interactions(data_root, cache)


def load_interactions(data_root: str | Path, cache: str | Path | None = None) -> Interactions:
    """What :func:`convert` made.

    Raises:
        DataMissingError: If it has made nothing.
    """
    folder = cache_of(data_root, cache) / _FOLDER
    about = _description(folder)
    if about is None:
        raise DataMissingError(f"{folder} has no converted log: `telos recsys convert --data-root {data_root}`")
    return Interactions(about, *(np.load(folder / f"{name}.npy", mmap_mode="r") for name in _ARRAYS))


@contextmanager
def write_atomically(target: Path) -> Iterator[Path]:
    """A path to write a file or a folder to, which replaces the target at the end, and only if nothing was raised.

    What killed processes left beside the target is removed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    for old in target.parent.glob(f".{target.name}.*"):
        process = old.name.rpartition(".")[2]
        if process.isdigit() and not runs_elsewhere(int(process)):
            _remove(old)
    draft, replaced = (target.with_name(f".{target.name}.{kind}.{os.getpid()}") for kind in ("new", "old"))
    try:
        yield draft
        if target.is_dir():
            target.rename(replaced)
        draft.replace(target)
    finally:
        _remove(draft)
        _remove(replaced)


def runs_elsewhere(process: int) -> bool:
    """Whether a process of this number runs, other than this one."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return process != os.getpid()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _description(folder: Path) -> Description | None:
    try:
        document: dict[str, Any] = json.loads((folder / "about.json").read_text())
    except FileNotFoundError:
        return None
    if document["format"] != _FORMAT:
        return None
    return Description(**(document | {name: tuple(document[name]) for name in ("signals", "categories", "limits")}))


@contextmanager
def _opened(layout: Layout, path: Path) -> Iterator[tuple[Iterator[str], list[str]]]:
    """Lines of a file from the first row on, and its columns."""
    with path.open(encoding="latin-1" if path.suffix == ".dat" else "utf-8", newline="") as file:
        if path.name not in layout.header:
            yield file, next(csv.reader([next(file, "")]), [])
            return
        columns = list(layout.header[path.name])
        first = next(file, "")
        if first.count(layout.separator) != len(columns) - 1:
            raise DataMissingError(
                f"{path} should have {len(columns)} columns separated by {layout.separator}; its first line is "
                f"{first.strip()!r}. Get it from {layout.address}"
            )
        yield itertools.chain([first], file), columns


def _check_columns(layout: Layout, path: Path, columns: list[str], wanted: tuple[str, ...]) -> None:
    missing = [name for name in wanted if name not in columns]
    if missing:
        raise DataMissingError(
            f"{path} has no column {', '.join(missing)}; it has {', '.join(columns) or 'none'}. Get {layout.title} "
            f"from {layout.address}"
        )


def _read_logs(
    layout: Layout, folder: Path, threshold: float, progress: Progress
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Users, items and seconds, float64 ``(3, N)``, and signals ``(N, S)``."""
    parts: list[NDArray[np.float64]] = []
    bits: list[NDArray[np.bool_]] = []
    total, done = sum((folder / name).stat().st_size for name in layout.logs), 0
    for name in layout.logs:
        path, row = folder / name, 1
        with _opened(layout, path) as (lines, columns):
            _check_columns(layout, path, columns, layout.log_columns)
            use = [columns.index(column) for column in layout.log_columns]
            rows = (line.replace(layout.separator, ",") for line in lines)
            while chunk := list(itertools.islice(rows, _CHUNK)):
                try:
                    values = np.loadtxt(chunk, delimiter=",", usecols=use, ndmin=2)
                except ValueError as error:
                    raise ValueError(f"{path}, in the {len(chunk)} rows from row {row} on: {error}") from error
                parts.append(values[:, :3].T * np.array([[1.0], [1.0], [layout.seconds]]))
                bits.append(values[:, 3:] > threshold)
                row += len(chunk)
                done += sum(map(len, chunk))
                progress(f"reading {name}", 0.8 * min(done / total, 1.0))
    if not parts:
        raise DataMissingError(f"{folder}: the logs are empty; get {layout.title} from {layout.address}")
    return np.concatenate(parts, axis=1), np.concatenate(bits)


def _categories_of(layout: Layout, path: Path) -> dict[int, str]:
    """The first category of each item."""
    first, found = re.compile(r"[^,|\[\]\s][^,|\[\]]*"), {}
    with _opened(layout, path) as (lines, columns):
        _check_columns(layout, path, columns, layout.item_columns)
        at, category = (columns.index(name) for name in layout.item_columns)
        by_hand = (line.rstrip("\r\n").split(layout.separator) for line in lines)
        for row in csv.reader(lines) if layout.separator == "," else by_hand:
            if len(row) > max(at, category) and (match := first.search(row[category])):
                found[int(float(row[at]))] = match.group().strip()
    return found


def _arrange(
    layout: Layout,
    folder: Path,
    columns: NDArray[np.float64],
    bits: NDArray[np.bool_],
    max_items: int,
    num_categories: int,
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The arrays of ``Interactions``, and what ``Description`` says of them."""
    order = np.lexsort((columns[2], columns[0]))
    users, items, seconds = columns[0, order].astype(np.int64), columns[1, order].astype(np.int64), columns[2, order]
    bits = bits[order]
    user_ids, user = np.unique(users, return_inverse=True)
    begins = (np.diff(user, prepend=-1) != 0) | (np.diff(seconds, prepend=-np.inf) > SESSION_GAP)
    session = np.cumsum(begins) - 1
    all_ids, number = np.unique(items, return_inverse=True)
    # A session's first row of each item; the key is unique to both.
    kept = np.zeros(len(items), np.bool_)
    kept[np.unique(session * len(all_ids) + number, return_index=True)[1]] = True
    shown = np.bincount(number[kept])
    local = np.floor((seconds + 3600.0 * layout.hours_from_utc) / 86400.0).astype(np.int64)
    local -= local.min()

    names = _categories_of(layout, folder / layout.items)
    of_item = np.array([names.get(int(item), "") for item in all_ids])
    labels, label = np.unique(of_item, return_inverse=True)
    weight = np.bincount(label, weights=shown)
    weight[labels == ""] = -1.0
    top = [k for k in np.argsort(-weight, kind="stable")[: num_categories - 1] if weight[k] >= 0.0]
    category = np.full(len(labels), len(top))
    category[top] = np.arange(len(top))
    category_of = category[label]
    ranked = np.argsort(-shown, kind="stable")[:max_items]
    row_of = len(ranked) + category_of
    row_of[ranked] = np.arange(len(ranked))
    arrays = {
        "user": user[kept].astype(np.int32),
        "item": row_of[number[kept]].astype(np.int32),
        "day": local[kept].astype(np.int32),
        "session": session[kept].astype(np.int32),
        "feedback": bits[kept],
        "categories": np.append(category_of[ranked], np.arange(len(top) + 1)).astype(np.int16),
        "user_ids": user_ids,
        "item_ids": all_ids[ranked],
    }
    about = {
        "categories": (*(str(labels[k]) for k in top), "rest"),
        "num_items": len(ranked),
        "repeats": int((~kept).sum()),
        "days": int(local.max()) + 1,
    }
    return arrays, about
