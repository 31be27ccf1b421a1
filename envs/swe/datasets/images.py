"""Container images of data sets: pulls with back-off, and a disk budget.

The budget is ``TELOS_SWE_IMAGE_BUDGET``, such as ``200GB``: the disk space of all image layers of the engine. When
it is exceeded, the images that Telos pulled go, those first that were not used for longest. What Telos did not
pull, and what a container uses, stays. Without the variable nothing is ever removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import requests

from telos.envs.swe.errors import InfrastructureError, SandboxUnavailableError
from telos.envs.swe.image import Progress
from telos.envs.swe.sandbox.docker import client

__all__ = [
    "ENGINE_ERRORS",
    "disk_budget",
    "ensure_image",
    "evict_images",
    "first_line",
    "images_present",
    "note_use",
    "tagged",
]

_ATTEMPTS = 5
#: Seconds before the second attempt, doubled for each further one, and the longest; a rate limit asks for more.
_PAUSE, _LONGEST_PAUSE, _RATE_LIMIT_FACTOR = 2.0, 900.0, 30.0
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_UNITS |= {unit + "I": 1 << 10 * power for power, unit in enumerate("KMGT", 1)}
#: What a call of the engine raises.
ENGINE_ERRORS = (docker.errors.DockerException, requests.RequestException, OSError)


class _RateLimitError(Exception):
    """The registry wants us to wait."""


class _DiskFullError(Exception):
    """There is no room for the image."""


def tagged(image: str) -> str:
    """An image's name as the engine lists it."""
    image = image.removeprefix("docker.io/").removeprefix("library/")
    return image if ":" in image.rpartition("/")[2] or "@" in image else f"{image}:latest"


def images_present() -> dict[str, int]:
    """The engine's images: name with tag to size in bytes, layers that images share counted for each.

    Raises:
        SandboxUnavailableError: If no engine answers.
    """
    return {tag: int(image["Size"]) for image in client().images() for tag in image["RepoTags"] or []}


def disk_budget() -> int | None:
    """The budget in bytes, from ``TELOS_SWE_IMAGE_BUDGET``; None without one.

    Raises:
        ValueError: If it is no size.
    """
    text = os.environ.get("TELOS_SWE_IMAGE_BUDGET", "").strip()
    if not text:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]I?)?B?", text.upper())
    if match is None:
        raise ValueError(f"TELOS_SWE_IMAGE_BUDGET is {text!r}: write a size such as 200GB or 1.5TB")
    return int(float(match[1]) * _UNITS[match[2] or ""])


# -- what was used when ---------------------------------------------------------------------------------


@contextlib.contextmanager
def _records() -> Iterator[dict[str, dict[str, Any]]]:
    """What is known of images that Telos pulled or made, by name; changes are kept. One process at a time."""
    base = Path(os.environ.get("XDG_STATE_HOME") or Path("~/.local/state").expanduser())
    file = base / "telos" / "swe-images.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            records: dict[str, dict[str, Any]] = json.loads(file.read_text())
        except (OSError, ValueError):
            records = {}
        before = json.dumps(records)
        yield records
        if json.dumps(records) != before:
            new = file.with_suffix(".new")
            new.write_text(json.dumps(records, indent=1))
            new.replace(file)


def note_use(image: str, **facts: Any) -> None:
    """Notes that an image is used now; facts, such as ``pulled=True``, make it one that the budget may remove."""
    with _records() as records:
        if facts or image in records:
            records.setdefault(image, {}).update(facts, used=time.time())


def evict_images(budget: int | None, keep: str = "") -> list[str]:
    """Removes images that Telos pulled, least recently used first, until the engine's layers fit into a budget.

    An image that a container uses stays, also one that was stopped, and so does what is made from it.

    Args:
        budget: Bytes; None removes nothing.
        keep: Name of an image that stays.

    Returns:
        Names of the removed ones.
    """
    removed: list[str] = []
    if budget is None:
        return removed
    api = client()
    with _records() as records:
        used = {container["ImageID"] for container in api.containers(all=True)}
        ids = {tag: image["Id"] for image in api.images() for tag in image["RepoTags"] or []}
        for name in [name for name in records if name not in ids]:
            del records[name]
        busy = {name for name in records if ids[name] in used} | {tagged(keep)}
        # An image lives on in those made from it, so it can only go with them.
        busy |= {records[name]["parent"] for name in busy & set(records) if "parent" in records[name]}
        while int(api.df()["LayersSize"] or 0) > budget:
            parents = {record.get("parent") for record in records.values()}
            candidates = set(records) - busy - parents
            if not candidates:
                break
            name = min(candidates, key=lambda name: float(records[name]["used"]))
            # Without force: the engine refuses what a container has come to use in the meantime.
            try:
                api.remove_image(name)
            except docker.errors.APIError:
                busy.add(name)
                continue
            del records[name]
            removed.append(name)
    return removed


# -- pulls ----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _terminal_bar(image: str) -> Iterator[Progress]:
    """A progress bar on standard error, if that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Bars(*columns, console=console, disable=not console.is_terminal, transient=True) as bars:
        bar = bars.add_task(image, total=1.0)
        yield lambda text, fraction: bars.update(bar, description=text, completed=fraction)


def ensure_image(image: str, progress: Progress | None = None, pause: float = _PAUSE) -> str:
    """Pulls an image unless the engine has it, and keeps to the disk budget.

    Args:
        image: Name, with or without a tag.
        progress: Told how far the pull is; by default a bar in the terminal.
        pause: Seconds before the second attempt, doubled for each further one; thirty times as long where the
            registry limits the rate.

    Returns:
        The name as the engine lists it.

    Raises:
        SandboxUnavailableError: If no engine answers, or no registry has the image.
        InfrastructureError: If the registry cannot be reached, limits the rate for too long, or the disk is full.
        ValueError: If the disk budget is no size.
    """
    image, budget = tagged(image), disk_budget()
    if images_present().get(image) is not None:
        note_use(image)
        return image
    evict_images(budget, keep=image)
    with contextlib.ExitStack() as stack:
        told = progress if progress is not None else stack.enter_context(_terminal_bar(image))
        _pull_patiently(image, told, pause)
    note_use(image, pulled=True)
    evict_images(budget, keep=image)
    return image


def _pull_patiently(image: str, progress: Progress, pause: float) -> None:
    problem, wait = "", 0.0
    for attempt in range(_ATTEMPTS):
        if attempt:
            progress(f"{image}: {problem}; next attempt in {wait:.0f} s", 0.0)
            time.sleep(wait)
        wait = min(pause * 2**attempt, _LONGEST_PAUSE)
        try:
            _pull(image, progress)
        except _RateLimitError as error:
            problem = (
                f"the registry limits the rate of pulls ({error}). Docker Hub allows more after `docker login`, and "
                "none are needed for images that are here"
            )
            wait = min(_RATE_LIMIT_FACTOR * wait, _LONGEST_PAUSE)
        except _DiskFullError as error:
            if not evict_images(int(client().df()["LayersSize"] or 0) - 1, keep=image):
                raise InfrastructureError(
                    "disk", f"{image}: {error}; nothing that Telos pulled can be removed"
                ) from error
            problem, wait = "the disk was full", 0.0
        except ENGINE_ERRORS as error:
            problem = first_line(error)
        else:
            return
    raise InfrastructureError(
        "pull",
        f"{image} cannot be pulled after {_ATTEMPTS} attempts: {problem}. Where a registry can be reached, pull it and "
        f"`docker save {image} -o FILE`; here `docker load -i FILE`",
    )


def first_line(error: Exception) -> str:
    """What the engine says of an error, in one line."""
    return str(getattr(error, "explanation", None) or error).strip().partition("\n")[0]


def _pull(image: str, progress: Progress) -> None:
    """One attempt."""
    name, tag = (image, None) if "@" in image else image.rsplit(":", 1)
    layers: dict[str, tuple[int, int]] = {}
    try:
        for event in client().pull(name, tag=tag, stream=True, decode=True):
            if "error" in event:
                raise docker.errors.APIError(event["error"])
            detail = event.get("progressDetail") or {}
            if detail.get("total"):
                # Downloading is the first half of a layer's work, unpacking the second.
                half = {"Downloading": 0, "Extracting": 1}.get(event["status"], 0)
                layers[event["id"]] = (half * detail["total"] + detail.get("current", 0), 2 * detail["total"])
            elif event.get("id") in layers and event["status"] == "Pull complete":
                layers[event["id"]] = (layers[event["id"]][1],) * 2
            done, total = map(sum, zip(*layers.values(), strict=True)) if layers else (0, 1)
            progress(f"{image}: {event.get('status', '')[:40]}", done / total)
    except docker.errors.APIError as error:
        text = first_line(error)
        lowered = text.lower()
        if "toomanyrequests" in lowered or "rate limit" in lowered or "429" in lowered:
            raise _RateLimitError(text) from error
        if "no space left" in lowered:
            raise _DiskFullError(text) from error
        if any(
            sign in lowered
            for sign in ("manifest unknown", "not found", "does not exist", "denied", "invalid reference")
        ):
            raise SandboxUnavailableError(
                f"no registry has the image {image} ({text}). Is its name right, and does it need `docker login`?"
            ) from error
        raise
