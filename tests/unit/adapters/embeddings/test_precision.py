"""Which number format the model computes in."""

from __future__ import annotations

import pytest

from domicile.adapters.embeddings.precision import chosen_dtype, computes_bfloat16
from domicile.domain.errors import ConfigurationError

X86 = "processor\t: {}\nmodel name\t: A processor\nflags\t\t: fpu sse4_2 avx2 {}\nvmx flags\t: vnmi {}\n\n"
ARM = "processor\t: {}\nFeatures\t: fp asimd {}\nCPU part\t: 0xd40\n\n"


def processors(template, *flags):
    return "".join(template.format(number, flag, "") for number, flag in enumerate(flags))


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        pytest.param(processors(X86, "", ""), "float32", id="avx2-only"),
        pytest.param(processors(X86, "avx512f", "avx512f"), "float32", id="avx512-without-bf16"),
        pytest.param(processors(X86, "avx512_bf16", "avx512_bf16"), "bfloat16", id="avx512"),
        pytest.param(processors(X86, "amx_bf16 amx_tile"), "bfloat16", id="amx"),
        pytest.param(processors(X86, "not_avx512_bf16x"), "float32", id="part-of-another-flag"),
        pytest.param(processors(ARM, "bf16", "bf16"), "bfloat16", id="arm"),
        pytest.param(processors(ARM, "", ""), "float32", id="arm-without"),
        pytest.param(processors(ARM, "bf16", ""), "float32", id="mixed-processors"),
        pytest.param(X86.format(0, "", "amx_bf16"), "float32", id="flag-of-virtualisation-only"),
        pytest.param("model name : fast amx_bf16\n", "float32", id="in-a-name-only"),
        pytest.param("", "float32", id="unknown"),
    ],
)
def test_bfloat16_is_chosen_where_every_processor_multiplies_it(cpuinfo, expected):
    """Automatically, bfloat16 is taken only where no processor would have to emulate it."""
    assert chosen_dtype("auto", cpuinfo) == expected
    assert computes_bfloat16(cpuinfo) is (expected == "bfloat16")


@pytest.mark.parametrize("wanted", ["float32", "bfloat16"])
def test_what_is_asked_for_is_taken(wanted):
    """An explicit choice is not second-guessed."""
    assert chosen_dtype(wanted, "") == wanted


def test_this_machine_has_an_answer():
    """Without a text given, the machine's own processors are looked at."""
    assert chosen_dtype("auto") in ("float32", "bfloat16")


@pytest.mark.parametrize("wanted", ["", "float16", "Float32"])
def test_another_word_is_refused(wanted):
    """An unknown format is a mistake in the configuration."""
    with pytest.raises(ConfigurationError):
        chosen_dtype(wanted, "")
