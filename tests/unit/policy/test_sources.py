"""Where each policy stands in its file."""

from __future__ import annotations

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.policy import shipped_bundle, shipped_sources

from domicile.domain.errors import PolicyInvalid
from domicile.policy.parsing import parse_policies, parse_schema
from domicile.policy.sources import PolicySource, find_sources

SCHEMA = parse_schema(shipped_sources()[0])
_COMMENTS = [' // a; "b\n', '// "\n', "//\r\n", '//";permit\n']
_BLANKS = st.lists(st.sampled_from([" ", "\n", "\r\n", "\t", *_COMMENTS]), max_size=4).map("".join)
#: What a policy can hold in a string: the end of a policy, quotes, comments, line breaks.
_STRINGS = st.text(st.sampled_from(';"\\/\n\r\t é§a'), max_size=6)


def quoted(text: str) -> str:
    """The text as a string of Cedar's."""
    return '"' + "".join({"\\": "\\\\", '"': '\\"', "\r": "\\r"}.get(each, each) for each in text) + '"'


@st.composite
def policies(draw: st.DrawFn) -> tuple[str, str, str]:
    """Blanks and comments, a policy's effect, and the rest of its text with an ``@id`` to be filled in."""
    blank, effect, said = draw(_BLANKS), draw(st.sampled_from(["permit", "forbid"])), draw(_STRINGS)
    condition = f"when {{ context.method == {quoted(draw(_STRINGS))} }}" if draw(st.booleans()) else ""
    rest = [f"@reason({quoted(said)})", effect, "(principal, action, resource)", condition, ";"]
    return blank, effect, '@id("%s")' + "".join(draw(_BLANKS) + part for part in rest)


@settings(max_examples=200, deadline=None)
@given(st.lists(policies(), min_size=1, max_size=6), _BLANKS, st.integers(1, 5))
def test_every_policy_is_found_where_it_was_written(written: list[tuple[str, str, str]], end: str, in_first: int) -> None:
    """Whatever its strings and the comments around it hold; two files are kept apart."""
    files, expected = {"a.cedar": "", "b.cedar": ""}, {}
    for number, (blank, effect, text) in enumerate(written):
        name = "a.cedar" if number < in_first else "b.cedar"
        before = files[name] + blank
        expected[f"p{number}"] = PolicySource(name, before.count("\n") + 1, text % f"p{number}", effect)
        files[name] = before + text % f"p{number}"
    files = {name: text + end for name, text in files.items()}
    assert find_sources(files, parse_policies(files, SCHEMA)) == expected


def test_each_shipped_policy_has_its_source() -> None:
    """The line is that of its first annotation, and the text alone parses into the same policy."""
    bundle, (_, files) = shipped_bundle(), shipped_sources()
    assert set(bundle.sources) == bundle.ids
    for id_, source in bundle.sources.items():
        assert files[source.file].splitlines()[source.line - 1] == f'@id("{id_}")'
        assert source.text in files[source.file]
        assert cedarpy.format_policies(source.text)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "text of policy 'p' cannot be found"),
        ({"a.cedar": '@id("p") forbid (principal, action, resource);'}, "'p' cannot be told from its neighbours in a.cedar"),
        ({"a.cedar": '@id("q") permit (principal, action, resource);'}, "'q' cannot be told from its neighbours in a.cedar"),
    ],
)
def test_a_text_that_is_not_the_policy_in_force_is_refused(files: dict[str, str], said: str) -> None:
    """No explanation ever shows a text that did not decide."""
    parsed = parse_policies({"a.cedar": '@id("p") permit (principal, action, resource);'}, SCHEMA)
    with pytest.raises(PolicyInvalid, match=said):
        find_sources(files, parsed)
