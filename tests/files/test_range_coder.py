"""The range coder gives back what went in, in about as many bits as the probabilities ask for."""

import contextlib
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmjax.files.range_coder import MAX_TOTAL, CompactFileError, Decoder, Encoder


@st.composite
def symbols(draw) -> tuple[int, int, int]:
    """(start, size, total) of one, often of few parts or of nearly all."""
    total = draw(st.one_of(st.integers(1, MAX_TOTAL), st.sampled_from([1, 2, 3, 2**16 + 1, MAX_TOTAL - 1, MAX_TOTAL])))
    start = draw(st.one_of(st.integers(0, total - 1), st.sampled_from([0, total - 1])))
    size = draw(st.one_of(st.integers(1, total - start), st.sampled_from([1, total - start])))
    return start, size, total


def encoded(coded: list[tuple[int, int, int]]) -> bytes:
    encoder = Encoder()
    for symbol in coded:
        encoder.encode(*symbol)
    return encoder.finish()


@settings(max_examples=100, deadline=None)
@given(st.lists(symbols(), max_size=60))
def test_round_trip(coded):
    content = encoded(coded)
    decoder = Decoder(content)
    for start, size, total in coded:
        assert start <= decoder.target(total) < start + size
        decoder.advance(start, size)
    # Parts are rounded down: at the most a 16th of the range is lost, and rarely so much.
    bits = sum(math.log2(total / size) + 0.1 for _, size, total in coded)
    assert 8 * len(content) <= bits + 8 + 8


@pytest.mark.parametrize("symbol", [(0, 1, 2), (1, 1, 2), (MAX_TOTAL - 1, 1, MAX_TOTAL), (254, 1, 255)])
def test_runs_of_one_symbol_carry(symbol):
    """Long runs of bytes 0 and 255, and a carry through them at the end."""
    coded = [symbol] * 500 + [(0, 1, 2), (1, 1, 2)] * 20
    decoder = Decoder(encoded(coded))
    for start, size, total in coded:
        assert start <= decoder.target(total) < start + size
        decoder.advance(start, size)


def test_a_skewed_source_takes_its_entropy():
    coded = [(0, 65535, 65536)] * 20_000
    assert len(encoded(coded)) <= 1


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=40), st.lists(st.integers(1, MAX_TOTAL), min_size=1, max_size=60))
def test_any_bytes_decode_within_bounds(content, totals):
    """Whatever the bytes, targets are below totals and the state stays below 2^32, or the bytes are refused."""
    decoder = Decoder(content)
    with contextlib.suppress(CompactFileError):
        for total in totals:
            target = decoder.target(total)
            assert 0 <= target < total
            decoder.advance(target, 1)
            assert 0 <= decoder._code < decoder._range < 2**32


def test_a_code_in_no_part_is_refused():
    with pytest.raises(CompactFileError, match="in no part"):
        Decoder(b"\xff" * 8).target(2)
