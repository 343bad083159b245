"""Which metrics are there? One table: what each is called, by what it is told apart, and what it says.

`serving.telemetry.meter` keeps them, docs/operating.md lists them, and the dashboard and alert rules in deploy/ name no
others; tests hold all of them to this table. Labels have few values: rpcs, stages, codes and errors' classes are the
code's own; versions and brands are counted up to a limit, the rest together as "other".
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from index.shift import SCORE_EDGES


class Kind(enum.StrEnum):
    """How a metric behaves."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True)
class Metric:
    """One metric. `name` is the one that Prometheus sees, a counter's with its `_total`; `buckets` are upper bounds."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    meaning: str
    buckets: tuple[float, ...] = ()


class Fault(enum.StrEnum):
    """What failed inside without failing the whole. The reason is told beside it, in one word of the code's own."""

    STAGE = "stage"
    """A stage of a listing's way was skipped; the reason is its name."""
    BATCH = "batch"
    """A batch of a lane failed, for all who waited; the reason is the error's class."""
    CANARY = "canary"
    """The canary did not pass; the reason is the error's class."""
    SAMPLING = "sampling"
    """A figure could not be read; the reason is the metric."""


# An rpc: from one that reads a row to a listing of 64 photos; `max_deadline_s` is 60 by default.
_RPC_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
# A stage: words and price take parts of a millisecond, a photo that is read takes seconds.
_STAGE_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# A transaction: SQLite reads in 0.1 ms; the busy handler waits for tens of seconds.
_STORE_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0)
_CROPS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)

RPC_SECONDS = Metric(
    "touchstone_rpc_seconds",
    Kind.HISTOGRAM,
    ("rpc", "code"),
    "how long an rpc took, by its gRPC code; of a stream, how long it stood",
    _RPC_S,
)
PAGE_SECONDS = Metric(
    "touchstone_page_seconds", Kind.HISTOGRAM, ("page", "status"), "how long a page of the console took", _RPC_S
)
RPCS_IN_FLIGHT = Metric("touchstone_rpcs_in_flight", Kind.GAUGE, ("rpc",), "rpcs under way")
REFUSALS = Metric(
    "touchstone_refusals_total",
    Kind.COUNTER,
    ("rpc", "reason"),
    "rpcs, and items of streams, that ended with an error, by its class",
)
WORK = Metric(
    "touchstone_work_in_flight", Kind.GAUGE, ("pool",), "blocking calls on a pool of threads, running or waiting"
)
WORK_LIMIT = Metric("touchstone_work_limit", Kind.GAUGE, ("pool",), "so many are taken in; more are RESOURCE_EXHAUSTED")
STAGE_SECONDS = Metric(
    "touchstone_stage_seconds",
    Kind.HISTOGRAM,
    ("stage",),
    "how long a stage of a listing's way took, or of a search by image",
    _STAGE_S,
)
DECISION_SECONDS = Metric(
    "touchstone_decision_seconds", Kind.HISTOGRAM, (), "how long a decision took, from words to verdict", _RPC_S
)
DECISIONS = Metric(
    "touchstone_decisions_total",
    Kind.COUNTER,
    ("verdict", "policy_version"),
    "decisions by the verdict that was answered and by policy (the first 20)",
)
BRAND_DECISIONS = Metric(
    "touchstone_brand_decisions_total",
    Kind.COUNTER,
    ("brand", "verdict"),
    'decisions by the brand at stake: the first 100 since the start, "other", "unknown" and "none"',
)
PROBABILITY = Metric(
    "touchstone_counterfeit_probability",
    Kind.HISTOGRAM,
    (),
    "probability of a counterfeit, in the bins of docs/insight.md",
    SCORE_EDGES[1:],
)
DRIFT = Metric(
    "touchstone_drift_psi",
    Kind.GAUGE,
    ("of",),
    "population stability index of `scores` and `prices`: 7 days against the 28 before",
)
DRIFT_BY_CHANCE = Metric(
    "touchstone_drift_psi_by_chance", Kind.GAUGE, ("of",), "what chance alone exceeds once in twenty"
)
PHOTOS = Metric(
    "touchstone_photos_total", Kind.COUNTER, ("status",), "photos of screened listings: `ok`, or why not decoded"
)
FAULTS = Metric(
    "touchstone_faults_total", Kind.COUNTER, ("kind", "reason"), "what failed inside without failing the whole"
)
BATCH_CROPS = Metric("touchstone_batch_crops", Kind.HISTOGRAM, ("lane",), "crops in a batch", _CROPS)
BATCH_SECONDS = Metric("touchstone_batch_seconds", Kind.HISTOGRAM, ("lane",), "how long a batch took", _STAGE_S)
LANE_WAIT = Metric(
    "touchstone_lane_wait_seconds", Kind.HISTOGRAM, ("lane",), "how long a request waited for its batch", _STAGE_S
)
LANE_DEPTH = Metric("touchstone_lane_depth", Kind.GAUGE, ("lane",), "requests that wait for a batch")
LANE_LIMIT = Metric("touchstone_lane_limit", Kind.GAUGE, ("lane",), "so many may wait; more are RESOURCE_EXHAUSTED")
STORE_SECONDS = Metric(
    "touchstone_store_seconds", Kind.HISTOGRAM, ("kind",), "how long a transaction took, `read` or `write`", _STORE_S
)
STORE_ERRORS = Metric(
    "touchstone_store_errors_total",
    Kind.COUNTER,
    ("kind", "error"),
    "transactions that failed; after a `LostRace` the change is made again, up to three times",
)
STORE_UP = Metric("touchstone_store_up", Kind.GAUGE, (), "1 while the store could be asked when it was asked last")
SPOOL_WAITING = Metric("touchstone_spool_waiting", Kind.GAUGE, (), "decisions kept on disk until the store takes them")
SPOOL_AGE = Metric(
    "touchstone_spool_age_seconds", Kind.GAUGE, (), "how long the oldest of them has waited; 0: none waits"
)
SPOOL_SET_ASIDE = Metric(
    "touchstone_spool_set_aside", Kind.GAUGE, (), "decisions in spool/refused, which could not be recorded"
)
CASES = Metric("touchstone_cases_waiting", Kind.GAUGE, ("state",), "cases that wait for people")
CASES_AGE = Metric("touchstone_cases_age_seconds", Kind.GAUGE, ("quantile",), "how long they have waited")
CASES_OVERDUE = Metric("touchstone_cases_overdue", Kind.GAUGE, (), "cases whose time is over")
INDEX_BEHIND = Metric("touchstone_index_versions_behind", Kind.GAUGE, (), "changes of the registry not yet matched")
LISTINGS_BEHIND = Metric("touchstone_listings_events_behind", Kind.GAUGE, (), "events not yet in the listings' index")
REFRESH_AGE = Metric(
    "touchstone_refresh_age_seconds", Kind.GAUGE, ("part",), "since a part was last brought up to the store"
)
REFERENCES = Metric("touchstone_references", Kind.GAUGE, (), "references that are matched")
CACHE = Metric("touchstone_cache_entries", Kind.GAUGE, ("cache",), "what a cache holds")
DISK_FREE = Metric("touchstone_disk_free_bytes", Kind.GAUGE, (), "free where the data folder lies")
DISK_SIZE = Metric("touchstone_disk_size_bytes", Kind.GAUGE, (), "size of where the data folder lies")
READY = Metric("touchstone_ready", Kind.GAUGE, (), "1 while the canary passes and the server does not drain")
BUILD_INFO = Metric(
    "touchstone_build_info",
    Kind.GAUGE,
    ("version", "model", "index", "policy", "fusion", "calibration"),
    "1; what is in use",
)

METRICS: tuple[Metric, ...] = tuple(one for one in dict(globals()).values() if isinstance(one, Metric))
