"""What may a connection hold, and for how long? The channel options by which gRPC itself bounds its peers."""

from __future__ import annotations

from serving.limits.settings import LimitSettings
from serving.wire.requests import MAX_MESSAGE_BYTES

# A peer that does not speak TLS and HTTP/2 by then is no client; gRPC would wait for two minutes.
_HANDSHAKE_MS = 10_000
_KEEPALIVE_ANSWER_MS = 20_000
# Clients may send pings of their own this often, also without calls; whoever sends more is told to go away.
_CLIENT_PINGS_MS = 10_000


def channel_options(settings: LimitSettings) -> list[tuple[str, int]]:
    """Give the options of a server's ports."""
    return [
        # A message may be one image limit larger than the fields we count: framing and text come on top.
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.so_reuseport", 0),  # a second server on the same port is a mistake, not a load balancer
        ("grpc.max_concurrent_streams", settings.max_connection_streams),
        ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MS),
        ("grpc.keepalive_time_ms", _ms(settings.keepalive_s)),
        ("grpc.keepalive_timeout_ms", _KEEPALIVE_ANSWER_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", _CLIENT_PINGS_MS),
        ("grpc.max_connection_idle_ms", _ms(settings.connection_idle_s)),
        ("grpc.max_connection_age_ms", _ms(settings.connection_age_s)),
        ("grpc.max_connection_age_grace_ms", _ms(settings.connection_grace_s)),
    ]


def _ms(seconds: float) -> int:
    return round(seconds * 1_000)
