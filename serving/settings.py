"""How is this installation set up? One frozen `Settings`, read once from a file, the environment and the command line.

Order of precedence: command line, `TOUCHSTONE_*` environment variables, the file given by `--config`, the defaults.
docs/settings.md lists every field; a test keeps it so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from index.money import is_currency
from serving.errors import SettingsError
from serving.limits.settings import LimitSettings

# Paths in the file are relative to the file, so that a folder of settings can be moved as a whole.
_PATHS = frozenset({"data_dir", "store", "blobs", "policy", "fusion", "taxonomy", "exchange_rates", "case_rules"})
_PATHS |= {"access", "evidence_font", "evidence_key", "tls_certificate", "tls_key", "tls_client_ca", "triton_ca"}
_PATH_LISTS = frozenset({"scan_roots"})


def _currency(code: str) -> str:
    if not is_currency(code):
        raise ValueError("must be an active ISO 4217 code such as USD, EUR or CNY")
    return code


def _parts(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class _General(BaseSettings):
    """What there is to set, but for the limits."""

    model_config = SettingsConfigDict(env_prefix="TOUCHSTONE_", frozen=True, extra="forbid")

    data_dir: Annotated[Path, Field(description="folder of the store and the index")] = Path("touchstone-data")
    model: Annotated[
        str, Field(description="`touchstone-s`, an open_clip name (`ViT-B-32@file-or-tag`) or `hf-hub:` name")
    ] = "touchstone-s"
    embedder: Annotated[
        Literal["torch", "triton", "fake"],
        Field(description="`torch`, `triton` for networks in a Triton server, `fake` for load tests without a model"),
    ] = "torch"
    triton_url: Annotated[str, Field(description="where `triton` answers by gRPC, `HOST:PORT`")] = "127.0.0.1:8001"
    triton_timeout_s: Annotated[
        float, Field(gt=0, le=60, description="time for a batch of pictures there and back, tries included")
    ] = 10.0
    triton_shared_memory: Annotated[
        bool, Field(description="send pictures through shared memory where `triton_url` is this machine")
    ] = True
    triton_ca: Annotated[
        Path | None, Field(description="PEM file with the authorities of `triton`'s certificate; unset: plaintext")
    ] = None
    downloads: Annotated[bool, Field(description="let open_clip fetch `model` from its hubs")] = False
    device: Annotated[str, Field(description="`auto`, `cpu`, `cuda` or `cuda:N`")] = "auto"
    threads: Annotated[int, Field(ge=0, description="CPU threads of the model; 0 lets it choose")] = 0
    forward: Annotated[
        Literal["auto", "eager", "channels_last", "bfloat16", "openvino", "cuda"],
        Field(description="how networks run; `auto`: the fastest way that was run on such a device, docs/speed.md"),
    ] = "auto"
    index_backend: Annotated[Literal["faiss", "exact"], Field(description="vector index")] = "faiss"
    points: Annotated[
        Literal["sift", "none"],
        Field(
            description="what photos are compared by, point by point; `none` for load tests: 0.03 s of CPU less a photo"
        ),
    ] = "sift"
    blobs: Annotated[
        str | None,
        Field(
            description="where references' files and photos lie: a folder or `s3://bucket/…`; unset: `data_dir`/blobs"
        ),
    ] = None
    photo_retention_days: Annotated[
        int,
        Field(ge=0, description="days that photos of cases and reports are kept, `appeal_days` at least; 0 keeps none"),
    ] = 190  # more than the 184 days in which a takedown can be appealed against (serving/case_rules.py)
    catalogue_backend: Annotated[
        Literal["faiss", "exact", "milvus"], Field(description="index of screened listings, for FindListings")
    ] = "faiss"
    catalogue_regions: Annotated[
        int, Field(ge=1, description="regions of listings that `faiss` and `exact` hold in memory at most")
    ] = 500_000
    milvus_uri: Annotated[str, Field(description="where `milvus` answers, such as `http://milvus:19530`")] = ""
    milvus_token: Annotated[
        str, Field(repr=False, description="what `milvus` admits by, `user:password`; set it in the environment")
    ] = ""
    policy: Annotated[
        Path | None, Field(description="policy file, until a stored one is active; unset: the one that ships")
    ] = None
    policy_two_people: Annotated[
        bool, Field(description="a stored policy is activated by somebody else than its author")
    ] = False
    fusion: Annotated[
        Path | None, Field(description="model written by `touchstone fusion fit`; unset: the prior that ships")
    ] = None
    taxonomy: Annotated[Path | None, Field(description="taxonomy file; unset: the one that ships")] = None
    exchange_rates: Annotated[Path | None, Field(description="dated rate table; unset: the one that ships")] = None
    case_rules: Annotated[Path | None, Field(description="rules about cases; unset: those that ship")] = None
    evidence_font: Annotated[
        Path | None,
        Field(description="TrueType font embedded in the PDF of evidence packages; unset: Latin letters only"),
    ] = None
    evidence_key: Annotated[
        Path | None,
        Field(
            description="PEM file with the Ed25519 key that signs evidence packages and the audit log; unset: unsigned"
        ),
    ] = None
    trust_caller: Annotated[
        Literal["loopback", "always", "never"],
        Field(description="from where `touchstone-actor`, `-roles`, `-brands` and `-client` are believed"),
    ] = "loopback"
    access: Annotated[
        Path | None, Field(description="file that says by which credentials callers are known; unset: by none")
    ] = None
    tls_certificate: Annotated[
        Path | None, Field(description="PEM file with the server's certificate chain; unset: plaintext")
    ] = None
    tls_key: Annotated[Path | None, Field(description="PEM file with the certificate's key, without a password")] = None
    tls_client_ca: Annotated[
        Path | None, Field(description="PEM file; every client must then show a certificate by these authorities")
    ] = None
    console_secret: Annotated[
        SecretStr | None,
        Field(description="what seals the console's sessions, of 32 characters or more; unset: made at each start"),
    ] = None
    console_proxy: Annotated[
        Literal["never", "loopback", "always"],
        Field(description="from where the console believes the headers of a proxy that signs people in"),
    ] = "never"
    allow_insecure_public: Annotated[
        bool, Field(description="listen beyond this machine also without TLS, or without `access`")
    ] = False
    base_currency: Annotated[
        str, AfterValidator(_currency), Field(description="currency in which prices are compared, ISO 4217")
    ] = "USD"
    mark_false_matches_per_million: Annotated[
        float, Field(ge=0, description="a mark expected to match more of a million strangers' photos is quarantined")
    ] = 30.0
    product_false_matches_per_million: Annotated[
        float, Field(ge=0, description="the same of a product, packaging or known fake")
    ] = 1000.0
    mark_collision_similarity: Annotated[
        float, Field(ge=0, le=1, description="a mark this similar to another brand's, by cosine, is quarantined")
    ] = 0.95
    product_collision_similarity: Annotated[
        float, Field(ge=0, le=1, description="the same of a product, packaging or known fake")
    ] = 0.95
    shape_similarity: Annotated[
        float,
        Field(ge=0, le=1, description="a mark this similar to a plain shape or letter, by cosine, is quarantined"),
    ] = 0.88
    max_matches: Annotated[int, Field(ge=1, le=100, description="brands listed as visual evidence")] = 5
    workers: Annotated[
        int, Field(ge=1, description="listings screened at the same time, and as many other requests answered")
    ] = 8
    max_waiting: Annotated[
        int, Field(ge=1, description="listings that may wait before RESOURCE_EXHAUSTED, and as many other requests")
    ] = 256
    decode_workers: Annotated[
        int | None,
        Field(
            ge=0,
            description="processes that `serve` decodes uploads in; 0: its own threads; unset: one for each processor",
        ),
    ] = None
    decode_memory_mib: Annotated[
        int, Field(ge=64, description="MiB of memory that decoding one image may take in such a process")
    ] = 2048  # the most of all formats and 100 megapixels, WebP's 16 bytes a pixel (vision/decode.py), and a fifth more
    decode_processor_s: Annotated[
        int, Field(ge=1, description="seconds of a processor that it may take, and four times as many on the clock")
    ] = 15
    ray_workers: Annotated[
        int,
        Field(ge=0, description="workers of a scan over Ray; 0: one for each GPU, without GPUs one for each processor"),
    ] = 0
    store: Annotated[
        SecretStr | None,
        Field(description="`postgresql+psycopg://USER:PASSWORD@HOST/NAME` or an SQLite file; unset: in `data_dir`"),
    ] = None
    scan_reuse_photos: Annotated[
        int, Field(ge=1, description="photos whose embeddings are kept for later scans, 5 kB each")
    ] = 500_000
    store_connections: Annotated[int, Field(ge=2, description="most connections of one process to PostgreSQL")] = 20
    refresh_s: Annotated[float, Field(gt=0, description="seconds between looks for registry changes")] = 1.0
    stuck_s: Annotated[
        float, Field(ge=0, description="seconds of hanging inference after which the process ends with 1; 0: never")
    ] = 300.0
    stale_index_s: Annotated[
        float, Field(gt=0, description="seconds without a refresh of the index after which listings go to REVIEW")
    ] = 300.0
    store_patience_s: Annotated[
        float, Field(gt=0, description="seconds that a listing waits for the store before it goes on without")
    ] = 5.0
    spool_mib: Annotated[
        int, Field(ge=0, description="MiB of decisions kept in `data_dir`/spool while the store is away; 0: none")
    ] = 256
    drain_s: Annotated[float, Field(ge=0, description="seconds that running requests get on shutdown")] = 20.0
    audit_share: Annotated[
        float, Field(ge=0, le=1, description="share of decisions that a person audits at random")
    ] = 0.01
    takedown_audit_share: Annotated[
        float, Field(ge=0, le=1, description="the same of takedowns on a certificate with fewer than 1,000 audits")
    ] = 0.1
    buyer_questions_per_minute: Annotated[
        int, Field(ge=1, description="questions that one address may ask BuyerService in a minute, of one replica")
    ] = 30
    buyer_questions_per_listing: Annotated[
        int, Field(ge=1, description="questions about one listing or seller that it answers in a minute")
    ] = 120
    buyer_reports_per_hour: Annotated[
        int, Field(ge=1, description="reports that it takes in from one address in an hour")
    ] = 10
    buyer_photo_mib_per_day: Annotated[
        int, Field(ge=0, description="MiB of photos that buyers' reports may bring in 24 hours, all together; 0: none")
    ] = 1024
    max_deadline_s: Annotated[float, Field(gt=0, description="longest time that one listing may take")] = 60.0
    log_format: Annotated[
        Literal["text", "json"], Field(description="log lines as `text` for people, or as `json`, one object a line")
    ] = "text"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Field(description="least level that is logged; from `info` on there is a line for each rpc; `-v` is `info`"),
    ] = "warning"
    metrics_public: Annotated[
        bool, Field(description="listen for scrapes of metrics beyond this machine, too: nobody signs in there")
    ] = False
    trace_endpoint: Annotated[
        str, Field(description="where traces are sent, OTLP over gRPC, such as `http://localhost:4317`; empty: nowhere")
    ] = ""
    trace_share: Annotated[
        float, Field(ge=0, le=1, description="share of requests that are traced where their caller does not say")
    ] = 0.01

    scan_roots: Annotated[
        tuple[str, ...],
        NoDecode,
        BeforeValidator(_parts),
        Field(description="folders and URLs that scans by the service may read, with all below; comma-separated"),
    ] = ()
    scan_ray_address: Annotated[
        str, Field(description="Ray that scans by the service run on: `HOST:PORT`, `auto` or `local`; empty: on none")
    ] = ""

    @property
    def store_path(self) -> Path:
        """The embedded store's database file."""
        return self.data_dir / "touchstone.db"

    @property
    def store_place(self) -> str | Path:
        """Where the store is: a path, or a URL that may hold a password and is not to be shown."""
        return self.store_path if self.store is None else self.store.get_secret_value()

    @property
    def blob_place(self) -> str:
        """Where files of references lie: a folder or a URL."""
        return self.blobs or str(self.data_dir / "blobs")

    @property
    def index_dir(self) -> Path:
        """Where index snapshots lie."""
        return self.data_dir / "index"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Leave out .env and secret files: what is not named on the command line or in the environment is not read."""
        return init_settings, env_settings


class Settings(LimitSettings, _General):
    """Everything an operator can set. Frozen; see each field's description."""


def load_settings(config: Path | None = None, **given: object) -> Settings:
    """Read the settings; `given` (None means not given) wins over the environment, the environment over the file.

    Raises:
        SettingsError: unknown name, wrong type or out of range; it says which and what is allowed.

    """
    explicit = {name: value for name, value in given.items() if value is not None}
    try:
        from_environment = Settings().model_fields_set
        from_file = {k: v for k, v in _read(config).items() if k not in from_environment}
        return Settings(**{**from_file, **explicit})
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, f['loc']))}: {f['input']!r:.80}: {f['msg']}" for f in error.errors())
        allowed = ", ".join(Settings.model_fields)
        raise SettingsError(f"{faults}. Settings are: {allowed}") from error


def _read(config: Path | None) -> dict[str, Any]:
    if config is None:
        return {}
    try:
        document = yaml.safe_load(config.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise SettingsError(f"cannot read {config}: {error}") from error
    if not isinstance(document, dict):
        raise SettingsError(f"{config} must be a mapping of settings, not {type(document).__name__}")
    return {str(key): _beside(config.parent, str(key), value) for key, value in document.items()}


def _beside(folder: Path, key: str, value: object) -> object:
    if key in _PATH_LISTS:
        parts = _parts(value)
        return [str(folder / each) if _is_path(each) else each for each in parts] if isinstance(parts, list) else parts
    if key in _PATHS and isinstance(value, list):  # whose parts are not shown: a store's may hold a password
        raise SettingsError(f"{key}: is a list of {len(value)}; give one path. Lists are: {', '.join(_PATH_LISTS)}")
    return str(folder / str(value)) if key in _PATHS and _is_path(value) else value


def _is_path(value: object) -> bool:
    return isinstance(value, str) and "://" not in value
