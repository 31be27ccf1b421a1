from fractions import Fraction

import pytest
from matrixkit import Matrix, ShapeError

GRID = [[1, 2, 3], [4, 5, 6]]


def test_entries_are_read_exactly():
    m = Matrix([[1, Fraction(2, 3)], ["1/3", "0.25"]])
    assert m.to_lists() == [[1, Fraction(2, 3)], [Fraction(1, 3), Fraction(1, 4)]]


def test_floats_and_other_text_raise():
    with pytest.raises(ValueError, match="Invalid literal"):
        Matrix([["x"]])
    with pytest.raises(TypeError, match="exact"):
        Matrix([[0.5]])
    with pytest.raises(TypeError, match="exact"):
        Matrix(GRID) * 0.5


@pytest.mark.parametrize("rows", [[], [[]], [[], []], [[1], [1, 2]]], ids=["no", "e", "ee", "rag"])
def test_bad_rows_raise(rows):
    with pytest.raises(ShapeError, match="rows of one length"):
        Matrix(rows)


def test_construction_copies_its_rows():
    rows = [[1, 2], [3, 4]]
    m = Matrix(rows)
    rows[0][0] = 9
    assert m.at(0, 0) == 1


def test_filled_has_independent_rows_and_zero_default():
    m = Matrix.filled(2, 3)
    assert m == Matrix([[0, 0, 0], [0, 0, 0]])
    m[0, 0] = 5
    assert m.at(1, 0) == 0
    assert Matrix.filled(1, 2, "1/2") == Matrix([["1/2", "1/2"]])


def test_identity_and_diagonal():
    assert Matrix.identity(2) == Matrix([[1, 0], [0, 1]])
    assert Matrix.diagonal([3, "1/2"]) == Matrix([[3, 0], [0, "1/2"]])


def test_shape_is_rows_then_columns():
    assert Matrix(GRID).shape == (2, 3)


def test_to_lists_is_a_copy():
    m = Matrix(GRID)
    m.to_lists()[0][0] = Fraction(9)
    m.to_lists().clear()
    assert m == Matrix(GRID)


def test_copy_is_independent():
    m = Matrix(GRID)
    twin = m.copy()
    twin[0, 0] = 9
    assert m == Matrix(GRID)
    assert twin != m


def test_at_counts_from_either_end():
    m = Matrix(GRID)
    assert (m.at(1, 0), m.at(-1, -2)) == (4, 5)
    with pytest.raises(IndexError):
        m.at(2, 0)


def test_block_by_slices():
    m = Matrix(GRID)
    assert m[:, 1:] == Matrix([[2, 3], [5, 6]])
    assert m[::-1, ::2] == Matrix([[4, 6], [1, 3]])


def test_block_by_index_is_one_row_or_column():
    m = Matrix(GRID)
    assert m[1, :] == Matrix([[4, 5, 6]])
    assert m[:, -1] == Matrix([[3], [6]])
    assert m[0, 1] == Matrix([[2]])


def test_block_is_a_copy():
    m = Matrix(GRID)
    block = m[:, :]
    block[0, 0] = 9
    assert m.at(0, 0) == 1


def test_block_outside_the_matrix_raises():
    with pytest.raises(IndexError):
        Matrix(GRID)[2, :]
    with pytest.raises(ShapeError):
        Matrix(GRID)[2:, :]


def test_set_block_to_a_number():
    m = Matrix(GRID)
    m[0, 1:] = "1/2"
    assert m == Matrix([[1, "1/2", "1/2"], [4, 5, 6]])


def test_set_block_to_a_matrix():
    m = Matrix(GRID)
    m[:, ::2] = Matrix([[7, 8], [9, 0]])
    assert m == Matrix([[7, 2, 8], [9, 5, 0]])


def test_set_block_to_overlapping_block_of_itself():
    m = Matrix([[1, 2, 3]])
    m[:, 1:] = m[:, :2]
    assert m == Matrix([[1, 1, 2]])


def test_set_block_of_another_shape_raises_and_changes_nothing():
    m = Matrix(GRID)
    with pytest.raises(ShapeError, match="cannot put"):
        m[:, :2] = Matrix([[1, 2]])
    assert m == Matrix(GRID)


def test_equality_needs_the_same_entries_and_rules_out_hashing():
    with pytest.raises(TypeError, match="unhashable"):
        hash(Matrix(GRID))
    assert Matrix(GRID) == Matrix(GRID)
    assert Matrix(GRID) != Matrix([[1, 2, 3], [4, 5, 7]])
    assert Matrix([[1]]) != [[1]]


def test_repr_shows_fractions():
    assert repr(Matrix([[1, "1/2"], [0, 3]])) == "Matrix[1 1/2; 0 3]"


def test_sum_and_difference():
    assert Matrix(GRID) + Matrix([[1, 1, 1], [2, 2, 2]]) == Matrix([[2, 3, 4], [6, 7, 8]])
    assert Matrix(GRID) - Matrix([[1, 1, 1], [2, 2, 2]]) == Matrix([[0, 1, 2], [2, 3, 4]])


def test_sum_of_different_shapes_raises():
    with pytest.raises(ShapeError, match="cannot add"):
        Matrix(GRID) + Matrix(GRID).transpose()


def test_negation_and_scaling():
    assert -Matrix(GRID) == Matrix([[-1, -2, -3], [-4, -5, -6]])
    assert Matrix(GRID) * "1/2" == Matrix([["1/2", 1, "3/2"], [2, "5/2", 3]])


def test_product_of_rectangles():
    assert Matrix(GRID) @ Matrix([[1, 0], [0, 1], [2, 3]]) == Matrix([[7, 11], [16, 23]])


def test_product_of_unfit_shapes_raises():
    with pytest.raises(ShapeError, match="cannot multiply"):
        Matrix(GRID) @ Matrix(GRID)


def test_transpose():
    assert Matrix(GRID).transpose() == Matrix([[1, 4], [2, 5], [3, 6]])


def test_trace_sums_the_diagonal():
    assert Matrix([[1, 2], [3, "1/2"]]).trace() == Fraction(3, 2)
    with pytest.raises(ShapeError, match="square"):
        Matrix(GRID).trace()


@pytest.mark.parametrize(("exponent", "corner"), [(1, 1), (2, 2), (5, 8), (10, 89)])
def test_power_gives_fibonacci_numbers(exponent, corner):
    assert Matrix([[1, 1], [1, 0]]).power(exponent).at(0, 0) == corner


def test_power_bounds():
    assert Matrix([[2, 1], [0, 3]]).power(0) == Matrix.identity(2)
    with pytest.raises(ValueError, match="exponent"):
        Matrix.identity(2).power(-1)
    with pytest.raises(ShapeError, match="square"):
        Matrix(GRID).power(1)
