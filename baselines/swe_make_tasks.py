"""Makes tasks for SWEDocker-v0 out of any package with tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from telos.baselines.input_errors import InputError
from telos.baselines.progress import progress_bar
from telos.baselines.swe_tasks import sandbox_pool
from telos.envs.swe.errors import InfrastructureError, SandboxUnavailableError
from telos.envs.swe.image import build_image
from telos.envs.swe.making.dataset import DatasetRecipe, make_dataset
from telos.envs.swe.making.runner import SandboxRunner

__all__ = ["make_tasks_of"]


def make_tasks_of(
    target: str, count: int, seed: int, out: Path, requires: Sequence[str] = (), jobs: int = 2, sandbox: str = "docker"
) -> int:
    """Makes a dataset of tasks in a folder; an interrupted run goes on where it stopped.

    Args:
        target: Folder of a package with its tests, or a name that an index knows, such as ``"toolz"``.
        count: How many tasks to make, at most.
        seed: Decides which bugs are tried; the same seed gives the same tasks.
        out: The folder.
        requires: Packages that the tests need besides what the package itself requires.
        jobs: Runs of tests at a time.
        sandbox: ``"docker"``, whose base image is built if it is missing, or ``"bubblewrap"``.

    Returns:
        The number of tasks.

    Raises:
        InputError: If no task can be made of this, or if a sandbox failed; the message says what to do.
    """
    try:
        with progress_bar(target) as bar, sandbox_pool(sandbox, 2 * jobs) as pool:
            if sandbox == "docker":
                build_image(bar.update)
            recipe = DatasetRecipe(target, count, seed, tuple(requires), sandbox)
            return make_dataset(recipe, out, SandboxRunner(pool), jobs, bar.update)
    except (ValueError, OSError, SandboxUnavailableError) as error:
        raise InputError(str(error)) from error
    except InfrastructureError as error:
        raise InputError(f"a sandbox failed ({error}); give the same command again to go on from here") from error
