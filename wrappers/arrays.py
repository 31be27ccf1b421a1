"""Where a transform keeps its arrays: NumPy's on the host, or PyTorch's on whatever device the environment uses.

* ``arrays_of`` - the functions for the library, and the device, that a value lives in

Both libraries agree on operators, indexing and most methods; ``Arrays`` holds what they call by different names.
PyTorch is imported only once a tensor has been seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, Protocol

import numpy as np

__all__ = ["NUMPY", "Arrays", "arrays_of"]


class Arrays(Protocol):
    """What differs between the libraries. An ``Any`` is a ``numpy.ndarray`` or a ``torch.Tensor``."""

    name: str
    array_type: type
    float64: Any
    int64: Any
    bool: Any

    def zeros(self, shape: int | tuple[int, ...], dtype: Any = None) -> Any:
        """An array of zeros, float64 unless ``dtype`` says otherwise."""

    def asarray(self, value: Any, dtype: Any = None) -> Any:
        """The value as an array here, without a copy if it is one."""

    def where(self, condition: Any, value: Any, other: Any) -> Any:
        """``value`` where the condition holds, ``other`` elsewhere; either may be a number."""

    def copy(self, value: Any) -> Any:
        """A copy."""

    def cast(self, value: Any, dtype: Any) -> Any:
        """The value in another dtype, without a copy if it has it already."""

    def common_dtype(self, values: Iterable[Any]) -> Any:
        """The floating dtype in which values are added: their own common one; float64 for integers and bools."""

    def wider(self, a: Any, b: Any) -> Any:
        """The dtype of a sum of values of two dtypes."""

    def tanh(self, value: Any) -> Any:
        """Hyperbolic tangents."""

    def log1p(self, value: Any) -> Any:
        """``log(1 + value)``."""

    def isfinite(self, value: Any) -> Any:
        """Where numbers are finite."""

    def smallest(self, value: Any, k: int) -> Any:
        """The k smallest along the last axis, in ascending order."""

    def rows(self, mask: Any) -> Any:
        """What ``blanked`` and ``kept`` take: the rows of a mask, in the cheapest form."""

    def blanked(self, value: Any, rows: Any) -> Any:
        """A copy that is 0 in some rows."""

    def kept(self, value: Any, rows: Any) -> Any:
        """A copy that is 0, or None if it holds objects, in all but some rows."""


class _NumpyArrays:
    """NumPy."""

    name = "numpy"
    array_type: type = np.ndarray
    float64: Any = np.dtype(np.float64)
    int64: Any = np.dtype(np.int64)
    bool: Any = np.dtype(np.bool_)
    # Not wrapped in methods: a single environment would spend as long on the wrappers as on the arrays.
    zeros: Any = staticmethod(np.zeros)
    asarray: Any = staticmethod(np.asarray)
    where: Any = staticmethod(np.where)
    wider: Any = staticmethod(np.promote_types)
    tanh: Any = staticmethod(np.tanh)
    log1p: Any = staticmethod(np.log1p)
    isfinite: Any = staticmethod(np.isfinite)

    def smallest(self, value: Any, k: int) -> Any:
        if k < value.shape[-1]:
            value = np.partition(value, k - 1, axis=-1)[..., :k]
        return np.sort(value, axis=-1)

    def copy(self, value: Any) -> Any:
        return value.copy()

    def cast(self, value: Any, dtype: Any) -> Any:
        return value.astype(dtype, copy=False)

    def common_dtype(self, values: Iterable[Any]) -> Any:
        kinds = {value.dtype for value in values}
        found = kinds.pop()
        if found is self.float64 and not kinds:
            return found
        found = np.result_type(found, *kinds)
        return found if found.kind == "f" else self.float64

    def rows(self, mask: Any) -> Any:
        return mask.nonzero()[0]

    def blanked(self, value: Any, rows: Any) -> Any:
        value = value.copy()
        value[rows] = 0
        return value

    def kept(self, value: Any, rows: Any) -> Any:
        filled = np.full_like(value, None) if value.dtype == object else np.zeros(value.shape, value.dtype)
        filled[rows] = value[rows]
        return filled

    def __reduce__(self) -> str:
        return "NUMPY"


NUMPY: Arrays = _NumpyArrays()
"""NumPy's functions."""


class _TorchArrays:
    """PyTorch, on one device. Nothing here waits for the device."""

    name = "torch"

    def __init__(self, device: Any) -> None:
        import torch

        self._torch, self._device = torch, device
        self.array_type: type = torch.Tensor
        self.float64, self.int64, self.bool = torch.float64, torch.int64, torch.bool
        self.where, self.wider = torch.where, torch.promote_types
        self.tanh, self.log1p, self.isfinite = torch.tanh, torch.log1p, torch.isfinite

    def smallest(self, value: Any, k: int) -> Any:
        return value.topk(k, dim=-1, largest=False).values

    def zeros(self, shape: int | tuple[int, ...], dtype: Any = None) -> Any:
        return self._torch.zeros(shape, dtype=dtype or self.float64, device=self._device)

    def asarray(self, value: Any, dtype: Any = None) -> Any:
        return self._torch.as_tensor(value, dtype=dtype, device=self._device)

    def copy(self, value: Any) -> Any:
        return value.clone()

    def cast(self, value: Any, dtype: Any) -> Any:
        return value.to(dtype)

    def common_dtype(self, values: Iterable[Any]) -> Any:
        kinds = list({value.dtype for value in values})
        found = kinds[0]
        for kind in kinds[1:]:
            found = self.wider(found, kind)
        return found if found.is_floating_point else self.float64

    def rows(self, mask: Any) -> Any:
        return mask

    def blanked(self, value: Any, rows: Any) -> Any:
        return self.kept(value, ~rows)

    def kept(self, value: Any, rows: Any) -> Any:
        rows = rows.reshape(-1, *(1 for _ in value.shape[1:]))
        return self.where(rows, value, value.new_zeros(()))

    def __reduce__(self) -> tuple[Any, ...]:
        return _torch_on, (self._device,)


@cache
def _torch_on(device: Any) -> Arrays:
    return _TorchArrays(device)


def arrays_of(value: Any) -> Arrays:
    """Returns the functions for a value's library and device.

    Args:
        value: A ``torch.Tensor``; anything else counts as NumPy's.
    """
    # By its modules, so that nothing is imported to look.
    if any(base.__module__.partition(".")[0] == "torch" for base in type(value).__mro__):
        return _torch_on(value.device)
    return NUMPY
