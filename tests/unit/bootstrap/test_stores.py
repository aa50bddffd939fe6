"""The stores that settings choose."""

from __future__ import annotations

import pytest

from domicile.bootstrap.stores import checked_noise
from domicile.domain.errors import ConfigurationError


@pytest.mark.parametrize("noise", [0.0, 0.5, 8.0])
def test_a_strength_of_noise_that_there_is_goes_through(noise: float) -> None:
    """None, and everything up to the strongest."""
    assert checked_noise(noise) == noise


@pytest.mark.parametrize("noise", [-1.0, 8.1, float("nan"), float("inf")])
def test_a_strength_that_there_is_not_is_refused_at_the_start(noise: float) -> None:
    """With the setting's name and its range, before anything is stored that could not be searched."""
    with pytest.raises(ConfigurationError, match="DOMICILE_VECTOR_NOISE is from 0 to 8"):
        checked_noise(noise)
