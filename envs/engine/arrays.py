"""Where a batch keeps its arrays: NumPy's on the host, or PyTorch's on a GPU, behind the same few functions.

Numba's kernels see PyTorch's tensors without a copy and run on PyTorch's current stream. Under Numba's CUDA simulator
(``NUMBA_ENABLE_CUDASIM=1``) the same code runs with tensors on the host. PyTorch is imported only for ``"cuda"``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Protocol

import numpy as np
from numba import config as numba_config
from numba import cuda
from numpy.typing import DTypeLike, NDArray

__all__ = ["Arrays", "arrays_on", "cuda_stream", "extremes", "is_integer", "mapped", "on_host"]

_SIMULATED = bool(numba_config.ENABLE_CUDASIM)  # type: ignore[attr-defined]


class Arrays(Protocol):
    """What the engine needs of an array library. An ``Any`` is a ``numpy.ndarray`` or a ``torch.Tensor``."""

    bool_dtype: Any

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> Any:
        """An array with any content; ``dtype`` is NumPy's."""

    def zeros(self, shape: tuple[int, ...], dtype: DTypeLike) -> Any:
        """An array of zeros."""

    def asarray(self, values: Any) -> Any:
        """Values from anywhere as a contiguous array, without a copy if they are one."""

    def where(self, condition: Any, values: Any, other: float) -> Any:
        """Values where the condition holds."""

    def kernel_view(self, array: Any) -> Any:
        """The same memory as kernels take it."""


class _HostArrays:
    """NumPy."""

    bool_dtype: Any = np.dtype(np.bool_)
    # Not wrapped in methods: a single environment would spend as long on the wrappers as on the arrays.
    empty: Any = staticmethod(np.empty)
    zeros: Any = staticmethod(np.zeros)
    where: Any = staticmethod(np.where)

    def asarray(self, values: Any) -> NDArray[Any]:
        return np.asarray(values, order="C")

    def kernel_view(self, array: NDArray[Any]) -> NDArray[Any]:
        return array


class _CudaArrays:
    """PyTorch."""

    def __init__(self) -> None:
        import torch

        self._device = torch.device("cpu" if _SIMULATED else "cuda")
        self._torch = torch
        self.bool_dtype = torch.bool
        self.where = torch.where

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> Any:
        return self._torch.empty(shape, dtype=_torch_dtype(np.dtype(dtype)), device=self._device)

    def zeros(self, shape: tuple[int, ...], dtype: DTypeLike) -> Any:
        return self._torch.zeros(shape, dtype=_torch_dtype(np.dtype(dtype)), device=self._device)

    def asarray(self, values: Any) -> Any:
        if isinstance(values, self._torch.Tensor) or hasattr(values, "__cuda_array_interface__"):
            return self._torch.as_tensor(values, device=self._device).contiguous()
        return self._torch.tensor(np.asarray(values), device=self._device)

    def kernel_view(self, array: Any) -> Any:
        # PyTorch gives no stream, and the kernel runs on PyTorch's own: there is nothing to wait for.
        if _SIMULATED:
            return array.numpy()
        return cuda.as_cuda_array(array, sync=False)  # type: ignore[no-untyped-call]


def arrays_on(device: str) -> Arrays:
    """The arrays of ``"cpu"`` or ``"cuda"`` (the GPU that is PyTorch's current one).

    Raises:
        ImportError: If PyTorch is missing.
        RuntimeError: If there is no GPU, or Numba cannot compile for it.
    """
    if device == "cpu":
        return _HostArrays()
    try:
        import torch
    except ImportError as error:
        raise ImportError("device='cuda' needs PyTorch: pip install 'telos-gym[baselines]'") from error
    if not _SIMULATED:
        if not torch.cuda.is_available():
            raise RuntimeError(
                "device='cuda' needs an NVIDIA GPU and a CUDA build of PyTorch (torch.cuda.is_available() is False): "
                "see https://pytorch.org/get-started, or use device='cpu'"
            )
        if not cuda.is_available():  # type: ignore[no-untyped-call]
            raise RuntimeError(
                "device='cuda' needs a CUDA toolkit that Numba finds (numba.cuda.is_available() is False): pip install "
                "'numba-cuda[cu12]', for the version of CUDA that `nvidia-smi` shows, or use device='cpu'"
            )
    return _CudaArrays()


@cache
def _torch_dtype(dtype: np.dtype[Any]) -> Any:
    import torch

    return torch.from_numpy(np.empty(0, dtype)).dtype


def cuda_stream() -> Any:
    """PyTorch's current stream, as Numba launches on it."""
    if _SIMULATED:
        return 0
    import torch

    return cuda.external_stream(torch.cuda.current_stream().cuda_stream)


def mapped(function: Callable[[Any], Any], value: Any) -> Any:
    """The function of an array, or of every array in nested named tuples."""
    if isinstance(value, tuple):
        return type(value)(*(mapped(function, part) for part in value))
    return function(value)


def on_host(values: Any) -> NDArray[Any]:
    """An array as NumPy has it; of a tensor on a GPU, a copy."""
    return values if isinstance(values, np.ndarray) else values.cpu().numpy()


def is_integer(values: Any) -> bool:
    """Whether an array holds integers or booleans that can be compared."""
    if isinstance(values, np.ndarray):
        return values.dtype.kind in "biu"
    return str(values.dtype) in {f"torch.{name}" for name in ("bool", "uint8", "int8", "int16", "int32", "int64")}


def extremes(values: Any, axis: int | None = None) -> tuple[Any, Any]:
    """Smallest and largest values along an axis, on the host; of a tensor on a GPU at the price of one copy.

    Returns:
        Two NumPy arrays, or with ``axis=None`` two numbers.
    """
    if isinstance(values, np.ndarray):
        return np.minimum.reduce(values, axis), np.maximum.reduce(values, axis)
    import torch

    axes = () if axis is None else (axis,)
    least, most = torch.stack([values.amin(axes), values.amax(axes)]).cpu().numpy()
    return least, most
