"""bfloat16 is chosen where the processor computes it, and nowhere else."""

from __future__ import annotations

import pytest

from domicile.adapters.embeddings.precision import chosen_dtype, computes_bfloat16
from domicile.domain.errors import ConfigurationError


def _x86(*flags: str) -> str:
    return "".join(f"processor\t: {n}\nflags\t\t: fpu vme {flag} ssse3\n\n" for n, flag in enumerate(flags))


@pytest.mark.parametrize(
    ("cpuinfo", "native"),
    [
        (_x86("avx512f avx512_bf16", "avx512f avx512_bf16"), True),
        (_x86("amx_bf16 amx_tile"), True),
        ("processor\t: 0\nFeatures\t: fp asimd bf16 i8mm\n", True),
        (_x86("avx2 avx512f"), False),
        (_x86("avx512_bf16", "avx512f"), False),
        (_x86("not_avx512_bf16x"), False),
        ("", False),
    ],
)
def test_native_bfloat16_is_read_from_the_processors_flags(cpuinfo, native):
    """Every processor listed has to have the instruction; without a listing there is none."""
    assert computes_bfloat16(cpuinfo) is native
    assert chosen_dtype("auto", cpuinfo) == ("bfloat16" if native else "float32")


def test_a_declared_format_is_taken_as_it_is():
    """The operator's word counts more than the processor's flags."""
    assert chosen_dtype("bfloat16", "") == "bfloat16"
    assert chosen_dtype("float32", _x86("amx_bf16")) == "float32"


def test_another_word_is_refused():
    """A misspelt format does not become the default."""
    with pytest.raises(ConfigurationError):
        chosen_dtype("float16", "")
