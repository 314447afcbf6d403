"""The measured peak is one of multiply-adds on registers: read in the instructions of three kinds of processors."""

import re

import pytest

from saltus.backend.cpu import compile as machine
from saltus.backend.cpu.peak import ACCUMULATORS, multiply_add_peak, peak_text

TARGETS = {
    "avx512": (512, "x86_64-unknown-linux-gnu", "skylake-avx512", "", r"\bvfm\w*ps\b.*zmm"),
    "avx2": (256, "x86_64-unknown-linux-gnu", "haswell", "", r"\bvfm\w*ps\b.*ymm"),
    "neon": (128, "aarch64-unknown-linux-gnu", "cortex-a72", "+neon", r"\bfml[as]\b"),
}


@pytest.mark.parametrize("name", TARGETS)
def test_the_loop_is_multiply_adds_and_nothing_from_memory(name):
    bits, triple, cpu, features, pattern = TARGETS[name]
    text = machine.assembly(peak_text(bits, "peak"), triple, cpu, features)
    assert len(re.findall(pattern, text)) == ACCUMULATORS
    assert "spill" not in text.lower() and "call" not in text


def test_the_peak_is_a_rate_of_this_machine():
    assert 1e8 < multiply_add_peak() < 1e13
