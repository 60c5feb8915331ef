"""Vibrant Leaves written down literally: plain, slow NumPy that follows the model's description step by step.

One leaf at a time, each with a mask of its own and a texture of its own made by FFT. It shares no code with
the fast model, draws from NumPy's generator, and works in sRGB of 0..255.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates, rotate
from scipy.spatial import Delaunay

R_MIN, R_MAX = 10, 500
Z = 5.0


def radius(g):
    return int(g.uniform(R_MAX**-2.0, R_MIN**-2.0) ** -0.5)


def leaf_count(height, width):
    share = np.pi / (height * width) * sum(1 - (k / (k + 1)) ** 2 for k in range(R_MIN, R_MAX))
    share /= R_MIN**-2.0 - R_MAX**-2.0
    return 20 if share >= 1 else int(np.log(0.002) / np.log(1 - share))


def disc(r):
    y, x = np.mgrid[-r : r + 1, -r : r + 1]
    return x**2 + y**2 <= r**2


def rectangle(g, r):
    q, angle = g.uniform(0.5, 1), np.radians(g.uniform(0, 180))
    short, long = np.sqrt(q * np.pi * r**2), np.sqrt(np.pi * r**2 / q)
    half = int(np.ceil(np.hypot(short, long) / 2))
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    return (abs(along) <= long / 2) & (abs(across) <= short / 2)


def _triangle_edges(triangle):
    a, b, c = triangle
    return [frozenset(edge) for edge in ((a, b), (b, c), (c, a))]


def concave_triangles(points, holes, ratio=0.3):
    """Return the triangles, as sets of point numbers, that a concave hull of this edge length ratio keeps."""
    triangles = {tuple(map(int, t)) for t in Delaunay(points).simplices}

    def length(edge):
        i, j = edge
        return np.hypot(*(points[i] - points[j]))

    lengths = [length(e) for t in triangles for e in _triangle_edges(t)]
    limit = min(lengths) + ratio * (max(lengths) - min(lengths))

    def border(kept):
        count = {}
        for t in kept:
            for e in _triangle_edges(t):
                count[e] = count.get(e, 0) + 1
        return {e for e, n in count.items() if n == 1}

    def erode(kept, candidates):
        while True:
            edges = border(kept)
            touched = set().union(*edges) if edges else set()
            best = None
            for t in kept if candidates is None else kept & candidates:
                own = [e for e in _triangle_edges(t) if e in edges]
                if len(own) == 1 and not (set(t) - own[0]) & touched and length(own[0]) >= limit:
                    best = max(best or (0, t), (length(own[0]), t))
            if best is None:
                return
            kept.remove(best[1])
            if candidates is not None:
                sides = set(_triangle_edges(best[1]))
                candidates |= {t for t in kept if sides & set(_triangle_edges(t))}

    erode(triangles, None)
    if holes:
        for t in sorted(triangles, key=lambda t: -max(length(e) for e in _triangle_edges(t))):
            touched = set().union(*border(triangles))
            if (
                t in triangles
                and max(length(e) for e in _triangle_edges(t)) >= limit
                and not set(t) & touched
            ):
                triangles.remove(t)
                sides = set(_triangle_edges(t))
                erode(triangles, {o for o in triangles if sides & set(_triangle_edges(o))})
    return triangles


def polygon(g, r):
    reach = 3 * r // 2
    side = 2 * reach + 1
    count = g.integers(50, max(100, int(0.9 * r)))
    distance, angle = g.integers(0, reach, count), g.uniform(-np.pi, np.pi, count)
    points = np.stack([distance * np.cos(angle), distance * np.sin(angle)], 1) + reach
    points += g.uniform(-1e-6, 1e-6, points.shape)  # coinciding points have no triangulation
    y, x = np.mgrid[:side, :side]
    mask = np.zeros((side, side), bool)
    for t in concave_triangles(points, holes=g.random() < 0.5):
        a, b, c = points[list(t)]
        turns = [(q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0]) for p, q in ((a, b), (b, c), (c, a))]
        mask |= np.all([turn >= 0 for turn in turns], 0) | np.all([turn <= 0 for turn in turns], 0)
    if g.random() < 0.5:
        sigma = g.uniform(max(0.5, 0.01 * side), min(10, 0.025 * side))
        mask = gaussian_filter(mask.astype(float), sigma, mode="constant") > 0.5
    return mask


def frequency_noise(g, patch, side, slope):
    """Return a texture [side, side, 3] of the colours of pixels [n, 3], modulus 1 / (|fx|^s + |fy|^s)."""
    source = patch[g.integers(0, len(patch), (side, side))]
    frequency = abs(np.fft.fftfreq(side))
    inverse = frequency[:, None] ** slope + frequency**slope
    inverse[0, 0] = np.inf
    result = np.empty(source.shape)
    for channel in range(3):
        plane = source[..., channel]
        phase = np.angle(np.fft.fft2(plane - plane.mean()))
        made = np.fft.ifft2(np.exp(1j * phase) / inverse).real
        result[..., channel] = plane.mean() + plane.std() * made / made.std()
    return np.clip(result, 0, 255)


def perspective(texture):
    """Return the texture [s, s, ...] seen at an angle, [s/2, s/2, ...], by the homography's closed form."""
    side = len(texture)
    x, y = np.meshgrid(np.arange(side // 2), np.arange(side // 2) - side / 4)
    places = np.array([y / (1 + x / side) + side / 2, x / (1 + x / side)])
    return np.stack(
        [map_coordinates(plane, places, order=3, mode="reflect") for plane in texture.T.swapaxes(1, 2)], -1
    )


def wave(g, side, period):
    """Return one saturated, squashed wave [side, side] that runs along x."""
    q = 0.5 + 0.5 * np.sin(2 * np.pi * (np.arange(side) / period + g.random()))
    q = np.where(q > g.uniform(0.05, 1), 1, q)
    gain = g.uniform(1, 10)
    bent = (1 / (1 + np.exp(-gain * q)) - 0.5) / (1 / (1 + np.exp(-gain)) - 0.5)
    return np.broadcast_to(bent, (side, side))


def wave_map(g, side):
    """Return an interpolation map [side, side] of plain periods, without warp."""
    large = 2 * side
    theta = g.uniform(-45, 45)
    total = rotate(wave(g, large, int(5 + 95 * g.random())), theta, reshape=False, order=1)
    if g.random() < 0.5:
        other = theta + g.choice([-1, 1]) * g.uniform(15, 45)
        second = wave(g, large, int(5 + 95 * g.random()))
        total = total * rotate(second.T, other, reshape=False, order=1)
    crop = total[side // 2 : side // 2 + side, side // 2 : side // 2 + side]
    return (crop - crop.min()) / max(np.ptp(crop), 1e-9)


def layer(g, canvas, count, polygons):
    """Return the mean disc-equivalent coverage: the occupied pixels of ``count`` leaves, front to back."""
    occupied = np.zeros(canvas, bool)
    for _ in range(count):
        r = radius(g)
        kind = 2 if polygons else g.integers(3)
        mask = disc(r) if kind == 0 else rectangle(g, r) if kind == 1 else polygon(g, r)
        cy, cx = g.integers(0, canvas[0]), g.integers(0, canvas[1])
        top, left = cy - mask.shape[0] // 2, cx - mask.shape[1] // 2
        y0, x0 = max(top, 0), max(left, 0)
        y1, x1 = min(top + mask.shape[0], canvas[0]), min(left + mask.shape[1], canvas[1])
        occupied[y0:y1, x0:x1] |= mask[y0 - top : y1 - top, x0 - left : x1 - left]
    return occupied


def flat_discs(g, canvas, count):
    """Return greys [H, W], 1 of 255 where bare, and the mask of ``count`` discs, front to back."""
    grey, occupied = np.full(canvas, 1 / 255), np.zeros(canvas, bool)
    y, x = np.mgrid[: canvas[0], : canvas[1]]
    for _ in range(count):
        r, cy, cx = radius(g), g.integers(0, canvas[0]), g.integers(0, canvas[1])
        new = ((y - cy) ** 2 + (x - cx) ** 2 <= r**2) & ~occupied
        grey[new] = g.uniform()
        occupied |= new
    return grey, occupied


def flat_image(g, canvas):
    """Return an image [H/2, W/2] in sRGB of untextured grey discs in three depths."""
    count = leaf_count(*canvas)
    tenth = count // 10 if count > 10 else 1
    (near, before), (middle, between), (far, _) = (
        flat_discs(g, canvas, n) for n in (tenth // 2, tenth, 10 * tenth)
    )
    planes = (plane[..., None].repeat(3, -1) for plane in (far, middle, near))
    sigma = max(5 * g.uniform() ** 2, 1e-3)
    fused = fuse(*planes, (before, between), sigma)[..., 0]
    return fused.reshape(canvas[0] // 2, 2, canvas[1] // 2, 2).mean((1, 3))


def fuse(background, middle, foreground, masks, sigma):
    """Return the image [H, W, 3] of three layers with soft masks, 11 x 11 Gaussian, edges mirrored."""

    def blurred(plane):
        offsets = np.arange(-5, 6)
        weights = np.exp(-(offsets**2) / (2 * sigma**2))
        kernel = np.outer(weights, weights) / weights.sum() ** 2
        padded = np.pad(plane, 5, mode="reflect")
        total = np.zeros(plane.shape)
        for i in range(11):
            for j in range(11):
                total += kernel[i, j] * padded[i : i + plane.shape[0], j : j + plane.shape[1]]
        return total

    near, mid = masks
    soft = blurred(near.astype(float))
    result = np.empty(background.shape)
    for channel in range(3):
        sharp = np.where(mid, middle[..., channel], blurred(background[..., channel]))
        result[..., channel] = sharp * (1 - soft) + blurred(near * foreground[..., channel])
    return result


def same_mean(a, b):
    """Fail if two samples' means differ by more than chance."""
    error = math.hypot(np.std(a) / math.sqrt(len(a)), np.std(b) / math.sqrt(len(b)))
    assert abs(np.mean(a) - np.mean(b)) <= Z * error, (
        f"{np.mean(a):.4f} and {np.mean(b):.4f}, error {error:.4f}"
    )
    return error
