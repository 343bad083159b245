"""Is a text split alike on the short way, for plain ASCII, and on the long one? Tests of `serving.words.tokens`."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from serving.words.tokens import _read_any, read

PLAIN = st.text(st.characters(max_codepoint=127), max_size=60)
CROWDED = st.text("ab1S '`&+:,/().!?;\n_-", max_size=40)


@given(st.one_of(PLAIN, CROWDED))
@example("Nike's 'new' rock'n'roll & Levis' 1:1, ok?! ''' a")
def test_plain_text_is_split_as_any_text(text: str) -> None:
    """Tokens, their places, owners and gaps are the same."""
    assert read(text) == _read_any(text)
