"""The matrix type."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

Number = int | Fraction | str
Index = int | slice


class ShapeError(ValueError):
    """Matrices whose shapes do not fit."""


def exact(value: Number) -> Fraction:
    """`value` as a Fraction; strings such as "1/3" or "0.25" are read exactly.

    A float raises TypeError, since it is seldom the number that was meant. A string that is not
    a number raises ValueError.
    """
    if isinstance(value, float):
        raise TypeError("floats are not exact; use a string or a Fraction")
    return Fraction(value)


class Matrix:
    """A rectangle of fractions with at least one row and one column. It can be changed in place.

    Built from rows of ints, Fractions or strings, which are copied. No rows, empty rows, or rows
    of different lengths raise ShapeError.
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, rows: Iterable[Iterable[Number]]) -> None:
        self._rows = [[exact(value) for value in row] for row in rows]
        widths = {len(row) for row in self._rows}
        if len(widths) != 1 or widths == {0}:
            raise ShapeError("a matrix needs rows of one length, at least 1")

    @classmethod
    def filled(cls, rows: int, cols: int, value: Number = 0) -> Matrix:
        """A matrix of that shape with `value` everywhere."""
        return cls([[value] * cols for _ in range(rows)])

    @classmethod
    def diagonal(cls, values: Sequence[Number]) -> Matrix:
        """The square matrix with `values` on its diagonal and zeros elsewhere."""
        result = cls.filled(len(values), len(values))
        for index, value in enumerate(values):
            result[index, index] = value
        return result

    @classmethod
    def identity(cls, size: int) -> Matrix:
        """The square matrix with ones on its diagonal and zeros elsewhere."""
        return cls.diagonal([1] * size)

    @property
    def shape(self) -> tuple[int, int]:
        """The number of rows and of columns."""
        return len(self._rows), len(self._rows[0])

    def to_lists(self) -> list[list[Fraction]]:
        """The rows as new lists."""
        return [list(row) for row in self._rows]

    def copy(self) -> Matrix:
        """An independent copy."""
        return Matrix(self._rows)

    def at(self, row: int, col: int) -> Fraction:
        """The entry in that row and column, counted from 0; negative ones count from the end.

        IndexError outside the matrix.
        """
        return self._rows[row][col]

    def __getitem__(self, key: tuple[Index, Index]) -> Matrix:
        """The block `m[rows, cols]` as an independent matrix.

        Each of the two is a slice, or an index for a single row or column. An index outside the
        matrix raises IndexError, an empty block ShapeError.
        """
        rows, cols = self._span(key)
        return Matrix([[self._rows[i][j] for j in cols] for i in rows])

    def __setitem__(self, key: tuple[Index, Index], value: Number | Matrix) -> None:
        """Set every entry of the block `m[rows, cols]` to a number, or the block to a matrix.

        A matrix of another shape than the block raises ShapeError and changes nothing.
        """
        rows, cols = self._span(key)
        if not isinstance(value, Matrix):
            value = Matrix.filled(len(rows), len(cols), value)
        if value.shape != (len(rows), len(cols)):
            raise ShapeError(f"cannot put {value.shape} into {(len(rows), len(cols))}")
        entries = value.to_lists()
        for a, i in enumerate(rows):
            for b, j in enumerate(cols):
                self._rows[i][j] = entries[a][b]

    def _span(self, key: tuple[Index, Index]) -> tuple[range, range]:
        rows, cols = self.shape
        return _places(key[0], rows), _places(key[1], cols)

    def __eq__(self, other: object) -> bool:
        """Whether `other` is a matrix of the same shape and entries."""
        return isinstance(other, Matrix) and self._rows == other._rows

    def __repr__(self) -> str:
        """As in `Matrix[1 1/2; 0 3]`."""
        rows = (" ".join(str(value) for value in row) for row in self._rows)
        return f"Matrix[{'; '.join(rows)}]"

    def __add__(self, other: Matrix) -> Matrix:
        """The sum, entry by entry; ShapeError when the shapes differ."""
        if self.shape != other.shape:
            raise ShapeError(f"cannot add {self.shape} and {other.shape}")
        rows, cols = self.shape
        return Matrix([self.at(i, j) + other.at(i, j) for j in range(cols)] for i in range(rows))

    def __neg__(self) -> Matrix:
        """Every entry with its sign changed."""
        return self * -1

    def __sub__(self, other: Matrix) -> Matrix:
        """The difference, entry by entry; ShapeError when the shapes differ."""
        return self + -other

    def __mul__(self, factor: Number) -> Matrix:
        """Every entry times a number."""
        scale = exact(factor)
        return Matrix([[value * scale for value in row] for row in self._rows])

    def __matmul__(self, other: Matrix) -> Matrix:
        """The matrix product; ShapeError unless other has a row for each of self's columns."""
        if self.shape[1] != other.shape[0]:
            raise ShapeError(f"cannot multiply {self.shape} by {other.shape}")
        columns = other.transpose()._rows
        return Matrix([[_dot(row, column) for column in columns] for row in self._rows])

    def transpose(self) -> Matrix:
        """A new matrix with rows and columns exchanged."""
        cols = self.shape[1]
        return Matrix([row[j] for row in self._rows] for j in range(cols))

    def trace(self) -> Fraction:
        """The sum of the diagonal; ShapeError unless square."""
        size = square_size(self)
        return sum((self._rows[i][i] for i in range(size)), Fraction(0))

    def power(self, exponent: int) -> Matrix:
        """The matrix times itself that often; the identity for 0.

        ShapeError unless square. A negative exponent raises ValueError.
        """
        size = square_size(self)
        if exponent < 0:
            raise ValueError("exponent must not be negative")
        result = Matrix.identity(size)
        square = self
        while exponent:
            if exponent % 2 == 1:
                result = result @ square
            square = square @ square
            exponent //= 2
        return result


def _dot(a: list[Fraction], b: list[Fraction]) -> Fraction:
    return sum((x * b[j] for j, x in enumerate(a)), Fraction(0))


def _places(index: Index, size: int) -> range:
    if isinstance(index, slice):
        return range(size)[index]
    place = range(size)[index]
    return range(place, place + 1)


def square_size(matrix: Matrix) -> int:
    """The number of rows of a square matrix; ShapeError for any other."""
    rows, cols = matrix.shape
    if rows != cols:
        raise ShapeError(f"expected a square matrix, got {matrix.shape}")
    return rows
