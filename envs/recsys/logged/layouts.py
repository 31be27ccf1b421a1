"""Which files and columns the known data sets have, and where they come from. No data are bundled or downloaded."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["LAYOUTS", "DataMissingError", "Layout", "check_archive", "find_layout"]

KUAIRAND_SIGNALS = ("click", "long_view", "like", "comment", "forward", "follow", "hate")
_KUAIRAND = "https://zenodo.org/records/10439422"


class DataMissingError(FileNotFoundError):
    """The data are not there or are not what they should be; the message says where they come from."""


@dataclass(frozen=True)
class Layout:
    """Files of a data set.

    Attributes:
        name: As the command line has it.
        logs: Files of interactions.
        items: File of the items' categories.
        user: Column of the user in the logs, as for the next ones.
        item: The item; also in ``items``.
        time: The time.
        seconds: What a unit of the time is, in seconds.
        signals: Names of the signals, the first one the outcome, to columns.
        category: Column of the categories in ``items``.
        address: Official address.
        title: Official name.
        above: A signal is given where its column is above this. None: ``watch_ratio`` of KuaiRec, whose threshold is
            an argument.
        separator: Between columns.
        header: Names of the columns of files that have no header line.
        hours_from_utc: Of the clock that days are counted by.
        archive: Name of the archive and its MD5 sum, where we know it.
    """

    name: str
    logs: tuple[str, ...]
    items: str
    user: str
    item: str
    time: str
    seconds: float
    signals: Mapping[str, str]
    category: str
    address: str
    title: str
    above: float | None = 0.5
    separator: str = ","
    header: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    hours_from_utc: int = 0
    archive: tuple[str, str] | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """All that must be there."""
        return (*self.logs, self.items)

    @property
    def log_columns(self) -> tuple[str, ...]:
        """Columns of the logs that are read."""
        return (self.user, self.item, self.time, *self.signals.values())

    @property
    def item_columns(self) -> tuple[str, str]:
        """Columns of the items that are read."""
        return (self.item, self.category)


def _kuairand(name: str, suffix: str, title: str, md5: str) -> Layout:
    periods = ("standard_4_08_to_4_21", "standard_4_22_to_5_08", "random_4_22_to_5_08")
    columns = {signal: signal if signal == "long_view" else f"is_{signal}" for signal in KUAIRAND_SIGNALS}
    return Layout(
        name=name,
        logs=tuple(f"log_{period}_{suffix}.csv" for period in periods),
        items=f"video_features_basic_{suffix}.csv",
        user="user_id",
        item="video_id",
        time="time_ms",
        seconds=1e-3,
        signals=columns,
        category="tag",
        address=_KUAIRAND,
        title=title,
        hours_from_utc=8,
        archive=(f"{title}.tar.gz", md5),
    )


_ONE_MILLION = {
    "ratings.dat": ("userId", "movieId", "rating", "timestamp"),
    "movies.dat": ("movieId", "title", "genres"),
}

LAYOUTS: dict[str, Layout] = {
    "kuairand-pure": _kuairand("kuairand-pure", "pure", "KuaiRand-Pure", "0820331067a3784d9691136f772b35a7"),
    "kuairand-1k": _kuairand("kuairand-1k", "1k", "KuaiRand-1K", "6b0b9c8222d67fcd4c676218edca3f1f"),
    "kuairec": Layout(
        name="kuairec",
        logs=("big_matrix.csv",),
        items="item_categories.csv",
        user="user_id",
        item="video_id",
        time="timestamp",
        seconds=1.0,
        signals={"watched": "watch_ratio"},
        category="feat",
        address="https://zenodo.org/records/18164998",
        title="KuaiRec 2.0",
        above=None,
        hours_from_utc=8,
    ),
    "ml-1m": Layout(
        name="ml-1m",
        logs=("ratings.dat",),
        items="movies.dat",
        user="userId",
        item="movieId",
        time="timestamp",
        seconds=1.0,
        signals={"liked": "rating"},
        category="genres",
        address="https://grouplens.org/datasets/movielens/1m/",
        title="MovieLens 1M",
        above=3.75,
        separator="::",
        header=_ONE_MILLION,
    ),
    "ml-25m": Layout(
        name="ml-25m",
        logs=("ratings.csv",),
        items="movies.csv",
        user="userId",
        item="movieId",
        time="timestamp",
        seconds=1.0,
        signals={"liked": "rating"},
        category="genres",
        address="https://grouplens.org/datasets/movielens/25m/",
        title="MovieLens 25M",
        above=3.75,
    ),
}


def find_layout(root: Path) -> tuple[Layout, Path]:
    """The layout of the files in a folder, or in its folder ``data`` as the archives have it, and that folder.

    Raises:
        DataMissingError: If files are missing; the message has the official address.
    """
    best: tuple[int, Layout, Path] | None = None
    for folder in (root, root / "data"):
        for layout in LAYOUTS.values():
            found = sum((folder / name).is_file() for name in layout.files)
            if found == len(layout.files):
                return layout, folder
            if found and (best is None or found > best[0]):
                best = (found, layout, folder)
    if best is not None:
        _, layout, folder = best
        missing = ", ".join(name for name in layout.files if not (folder / name).is_file())
        raise DataMissingError(f"{folder} has only a part of {layout.title}: get {missing} from {layout.address}")
    sources = "; ".join(f"{layout.title}: {layout.address}" for layout in LAYOUTS.values())
    state = "has none of the known data sets" if root.is_dir() else "is not a folder"
    raise DataMissingError(
        f"{root} {state}. Nothing is downloaded; get one yourself ({sources}), or make a synthetic one: "
        "`telos recsys synthetic --layout kuairand-pure --out FOLDER`"
    )


def check_archive(layout: Layout, folder: Path) -> str:
    """Checks the archive by its MD5 sum, if it is beside the data; returns what was checked.

    Raises:
        DataMissingError: If the sum is another.
    """
    if layout.archive is None:
        return "columns only: we know no checksum of this data set"
    name, known = layout.archive
    for place in (folder, *list(folder.resolve().parents)[:2]):
        path = place / name
        if path.is_file():
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "md5").hexdigest()
            if found != known:
                raise DataMissingError(
                    f"{path} has the MD5 sum {found}, not {known}: get it again from {layout.address}"
                )
            return f"columns, and the MD5 sum of {name}"
    return f"columns only: {name}, whose MD5 sum is known, is not beside the data"
