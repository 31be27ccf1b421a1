"""The repository root is the package ``telos``; every sub-package is found, none is listed."""

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py


class BuildWithoutSetup(build_py):
    """Keeps ``setup.py``, which lies in the package's own folder, out of the wheel."""

    def find_package_modules(self, package, package_dir):
        """Lists the modules of ``package``."""
        modules = super().find_package_modules(package, package_dir)
        return [module for module in modules if (package, module[1]) != ("telos", "setup")]


folders = find_packages(include=["envs", "envs.*", "wrappers", "wrappers.*", "baselines", "baselines.*"])
setup(
    packages=["telos", *(f"telos.{folder}" for folder in folders)],
    package_dir={"telos": "."},
    package_data={
        "telos": ["py.typed"],
        "telos.envs.swe": ["images/*", "builtin/**/*"],
        "telos.baselines": ["templates/*"],
    },
    exclude_package_data={"": ["__pycache__/*", "*.pyc"]},
    cmdclass={"build_py": BuildWithoutSetup},
)
