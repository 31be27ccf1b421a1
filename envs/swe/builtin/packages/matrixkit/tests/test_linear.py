from fractions import Fraction

import pytest
from matrixkit import (
    Matrix,
    ShapeError,
    SingularError,
    determinant,
    inverse,
    lu,
    null_space,
    rank,
    reduced_echelon,
    solve,
)

RECTANGLE = Matrix([[0, 2, 4, 2], [1, 1, 3, 0], [2, 4, 10, 3]])
SWAPPED = Matrix([[0, 2, 1], [4, 4, 4], [2, 2, 5]])


def test_reduced_echelon_and_its_pivots():
    echelon, pivots = reduced_echelon(RECTANGLE)
    assert echelon == Matrix([[1, 0, 1, 0], [0, 1, 2, 0], [0, 0, 0, 1]])
    assert pivots == [0, 1, 3]


def test_elimination_leaves_its_input_alone():
    before = SWAPPED.copy()
    reduced_echelon(SWAPPED)
    lu(SWAPPED)
    assert before == SWAPPED


def test_rank_counts_independent_rows():
    assert rank(Matrix([[1, 2], [2, 4]])) == 1
    assert rank(RECTANGLE) == 3
    assert rank(Matrix.filled(2, 2)) == 0


def test_null_space_has_a_vector_for_each_free_column():
    basis = null_space(Matrix([[1, 2, 0, 3], [0, 0, 1, 4]]))
    assert null_space(SWAPPED) == []
    assert basis == [Matrix([[-2], [1], [0], [0]]), Matrix([[-3], [0], [-4], [1]])]


def test_lu_of_a_matrix_without_exchanges():
    order, lower, upper = lu(Matrix([[2, 1], [6, 8]]))
    assert order == [0, 1]
    assert lower == Matrix([[1, 0], [3, 1]])
    assert upper == Matrix([[2, 1], [0, 5]])


def test_lu_exchanges_rows_around_a_zero():
    order, lower, upper = lu(SWAPPED)
    assert order == [1, 0, 2]
    assert lower == Matrix([[1, 0, 0], [0, 1, 0], ["1/2", 0, 1]])
    assert upper == Matrix([[4, 4, 4], [0, 2, 1], [0, 0, 3]])


def test_lu_moves_factors_along_with_rows():
    m = Matrix([[1, 1, 1], [2, 2, 5], [4, 6, 8]])
    order, lower, upper = lu(m)
    assert order == [0, 2, 1]
    assert lower == Matrix([[1, 0, 0], [4, 1, 0], [2, 0, 1]])
    assert upper == Matrix([[1, 1, 1], [0, 2, 4], [0, 0, 3]])


def test_lu_of_a_singular_matrix():
    order, lower, upper = lu(Matrix([[0, 1], [0, 2]]))
    assert (order, lower) == ([0, 1], Matrix.identity(2))
    assert upper == Matrix([[0, 1], [0, 2]])


def test_determinant_sign_follows_the_exchanges():
    assert determinant(Matrix([[2, 1], [6, 8]])) == 10
    assert determinant(SWAPPED) == -24
    assert determinant(Matrix([[0, 0, 1], [1, 0, 0], [0, 1, 0]])) == 1


def test_determinant_of_singular_and_single():
    assert determinant(Matrix([[1, 2], [2, 4]])) == 0
    assert determinant(Matrix([["1/3"]])) == Fraction(1, 3)


def test_inverse_undoes_the_matrix():
    assert inverse(Matrix([[2, 1], [1, 1]])) == Matrix([[1, -1], [-1, 2]])
    assert SWAPPED @ inverse(SWAPPED) == Matrix.identity(3)


def test_solve_for_several_columns():
    right = Matrix([[3, 1], [5, 0]])
    assert solve(Matrix([[2, 1], [1, 3]]), right) == Matrix([["4/5", "3/5"], ["7/5", "-1/5"]])


@pytest.mark.parametrize("right", [[[1], [2]], [[1], [3]]], ids=["many", "none"])
def test_solve_singular_raises(right):
    with pytest.raises(SingularError, match="singular"):
        solve(Matrix([[1, 2], [2, 4]]), Matrix(right))


def test_solve_refuses_unfit_rows():
    with pytest.raises(ShapeError, match="1 right-hand rows for 2"):
        solve(Matrix.identity(2), Matrix([[1]]))


@pytest.mark.parametrize("function", [lu, determinant, inverse], ids=["lu", "det", "inv"])
def test_rectangles_are_refused(function):
    with pytest.raises(ShapeError, match="square"):
        function(RECTANGLE)
