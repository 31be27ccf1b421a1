"""Simplex noise of three dimensions, as OpenSimplex has it (K. Spencer's, of 2014): smooth, within about [-0.87, 0.87].

Space is cut into tetrahedra and octahedra, whose corners have random gradients. The noise at a point is a sum over
corners near it: with the distance ``d`` to a corner and its gradient ``g``, ``max(2 - d * d, 0) ** 4 * (g @ offset)``.
Corners are numbered on a cubic lattice that is stretched along its diagonal.

* ``noise`` - at one point; it leaves out the same far corners as OpenSimplex, and so is equal to it
* ``add_noise`` - over a strip of a map, corner by corner: many times as fast, but for ``PRECISION``
"""

from __future__ import annotations

import math

import numpy as np

from telos.envs.engine.rules import rule

__all__ = ["PRECISION", "add_noise", "noise", "shuffle"]

#: ``add_noise`` counts all corners, and ``noise`` is at most so far from it (measured: 1.1e-4).
PRECISION = 2e-4

_NORM = 103.0
_RADIUS = math.sqrt(2.0)
#: The 24 gradients: one component is 11 and the others 4, with all signs; along x they begin with minus.
_SLOPES = np.array(
    [
        [
            (11.0 if k % 3 == axis else 4.0) * (1.0 if ((k // 3 >> axis) & 1 == 1) == (axis == 0) else -1.0)
            for axis in range(3)
        ]
        for k in range(24)
    ]
)
_MULTIPLIER, _INCREMENT = np.uint64(6364136223846793005), np.uint64(1442695040888963407)


@rule
def shuffle(i, seed, permutation):
    """Fills ``permutation[i]``, of 256 entries, as OpenSimplex does for a seed, uint64 of a two's complement."""
    for k in range(256):
        permutation[i, k] = k
    for _ in range(3):
        seed = seed * _MULTIPLIER + _INCREMENT
    # A draw swaps in what is left at the end, so the table is permuted in place.
    for k in range(255, -1, -1):
        seed = seed * _MULTIPLIER + _INCREMENT
        drawn = (np.int64(seed) + 31) % (k + 1)
        kept = permutation[i, drawn]
        permutation[i, drawn] = permutation[i, k]
        permutation[i, k] = kept


@rule
def _gradient(i, permutation, u, v, w):
    """Which of the 24 gradients a corner has."""
    first = int(permutation[i, u & 255])
    second = int(permutation[i, (first + v) & 255])
    return int(permutation[i, (second + w) & 255]) % 24


@rule
def _corner(i, permutation, origin, inside, u, v, w):
    """What the corner at ``(u, v, w)`` from the ``origin`` of the cell adds; ``inside`` is the point in the cell."""
    squish = (inside[0] + inside[1] + inside[2] - u - v - w) / 3.0
    dx = inside[0] - u + squish
    dy = inside[1] - v + squish
    dz = inside[2] - w + squish
    # No branch for corners that are too far: it would be taken at random.
    weight = max(2.0 - dx * dx - dy * dy - dz * dz, 0.0)
    g = _gradient(i, permutation, origin[0] + u, origin[1] + v, origin[2] + w)
    weight *= weight
    return weight * weight * (_SLOPES[g, 0] * dx + _SLOPES[g, 1] * dy + _SLOPES[g, 2] * dz)


@rule
def _unit(axis, size, rest):
    """``size`` along an axis, and ``rest`` along the others."""
    return (size if axis == 0 else rest, size if axis == 1 else rest, size if axis == 2 else rest)


@rule
def _tetrahedron_extras(a, b, c):
    """The two corners beyond the tetrahedron at the origin that count; ``a + b + c <= 1``.

    Which of two axes counts as the longer one, if a point is as far along both, is OpenSimplex's.
    """
    first, first_score, second, second_score = 0, a, 1, b
    if a >= b and c > b:
        second, second_score = 2, c
    elif a < b and c > a:
        first, first_score = 2, c
    rest = 1.0 - a - b - c
    if rest > first_score or rest > second_score:
        axis = second if second_score > first_score else first
        one, other = (axis + 1) % 3, (axis + 2) % 3
        along = _unit(axis, 1, 0)
        less, least = _unit(one, 1, 0), _unit(other, 1, 0)
        return (
            (along[0] - less[0], along[1] - less[1], along[2] - less[2]),
            (along[0] - least[0], along[1] - least[1], along[2] - least[2]),
        )
    axis = 3 - first - second
    return _unit(axis, 0, 1), _unit(axis, -1, 1)


@rule
def _octahedron_extras(a, b, c):
    """The two corners beyond the octahedron that count.

    Each axis has a near corner, one step along it, and a far one opposite. Of two axes the closer corners are taken;
    the axis that decides least is left out.
    """
    by_x, by_y, by_z = abs(b + c - 1.0), abs(a + c - 1.0), abs(a + b - 1.0)
    out = 0
    if by_z <= by_y and by_z < by_x:
        out = 2
    elif by_z > by_y and by_y < by_x:
        out = 1
    one, other = (1 if out == 0 else 0), (1 if out == 2 else 2)
    far_one = (a + b + c - _pick(one, a, b, c)) > 1.0
    far_other = (a + b + c - _pick(other, a, b, c)) > 1.0
    if far_one and far_other:
        return (1, 1, 1), _unit(out, 2, 0)
    if not far_one and not far_other:
        return (0, 0, 0), _unit(out, -1, 1)
    far, near = (one, other) if far_one else (other, one)
    return _unit(far, -1, 1), _unit(near, 2, 0)


@rule
def _pick(axis, a, b, c):
    return a if axis == 0 else (b if axis == 1 else c)


@rule
def noise(i, permutation, x, y, z):
    """The noise at a point under ``permutation[i]``."""
    stretch = (x + y + z) * (-1.0 / 6.0)
    xs, ys, zs = x + stretch, y + stretch, z + stretch
    u, v, w = math.floor(xs), math.floor(ys), math.floor(zs)
    origin, inside = (int(u), int(v), int(w)), (xs - u, ys - v, zs - w)
    a, b, c = inside
    height = a + b + c
    at = (i, permutation, origin, inside)
    if height <= 1.0:
        one, other = _tetrahedron_extras(a, b, c)
        total = _corner(*at, 0, 0, 0) + _corner(*at, 1, 0, 0) + _corner(*at, 0, 1, 0) + _corner(*at, 0, 0, 1)
    elif height >= 2.0:
        # The tetrahedron at the far end is the one at the origin, upside down.
        (p, q, r), (s, t, o) = _tetrahedron_extras(1.0 - a, 1.0 - b, 1.0 - c)
        one, other = (1 - p, 1 - q, 1 - r), (1 - s, 1 - t, 1 - o)
        total = _corner(*at, 1, 1, 0) + _corner(*at, 1, 0, 1) + _corner(*at, 0, 1, 1) + _corner(*at, 1, 1, 1)
    else:
        one, other = _octahedron_extras(a, b, c)
        total = _corner(*at, 1, 0, 0) + _corner(*at, 0, 1, 0) + _corner(*at, 1, 1, 0)
        total += _corner(*at, 0, 0, 1) + _corner(*at, 1, 0, 1) + _corner(*at, 0, 1, 1)
    total += _corner(*at, one[0], one[1], one[2])
    total += _corner(*at, other[0], other[1], other[2])
    return total / _NORM


@rule
def add_noise(i, permutation, field, layer, left, right, top, bottom, size, z, weight):
    """Adds ``weight`` times the noise at ``(x / size, y / size, z)`` to ``field[i, layer, x - left, y]``.

    Args:
        i: Row of the permutation and the field.
        permutation: Uint8 ``(n, 256)``.
        field: Float32 ``(n, layers, columns, H)``.
        layer: Which layer.
        left: The first x.
        right: The last x plus 1.
        top: The first y.
        bottom: The last y plus 1.
        size: Cells in a unit of noise.
        z: The third coordinate.
        weight: Factor.
    """
    scale = 1.0 / size
    weight /= _NORM
    # Corners are at (I, J, K) + r / 3 with I + J + K = r modulo 6, for r = 0, 1, 2.
    for r in range(3):
        shift = r / 3.0
        for k in range(math.floor(z - shift - _RADIUS) + 1, math.ceil(z - shift + _RADIUS)):
            dz = z - k - shift
            disc = 2.0 - dz * dz
            if disc <= 0.0:
                continue
            radius = math.sqrt(disc)
            for p in range(
                math.ceil(left * scale - shift - radius), math.floor((right - 1) * scale - shift + radius) + 1
            ):
                px = p + shift
                first = max(left, math.ceil((px - radius) * size))
                after = min(right, math.floor((px + radius) * size) + 1)
                q = math.ceil(top * scale - shift - radius)
                q += (r - p - q - k) % 6
                last = (bottom - 1) * scale - shift + radius
                while q <= last:
                    m = (p + q + k - r) // 6
                    g = _gradient(i, permutation, p - m, q - m, k - m)
                    py = q + shift
                    gx, gy, gz = weight * _SLOPES[g, 0], weight * _SLOPES[g, 1], weight * _SLOPES[g, 2] * dz
                    above = max(top, math.ceil((py - radius) * size))
                    below = min(bottom, math.floor((py + radius) * size) + 1)
                    for x in range(first, after):
                        dx = x * scale - px
                        # A row by itself: Numba need not look out for indices below zero.
                        line = field[i, layer, x - left][above:below]
                        _add_line(line, above * scale - py, scale, disc - dx * dx, gx * dx + gz, gy)
                    q += 6


@rule
def _add_line(line, start, scale, reach, base, slope):
    """Adds what a corner gives to cells in a row, without a branch, so that several are worked out at once."""
    start, scale, reach = np.float32(start), np.float32(scale), np.float32(reach)
    base, slope = np.float32(base), np.float32(slope)
    for k in range(line.shape[0]):
        dy = start + np.float32(k) * scale
        near = max(reach - dy * dy, np.float32(0.0))
        near *= near
        line[k] += near * near * (base + slope * dy)
