"""Rows of data sets: from JSONL, Parquet and Arrow files, and from Hugging Face.

A named data set is looked for as a file first, in the folder that ``TELOS_SWE_DATA`` names (by default
``~/.cache/telos/swe``), then through the ``datasets`` library, which asks its own cache before the network and
respects ``HF_HUB_OFFLINE`` and ``HF_DATASETS_OFFLINE``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from telos.envs.swe.tasks import nearest

__all__ = ["DATASETS", "ListRows", "Rows", "data_folder", "load_rows"]

#: Name to repository on Hugging Face and split.
DATASETS = {
    "swe-bench": ("SWE-bench/SWE-bench", "test"),
    "swe-bench:lite": ("SWE-bench/SWE-bench_Lite", "test"),
    "swe-bench:verified": ("SWE-bench/SWE-bench_Verified", "test"),
    "swe-gym": ("SWE-Gym/SWE-Gym", "train"),
    "swe-gym:lite": ("SWE-Gym/SWE-Gym-Lite", "train"),
    "swe-smith": ("SWE-bench/SWE-smith", "train"),
    "swe-smith:py": ("SWE-bench/SWE-smith-py", "train"),
    "r2e": ("R2E-Gym/R2E-Gym-Subset", "train"),
    "r2e:lite": ("R2E-Gym/R2E-Gym-Lite", "train"),
}
_SUFFIXES = (".jsonl", ".json", ".parquet", ".arrow")
_INSTALL = "`pip install 'telos-gym[swe-data]'`"


class Rows(Protocol):
    """Rows of a data set, read when they are looked at."""

    def __len__(self) -> int:
        """Number of rows."""

    def row(self, index: int) -> Mapping[str, Any]:
        """All of a row."""

    def columns(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """Some fields of all rows; a field that the data set lacks is left out."""


class ListRows:
    """Rows in memory.

    Args:
        rows: The rows.
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, index: int) -> Mapping[str, Any]:
        """All of a row."""
        return self._rows[index]

    def columns(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """Some fields of all rows."""
        return [{name: row[name] for name in names if name in row} for row in self._rows]


class _TableRows:
    """Rows of an Arrow table, which may be larger than memory."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def row(self, index: int) -> Mapping[str, Any]:
        row: dict[str, Any] = self._table.slice(index, 1).to_pylist()[0]
        return row

    def columns(self, names: Sequence[str]) -> list[dict[str, Any]]:
        present = [name for name in names if name in self._table.column_names]
        rows: list[dict[str, Any]] = self._table.select(present).to_pylist()
        return rows


def data_folder() -> Path:
    """Where files of named data sets are looked for: ``TELOS_SWE_DATA``, or ``~/.cache/telos/swe``."""
    named = os.environ.get("TELOS_SWE_DATA")
    return Path(named) if named else Path("~/.cache/telos/swe").expanduser()


def load_rows(source: str) -> Rows:
    """Loads the rows of a source.

    Args:
        source: A name of ``DATASETS``, or the path of a file or of a folder of files of one kind.

    Raises:
        ValueError: If there is no such name or path, the file cannot be read, or the data set is neither in the
            folder of data sets nor to be had from Hugging Face; the message says what to install or where to put it.
    """
    path = Path(source).expanduser()
    if source not in DATASETS:
        if path.exists():
            return _read_path(path)
        if path.suffix in _SUFFIXES or "/" in source:
            raise ValueError(f"there is no file or folder {source}")
        names = ["builtin", *DATASETS]
        raise ValueError(
            f"unknown task source {source!r}: neither a data set nor the path of a file. {nearest(source, names)}"
        )
    stem = data_folder() / source.replace(":", "-")
    found = next(
        (file for file in (stem.with_name(stem.name + suffix) for suffix in ("", *_SUFFIXES)) if file.exists()), None
    )
    return _read_path(found) if found else _from_hugging_face(source, stem)


def _read_path(path: Path) -> Rows:
    if path.is_dir():
        return _read_files(_files_of(path))
    if path.suffix not in _SUFFIXES:
        raise ValueError(f"{path} ends in none of {', '.join(_SUFFIXES)}")
    return _read_files([path])


def _files_of(folder: Path) -> list[Path]:
    """The files of one kind in a folder or in its ``data/``, as Hugging Face lays them out."""
    for place in (folder, folder / "data"):
        for suffix in (".arrow", ".parquet", ".jsonl"):
            files = sorted(place.glob(f"*{suffix}"))
            splits = {file.name.split("-")[0].split(".")[0] for file in files}
            if len(splits) > 1:
                raise ValueError(f"{place} holds several splits ({', '.join(sorted(splits))}): name one of its files")
            if files:
                return files
    raise ValueError(f"{folder} holds no .arrow, .parquet or .jsonl file")


def _read_files(files: Sequence[Path]) -> Rows:
    if files[0].suffix in (".jsonl", ".json"):
        return ListRows([row for file in files for row in _read_json(file)])
    try:
        import pyarrow
        import pyarrow.ipc
        import pyarrow.parquet
    except ImportError as error:
        raise ValueError(f"{files[0]} needs pyarrow: {_INSTALL}") from error
    tables = []
    for file in files:
        try:
            tables.append(pyarrow.parquet.read_table(file) if file.suffix == ".parquet" else _read_arrow(file))
        except (pyarrow.ArrowException, OSError) as error:
            raise ValueError(f"{file} cannot be read: {error}") from error
    return _TableRows(pyarrow.concat_tables(tables))


def _read_arrow(file: Path) -> Any:
    """An Arrow file of either layout: a stream, which Hugging Face writes, or a file with an index."""
    import pyarrow
    import pyarrow.ipc

    source = pyarrow.memory_map(str(file))
    try:
        return pyarrow.ipc.open_stream(source).read_all()
    except pyarrow.ArrowInvalid:
        source.seek(0)
        return pyarrow.ipc.open_file(source).read_all()


def _read_json(file: Path) -> list[Mapping[str, Any]]:
    text = file.read_text(encoding="utf-8")
    rows: list[Any] = []
    try:
        if file.suffix == ".json":
            rows = json.loads(text)
        else:
            # Not splitlines(): a row may hold other line separators.
            rows.extend(json.loads(line) for line in text.split("\n") if line.strip())
    except ValueError as error:
        place = f" row {len(rows) + 1}" if file.suffix == ".jsonl" else ""
        raise ValueError(f"{file}{place} is no JSON: {error}") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"{file} is no list of JSON objects")
    return rows


def _from_hugging_face(name: str, stem: Path) -> Rows:
    repository, split = DATASETS[name]
    put = f"put its {split} split at {stem}.parquet (or .jsonl, .arrow)"
    try:
        import datasets
    except ImportError as error:
        raise ValueError(
            f"{name} is not in {stem.parent}, and the library that downloads it is not installed: {_INSTALL}, or {put} "
            f"(https://huggingface.co/datasets/{repository})"
        ) from error
    try:
        data = datasets.load_dataset(repository, split=split)
    except Exception as error:  # whatever the hub, its cache or the network raise; none of it is the caller's
        raise ValueError(
            f"{name} is neither in {stem.parent} nor in Hugging Face's cache, and {repository} cannot be downloaded "
            f"({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}). Where there is network, "
            f"unset HF_HUB_OFFLINE; elsewhere {put}"
        ) from error
    return _TableRows(data.with_format("arrow")[:])
