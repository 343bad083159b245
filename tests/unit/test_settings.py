"""Settings come from the command line, the environment, a file and the defaults, in this order; the rest is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from serving.errors import SettingsError
from serving.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the machine's own settings out."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"TOUCHSTONE_{name.upper()}", raising=False)


def _file(folder: Path, text: str) -> Path:
    path = folder / "touchstone.yaml"
    path.write_text(text)
    return path


def test_defaults_need_nothing() -> None:
    """Without any setting an installation works in a folder of its own, below the present one."""
    settings = load_settings()

    assert settings.data_dir == Path("touchstone-data")
    assert settings.store_path == Path("touchstone-data/touchstone.db")
    assert settings.index_dir == Path("touchstone-data/index")
    assert settings.embedder == "torch"


def test_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every setting goes by TOUCHSTONE_ and its name in capitals; other programs' variables are none of ours."""
    monkeypatch.setenv("TOUCHSTONE_THREADS", "3")
    monkeypatch.setenv("TOUCHSTONE_DATA_DIR", "/srv/touchstone")
    monkeypatch.setenv("TOUCHSTONE_DOWNLOADS", "true")
    monkeypatch.setenv("TOUCHSTONE_EVAL_DATA", "/srv/data")
    monkeypatch.setenv("THREADS", "9")

    settings = load_settings()

    assert (settings.threads, settings.data_dir, settings.downloads) == (3, Path("/srv/touchstone"), True)


def test_command_line_goes_before_environment_before_file_before_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each source is overruled by the one nearer to the person who types."""
    config = _file(tmp_path, "threads: 1\nworkers: 1\nmax_matches: 1\n")
    monkeypatch.setenv("TOUCHSTONE_THREADS", "2")
    monkeypatch.setenv("TOUCHSTONE_WORKERS", "2")

    settings = load_settings(config, threads=3)

    assert (settings.threads, settings.workers, settings.max_matches) == (3, 2, 1)
    assert settings.max_waiting == Settings.model_fields["max_waiting"].default


def test_option_that_was_not_given_overrules_nothing(tmp_path: Path) -> None:
    """A command-line option left out is None, which is no value."""
    config = _file(tmp_path, "threads: 1\n")

    assert load_settings(config, threads=None, data_dir=None).threads == 1


def test_paths_in_a_file_are_relative_to_the_file(tmp_path: Path) -> None:
    """A folder of settings can be moved as a whole; absolute paths stay."""
    config = _file(tmp_path, "policy: rules/mine.yaml\ndata_dir: data\ntaxonomy: /etc/taxonomy.yaml\n")

    settings = load_settings(config)

    assert settings.policy == tmp_path / "rules" / "mine.yaml"
    assert settings.data_dir == tmp_path / "data"
    assert settings.taxonomy == Path("/etc/taxonomy.yaml")
    assert settings.exchange_rates is None


@pytest.mark.parametrize(("said", "place"), [("files", "{folder}/files"), ("s3://bucket/x", "s3://bucket/x")])
def test_blobs_lie_beside_the_file_or_at_a_url(tmp_path: Path, said: str, place: str) -> None:
    """A folder of blobs is a path like others; a URL stays what it is; without either they are in the data folder."""
    config = _file(tmp_path, f"blobs: {said}\n")

    assert load_settings(config).blob_place == place.format(folder=tmp_path)
    assert load_settings().blob_place == "touchstone-data/blobs"


@pytest.mark.parametrize("text", ["", "# nothing set\n", "policy:\n", "policy: null\n"])
def test_file_may_set_nothing(tmp_path: Path, text: str) -> None:
    """An empty file, or a path that is left empty, leaves the defaults."""
    assert load_settings(_file(tmp_path, text)) == Settings()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("treads: 3\n", ["treads", "Extra inputs", "Settings are: data_dir, model"]),
        ("threads: many\n", ["threads: 'many'", "integer"]),
        ("threads: -1\n", ["threads: -1", "greater than or equal to 0"]),
        ("max_matches: 101\n", ["max_matches: 101", "less than or equal to 100"]),
        ("refresh_s: 0\n", ["refresh_s: 0", "greater than 0"]),
        ("embedder: onnx\n", ["embedder: 'onnx'", "'torch', 'triton' or 'fake'"]),
        ("index_backend: milvus\n", ["index_backend: 'milvus'", "'faiss' or 'exact'"]),
        ("base_currency: EURO\n", ["base_currency: 'EURO'", "ISO 4217"]),
        ("base_currency: XXX\n", ["base_currency: 'XXX'", "ISO 4217"]),
        ("policy: [a, b]\n", ["policy: is a list of 2; give one path", "scan_roots"]),
        ("store: ['postgresql://u:hunter2@h/n']\n", ["store: is a list of 1; give one path"]),
        ("scan_roots: {a: b}\n", ["scan_roots: {'a': 'b'}", "tuple"]),
        ("data_dir:\n", ["data_dir: None", "path"]),
        ("threads: -1\nworkers: 0\n", ["threads: -1", "workers: 0"]),
        ("1: 2\n", ["1: 2", "Extra inputs"]),
        ("- threads\n", ["mapping of settings, not list"]),
        ("threads: [\n", ["cannot read", "touchstone.yaml"]),
    ],
)
def test_setting_that_cannot_be_is_refused(tmp_path: Path, text: str, says: list[str]) -> None:
    """The error names every setting at fault with its value and what is allowed."""
    with pytest.raises(SettingsError) as caught:
        load_settings(_file(tmp_path, text))

    assert all(part in str(caught.value) for part in says), str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("said", ["[photos, /srv/listings, 's3://bucket/x']", "photos, /srv/listings, s3://bucket/x"])
def test_roots_of_scans_lie_beside_the_file(tmp_path: Path, said: str) -> None:
    """As a list and as text with commas, each path is relative to the file; URLs stay."""
    config = _file(tmp_path, f"scan_roots: {said}\n")

    assert load_settings(config).scan_roots == (f"{tmp_path}/photos", "/srv/listings", "s3://bucket/x")


def test_bad_environment_and_bad_option_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes from the environment or the command line keeps the same rules."""
    with pytest.raises(SettingsError, match="colour"):
        load_settings(colour="blue")
    monkeypatch.setenv("TOUCHSTONE_WORKERS", "none")
    with pytest.raises(SettingsError, match="workers: 'none'"):
        load_settings()


def test_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A missing file, a folder and a file of another encoding are named."""
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("policy: größe.yaml".encode("latin-1"))

    for config in (tmp_path / "none.yaml", tmp_path, latin):
        with pytest.raises(SettingsError, match=str(config)):
            load_settings(config)


def test_settings_cannot_be_changed_under_way() -> None:
    """What was read once stays."""
    settings = load_settings()

    with pytest.raises(ValidationError):
        settings.threads = 5
