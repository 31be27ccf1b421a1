"""Exact matrices of fractions and the linear algebra on them."""

from matrixkit.linear import (
    SingularError,
    determinant,
    inverse,
    lu,
    null_space,
    rank,
    reduced_echelon,
    solve,
)
from matrixkit.matrix import Matrix, ShapeError

__all__ = [
    "Matrix",
    "ShapeError",
    "SingularError",
    "determinant",
    "inverse",
    "lu",
    "null_space",
    "rank",
    "reduced_echelon",
    "solve",
]
