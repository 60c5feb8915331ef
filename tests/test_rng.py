"""Random numbers: the published generator, its distributions, and that no draw depends on another."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import torch
from sampling import assert_correlation, assert_distribution, assert_mean, assert_variance

from synthnoise.errors import UsageError
from synthnoise.philox import normals, philox, rectangle, uniforms
from synthnoise.poisson import _expanded, _summed, poisson_counts, poisson_quantile, uniform_double
from synthnoise.rng import Rng, Stream

ONES = 0xFFFFFFFF


def rng(*indices: int, seed: int = 7) -> Rng:
    return Rng(seed, torch.tensor(indices or (0,)))


# (counter, key, result): kat_vectors of the Random123 distribution, lines "philox4x32 10".
@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((ONES,) * 4, (ONES, ONES), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_published_words(counter, key, expected):
    seed = key[0] | key[1] << 32
    c0, c1, c2, c3 = counter
    words = philox(tuple(torch.tensor(c) for c in counter), seed)
    assert tuple(int(w) for w in words) == expected
    compiled = rectangle(seed, torch.tensor([c2]), torch.tensor([[c3]]), (c1, c0), (1, 1))
    assert tuple(compiled.flatten().tolist()) == expected


def test_one_plane_as_an_array_is_what_the_generator_draws():
    rng = Rng(seed=2**40 + 5, indices=torch.zeros(1, dtype=torch.int64), origin=(-1, 37))
    numbers = uniforms(2**40 + 5, Stream.ROUNDING, (-1, 37), (9, 31))
    assert np.array_equal(numbers, rng.uniform(Stream.ROUNDING, (1, 9, 31))[0, 0].numpy())


def test_normal_numbers_as_an_array_are_what_the_generator_draws():
    drawn = Rng(seed=7, indices=torch.zeros(1, dtype=torch.int64)).normal(Stream.PROBE, (6, 20, 30))[0]
    np.testing.assert_allclose(normals(7, Stream.PROBE, (6, 20, 30)), drawn.numpy(), atol=2e-6)


def test_compiled_words_are_those_of_the_tensor_operations():
    indices, tags = torch.tensor([5, 2**32 - 1]), torch.tensor([[1, 257], [3, 2**31 + 9]])
    y, x = (torch.arange(9) - 3).view(-1, 1) & ONES, (torch.arange(17) - 5) & ONES
    tensors = philox((x, y, indices.view(-1, 1, 1, 1), tags[:, :, None, None]), 2**63 + 11)
    compiled = rectangle(2**63 + 11, indices, tags, (-3, -5), (9, 17))
    assert torch.equal(compiled, torch.stack(tensors, 2).flatten(1, 2))


DRAWS = {
    "bits": lambda r, shape: r.bits(Stream.READ_NOISE, shape),
    "uniform": lambda r, shape: r.uniform(Stream.READ_NOISE, shape),
    "double": lambda r, shape: r.uniform(Stream.READ_NOISE, shape, double=True),
    "normal": lambda r, shape: r.normal(Stream.READ_NOISE, shape),
    "integers": lambda r, shape: r.integers(Stream.READ_NOISE, shape, -3, 1000),
    "poisson": lambda r, shape: r.poisson(Stream.SHOT_NOISE, _rates(r, shape)),
}


def _rates(generator: Rng, shape: tuple[int, int, int]) -> torch.Tensor:
    """Rates of 0.003 to 300 that depend on the place in the image alone."""
    y = generator.origin[0] + torch.arange(shape[1], dtype=torch.float64).view(-1, 1)
    x = generator.origin[1] + torch.arange(shape[2], dtype=torch.float64)
    rates = 10 ** (2.5 * torch.sin(0.37 * y + 0.11 * x))
    return rates.float().expand(len(generator.indices), *shape).contiguous()


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
@pytest.mark.parametrize("planes", [1, 3, 4, 5])
def test_a_crop_of_the_whole_is_the_crop(draw, planes):
    # Wide enough that the whole is drawn in several bands and the crop in one.
    whole = draw(rng(4), (planes, 70, 1200))
    crop = draw(rng(4).cropped(13, 501), (planes, 40, 37))
    assert torch.equal(whole[:, :, 13:53, 501:538], crop)


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_an_image_is_the_same_in_any_batch(draw):
    batch = draw(rng(3, 1, 2**43), (4, 21, 33))
    for place, index in enumerate((3, 1, 2**43)):
        assert torch.equal(batch[place], draw(rng(index), (4, 21, 33))[0])
    assert not torch.equal(batch[0], batch[1])


@pytest.mark.parametrize("name", ["bits", "uniform", "double", "normal", "integers"])
def test_fewer_planes_and_shorter_tables_are_the_beginning_of_more(name):
    draw = DRAWS[name]
    assert torch.equal(draw(rng(1, 2), (5, 8, 9))[:, :3], draw(rng(1, 2), (3, 8, 9)))
    assert torch.equal(draw(rng(1, 2), (1001,))[:, :10], draw(rng(1, 2), (10,)))
    assert torch.equal(draw(rng(1, 2), (99, 3))[:, :10], draw(rng(1, 2), (10, 3)))
    assert torch.equal(draw(rng(1, 2), (99, 3))[..., :2], draw(rng(1, 2), (99, 2)))
    assert torch.equal(draw(rng(1).cropped(5, 5), (7,)), draw(rng(1), (7,)))


def test_seed_stream_image_and_plane_change_everything():
    shape = (2, 64, 64)
    reference = rng(0).bits(Stream.READ_NOISE, shape)
    others = [
        rng(0, seed=8).bits(Stream.READ_NOISE, shape),
        rng(0, seed=7 + 2**32).bits(Stream.READ_NOISE, shape),
        rng(0).bits(Stream.SHOT_NOISE, shape),
        rng(1).bits(Stream.READ_NOISE, shape),
        rng(2**32).bits(Stream.READ_NOISE, shape),
        reference.flip(1),
    ]
    for other in others:
        # 8192 coincidences of 32-bit words: 2e-6 are expected.
        assert not (reference == other).any()


def test_global_generators_are_left_alone():
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    for draw in DRAWS.values():
        draw(rng(1), (4, 8, 8))
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


@pytest.mark.parametrize("double", [False, True])
def test_uniform_numbers_are_uniform_and_never_zero_or_one(double):
    sample = rng(0, 1).uniform(Stream.CROP, (3, 300, 300), double=double)
    assert 0 < sample.min() < 1e-4
    assert 1 - 1e-4 < sample.max() < 1
    assert_distribution(sample, lambda x: x, detects=0.01)


def test_the_extreme_words_give_numbers_inside_the_open_interval():
    from synthnoise import rng as module

    for word in (0, ONES):
        words = torch.full((1, 4, 1, 1), word)
        double = uniform_double(words)
        assert ((double > 0) & (double < 1)).all()
        assert module._box_muller(words).isfinite().all()


def test_normal_numbers_are_normal_to_the_tails_and_uncorrelated():
    sample = rng(0, 1).normal(Stream.READ_NOISE, (4, 400, 400))
    assert sample.dtype == torch.float32
    assert_distribution(sample, scipy.stats.norm.cdf, detects=0.005)
    assert_mean(sample, 0.0, 1.0, detects=0.01)
    assert_variance(sample, 1.0, detects=0.02)
    beyond = (sample.abs() > 4).sum().item()
    expected = 2 * scipy.stats.norm.sf(4) * sample.numel()
    assert abs(beyond - expected) <= 5 * expected**0.5
    for first, second in (
        (sample[:, 0], sample[:, 1]),
        (sample[:, 1], sample[:, 2]),
        (sample[0], sample[1]),
        (sample[..., 1:], sample[..., :-1]),
        (sample[..., 1:, :], sample[..., :-1, :]),
        (sample[:, 0] ** 2, sample[:, 1] ** 2),
    ):
        assert_correlation(first, second, 0.0, detects=0.025)


def test_integers_are_equally_likely():
    sample = rng(0).integers(Stream.CROP, (70000,), -2, 5).numpy()
    counts = np.bincount(sample.ravel() + 2, minlength=7)
    assert len(counts) == 7
    assert scipy.stats.chisquare(counts).pvalue > 1e-6


RATES = [1e-3, 0.03, 0.5, 3.0, 9.9, 10.0, 10.1, 17.0, 60.0, 300.0, 1e4, 1e6]


@pytest.mark.parametrize("rate", RATES)
def test_poisson_quantiles_meet_their_definition(rate):
    """P(N <= n) reaches u at n and not at n - 1, down to tails of 1e-12, judged by scipy."""
    generator = np.random.default_rng(3)
    tail = 10.0 ** -generator.uniform(0, 12, 4000)
    u = np.concatenate([generator.random(20000), tail, 1 - tail])
    n = poisson_quantile(torch.from_numpy(u), torch.full((len(u),), rate, dtype=torch.float64)).numpy()
    cdf, before = scipy.stats.poisson.cdf(n, rate), scipy.stats.poisson.cdf(n - 1, rate)
    # scipy's and torch's incomplete gamma functions agree to some 1e-13 of one at these rates.
    assert ((cdf >= u - 1e-12) & (before < u + 1e-12)).all()
    assert (n[u < before[0]] >= 0).all()


def test_poisson_steps_are_found_on_either_side():
    """Just above and just below every step of the distribution function, where rounding would show."""
    for rate in (10.0, 25.0, 400.0):
        n = np.arange(max(0, rate - 4 * rate**0.5), rate + 4 * rate**0.5).round()
        step = torch.special.gammaincc(torch.from_numpy(n + 1), torch.tensor(rate, dtype=torch.float64))
        rates = torch.full_like(step, rate)
        assert np.array_equal(poisson_quantile(step - 1e-10, rates).numpy(), n)
        assert np.array_equal(poisson_quantile(step + 1e-10, rates).numpy(), n + 1)


def test_poisson_sums_are_the_same_as_tensors_and_compiled():
    u = rng(0).uniform(Stream.SHOT_NOISE, (20000,), double=True)[0]
    rate = rng(0).uniform(Stream.EXPOSURE, (20000,), double=True)[0] * 9.99
    assert torch.equal(poisson_quantile(u, rate), _summed(u, rate))


def test_poisson_expansions_are_the_same_as_tensors_and_compiled():
    """The tails included, which the compiled loop takes apart at 0.01 and 0.99."""
    generator = np.random.default_rng(8)
    tail = 2.0 ** -generator.uniform(6, 52, 3000)
    u = torch.from_numpy(np.concatenate([generator.random(20000), tail, 1 - tail]))
    rate = torch.from_numpy(10.0 ** generator.uniform(1, 8, len(u)))
    wanted, outside = _expanded(u, rate)
    found = poisson_quantile(u, rate)
    assert torch.equal(found[~outside], wanted[~outside])
    assert torch.equal(found[outside], _summed(u[outside], rate[outside]))


def test_poisson_counts_of_words_are_the_quantiles_of_their_uniform_numbers():
    """Rates of all kinds side by side, in strided planes longer than what is worked on at once."""
    words = rng(0, 1).bits(Stream.SHOT_NOISE, (4, 3, 700))
    rate = torch.rand(2, 3, 2, 700).transpose(1, 2) * 10 ** torch.linspace(-3, 5, 700)
    rate[0, 0, 1, ::50], rate[0, 1, 0, 7] = 0.0, -3.0
    u = rng(0, 1).uniform(Stream.SHOT_NOISE, (2, 3, 700), double=True)
    counts = poisson_counts(words, rate)
    assert counts.dtype == torch.float32
    assert torch.equal(counts, poisson_quantile(u, rate).float())
    unknown = torch.full((1, 1, 1, 300), float("nan"))
    assert poisson_counts(words[:1, :2, :1, :300], unknown).isnan().all()


@pytest.mark.parametrize("rate", [0.05, 2.0, 8.0, 13.0, 200.0, 1e5])
def test_poisson_counts_have_the_poisson_distribution(rate):
    counts = rng(0).poisson(Stream.SHOT_NOISE, torch.full((1, 4, 250, 250), rate))
    assert counts.dtype == torch.float32
    assert_distribution(counts, lambda n: scipy.stats.poisson.cdf(n, rate), integers=True, detects=0.015)
    # Fourth central moment of a Poisson variable: rate + 3 rate^2.
    if rate >= 1:
        assert_mean(counts, rate, rate, detects=0.02)
        assert_variance(counts, rate, rate + 3 * rate**2, detects=0.04)


def test_poisson_of_nothing_is_nothing_and_a_changed_rate_changes_one_count():
    rate = torch.full((1, 4, 20, 20), 5.0)
    rate[0, 2, 7] = torch.tensor([0.0, -1.0] * 10)
    counts = rng(0).poisson(Stream.SHOT_NOISE, rate)
    assert (counts[0, 2, 7] == 0).all()
    rate[0, 0, 3, 3] = 500.0
    assert ((rng(0).poisson(Stream.SHOT_NOISE, rate) != counts).nonzero() == torch.tensor([0, 0, 3, 3])).all()


def test_what_is_out_of_range_is_refused():
    for seed in (-1, 2**64):
        with pytest.raises(UsageError, match="seed"):
            Rng(seed, torch.tensor([0]))
    for index in (-1, 2**44):
        with pytest.raises(UsageError, match="image number"):
            rng(index)
    with pytest.raises(ValueError, match="shape"):
        rng(0).bits(Stream.CROP, (1, 2, 3, 4))
    with pytest.raises(ValueError, match="stream"):
        rng(0).bits(256, (4, 2, 2))
    with pytest.raises(ValueError, match="between"):
        rng(0).integers(Stream.CROP, (4,), 3, 3)
