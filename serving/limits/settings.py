"""Which limits can an operator set? Part of `serving.settings`; docs/limits.md says what each is for."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings


class LimitSettings(BaseSettings):
    """Limits on callers and connections, of one replica."""

    screens_per_minute: Annotated[
        int, Field(ge=0, description="listings and photos that one caller may have screened or searched; 0: no limit")
    ] = 0
    uploads_per_minute: Annotated[
        int, Field(ge=0, description="references that one caller may upload or retire in a minute; 0: no limit")
    ] = 3_000
    changes_per_minute: Annotated[
        int, Field(ge=0, description="other calls by which one caller changes something; 0: no limit")
    ] = 3_000
    reads_per_minute: Annotated[int, Field(ge=0, description="calls by which one caller reads; 0: no limit")] = 12_000
    images_per_day: Annotated[
        int, Field(ge=0, description="photos that one caller may have screened a day, UTC; 0: no quota")
    ] = 0
    uploads_per_day: Annotated[
        int, Field(ge=0, description="references that one caller may upload a day; 0: no quota")
    ] = 0
    scans_per_day: Annotated[int, Field(ge=0, description="scans that one caller may start a day; 0: no quota")] = 0
    max_calls: Annotated[
        int, Field(ge=1, description="calls and streams that may be open before RESOURCE_EXHAUSTED")
    ] = 2_000
    max_calls_each: Annotated[int, Field(ge=1, description="the same of one caller who signed in")] = 500
    max_connection_streams: Annotated[
        int, Field(ge=1, description="calls that one connection may have open; clients let more wait")
    ] = 256
    message_within_s: Annotated[
        float, Field(gt=0, description="seconds in which a call's message must have arrived")
    ] = 60.0
    stream_idle_s: Annotated[
        float, Field(gt=0, description="seconds after which a stream of requests ends when nothing comes")
    ] = 600.0
    keepalive_s: Annotated[
        float, Field(ge=1, description="seconds of silence after which a client must prove that it is there")
    ] = 60.0
    connection_idle_s: Annotated[
        float, Field(ge=1, description="seconds after which a connection without calls is closed")
    ] = 900.0
    connection_age_s: Annotated[
        float, Field(ge=1, description="seconds after which a connection is closed; clients connect anew by themselves")
    ] = 3_600.0
    connection_grace_s: Annotated[
        float, Field(ge=1, description="seconds that its running calls and streams get then")
    ] = 300.0
