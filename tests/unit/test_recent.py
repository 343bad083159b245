"""What was used last is kept, and read once."""

from __future__ import annotations

from serving.recent import Recent


def test_values_are_read_once_and_those_used_last_are_kept() -> None:
    """Beyond the limit, what was not asked for longest goes; a key without a value is asked for again."""
    asked: list[list[str]] = []

    def read(keys: list[str]) -> dict[str, str]:
        asked.append(keys)
        return {key: key.upper() for key in keys if key != "none"}

    recent: Recent[str, str] = Recent(2)

    assert recent.get(["b", "a", "a"], read) == {"a": "A", "b": "B"}
    assert recent.get(["a"], read) == {"a": "A"}
    assert recent.get(["c", "none"], read) == {"c": "C"}
    assert recent.get(["a", "b", "none"], read) == {"a": "A", "b": "B"}
    assert asked == [["a", "b"], ["c", "none"], ["b", "none"]]


def test_what_is_dropped_is_read_again_and_makes_room() -> None:
    """A value that nobody needs any more weighs nothing; dropping what is not there changes nothing."""
    recent: Recent[str, str] = Recent(2)
    recent.get(["a", "b"], lambda keys: dict.fromkeys(keys, "first"))

    recent.drop("a")
    recent.drop("none")

    found = recent.get(["a", "b"], lambda keys: dict.fromkeys(keys, "again"))
    assert found == {"a": "again", "b": "first"}
    assert recent.get(["a", "b"], lambda keys: dict.fromkeys(keys, "more")) == found
