"""Elimination and what follows from it. No function changes the matrices it is given."""

from __future__ import annotations

from fractions import Fraction

from matrixkit.matrix import Matrix, ShapeError, square_size


class SingularError(ValueError):
    """A matrix that cannot be inverted."""


def reduced_echelon(matrix: Matrix) -> tuple[Matrix, list[int]]:
    """The reduced row echelon form, and the columns of its leading ones, ascending."""
    rows = matrix.to_lists()
    width = len(rows[0])
    pivots: list[int] = []
    for col in range(width):
        top = len(pivots)
        found = next((i for i in range(top, len(rows)) if rows[i][col]), None)
        if found is None:
            continue
        rows[top], rows[found] = rows[found], rows[top]
        lead = rows[top][col]
        rows[top] = [value / lead for value in rows[top]]
        for i in range(len(rows)):
            if i != top:
                rows[i] = _less(rows[i], rows[i][col], rows[top])
        pivots.append(col)
    return Matrix(rows), pivots


def _less(row: list[Fraction], factor: Fraction, other: list[Fraction]) -> list[Fraction]:
    return [x - factor * other[j] for j, x in enumerate(row)]


def rank(matrix: Matrix) -> int:
    """The number of independent rows."""
    return len(reduced_echelon(matrix)[1])


def null_space(matrix: Matrix) -> list[Matrix]:
    """A basis, as columns, of the vectors that `matrix` takes to zero.

    One for each column without a leading one, in order: that vector has 1 there, 0 at the other
    such columns. Empty when only the zero vector is taken to zero.
    """
    echelon, pivots = reduced_echelon(matrix)
    basis: list[Matrix] = []
    for free in range(matrix.shape[1]):
        if free in pivots:
            continue
        vector = Matrix.filled(matrix.shape[1], 1)
        vector[free, :] = 1
        for row, col in enumerate(pivots):
            vector[col, :] = -echelon.at(row, free)
        basis.append(vector)
    return basis


def lu(matrix: Matrix) -> tuple[list[int], Matrix, Matrix]:
    """(order, lower, upper) such that lower @ upper is `matrix` with its rows put in `order`.

    `lower` has ones on its diagonal and zeros above, `upper` zeros below the diagonal. Rows are
    exchanged only where a zero is in the way, with the nearest row below that has none. Raises
    ShapeError unless square. A singular matrix is fine.
    """
    size = square_size(matrix)
    order = list(range(size))
    rows = matrix.to_lists()
    factors = [[Fraction(0)] * size for _ in range(size)]
    for col in range(size):
        found = next((i for i in range(col, size) if rows[i][col]), None)
        if found is None:
            continue
        for table in (rows, factors):
            table[col], table[found] = table[found], table[col]
        order[col], order[found] = order[found], order[col]
        for i in range(col + 1, size):
            factors[i][col] = rows[i][col] / rows[col][col]
            rows[i] = _less(rows[i], factors[i][col], rows[col])
    return order, Matrix(factors) + Matrix.identity(size), Matrix(rows)


def determinant(matrix: Matrix) -> Fraction:
    """The determinant; ShapeError unless square."""
    order, _, upper = lu(matrix)
    result = Fraction(1)
    for i in range(len(order)):
        result *= upper.at(i, i)
        for j in range(i):
            if order[j] > order[i]:
                result = -result
    return result


def inverse(matrix: Matrix) -> Matrix:
    """The inverse; ShapeError unless square, SingularError when there is none."""
    return solve(matrix, Matrix.identity(square_size(matrix)))


def solve(matrix: Matrix, right: Matrix) -> Matrix:
    """The only x with matrix @ x == right, one column for each column of `right`.

    Raises ShapeError unless `matrix` is square with a row for each row of `right`, and
    SingularError when x is not unique or does not exist.
    """
    size = square_size(matrix)
    if right.shape[0] != size:
        raise ShapeError(f"{right.shape[0]} right-hand rows for {size} equations")
    constants = right.to_lists()
    echelon, pivots = reduced_echelon(Matrix(row + constants[i] for i, row in enumerate(matrix.to_lists())))
    if pivots[:size] != list(range(size)):
        raise SingularError("the matrix is singular")
    return echelon[:, size:]
