"""What works on this machine, and the command that mends what does not."""

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import dataclass

from telos.envs.swe.errors import SandboxUnavailableError

__all__ = ["Check", "examine", "remove_leftovers"]


@dataclass(frozen=True)
class Check:
    """One line of the report; ``works`` is None for what is optional and absent."""

    name: str
    works: bool | None
    detail: str
    fix: str = ""


def _docker() -> list[Check]:
    from telos.envs.swe.image import BASE_IMAGE, image_is_current
    from telos.envs.swe.sandbox.docker import client

    try:
        version = client().version()
    except SandboxUnavailableError as error:
        reason = str(error).partition(" Start one")[0]
        fix = "sudo apt-get install docker.io; sudo systemctl start docker (or: sudo dockerd &)"
        return [Check("Docker engine", False, reason, fix), Check("base image", False, "needs the engine", fix)]
    checks = [Check("Docker engine", True, f"{version['Version']}, API {version['ApiVersion']}")]
    if image_is_current():
        checks.append(Check("base image", True, BASE_IMAGE))
    else:
        checks.append(Check("base image", False, "missing or out of date", "telos swe build-image"))
    return checks


def _bubblewrap() -> Check:
    from telos.envs.swe.sandbox.bubblewrap import find_bubblewrap

    try:
        return Check("bubblewrap", True, find_bubblewrap())
    except SandboxUnavailableError as error:
        return Check("bubblewrap", False, str(error), "sudo apt-get install bubblewrap")


def _program(name: str, why: str) -> Check:
    path = shutil.which(name)
    return Check(name, path is not None, path or why, "" if path else f"sudo apt-get install {name}")


def _gpu() -> Check:
    if importlib.util.find_spec("torch") is None:
        return Check("GPU", None, "PyTorch is not installed", "pip install 'telos-gym[baselines]'")
    import torch

    if torch.cuda.is_available():
        return Check("GPU", True, torch.cuda.get_device_name(0))
    return Check("GPU", None, f"PyTorch {torch.__version__} sees no CUDA device; everything runs on the CPU")


def examine() -> list[Check]:
    """Examines the machine; changes nothing."""
    return [
        *_docker(),
        _bubblewrap(),
        _program("git", "patches are taken and applied with git"),
        _program("debootstrap", "only needed to build the base image where no registry answers"),
        _gpu(),
    ]


def remove_leftovers() -> str:
    """Removes containers and temporary files of dead processes; tells what was removed."""
    from telos.envs.swe.sandbox.docker import reap
    from telos.envs.swe.scratch import remove_dead_folders

    remove_dead_folders()
    try:
        return f"removed {reap()} containers and the temporary files of dead processes"
    except SandboxUnavailableError:
        return "removed the temporary files of dead processes; no engine answers, so no container was looked for"
