"""Which of a container's video streams is the video."""

from __future__ import annotations

from collections.abc import Sequence

from av.stream import Disposition
from av.video.stream import VideoStream

STREAM_RULE = "the default one is taken, else the largest, of equally large ones the first"
"""The choice in words, as it goes into the attributes; a change of the rule is a change of the text."""

_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
"""Covers and previews that a container keeps as video streams."""


def moving(streams: Sequence[VideoStream]) -> list[VideoStream]:
    """Return the streams that are videos, and not the cover or the previews of one."""
    return [stream for stream in streams if not stream.disposition & _PICTURES]


def chosen(streams: Sequence[VideoStream]) -> VideoStream:
    """Return the stream that is taken by ``STREAM_RULE``.

    FFmpeg's own choice weighs bit rates and numbers of frames as well, which no one can foresee from outside.
    """
    return max(streams, key=lambda stream: (bool(stream.disposition & Disposition.default), _pixels(stream)))


def described(streams: Sequence[VideoStream], taken: VideoStream) -> str:
    """Return which of several streams is taken, such as ``2 of 3, 640 x 480``; empty where there is only one."""
    if len(streams) == 1:
        return ""
    place = 1 + [stream.index for stream in streams].index(taken.index)
    context = taken.codec_context
    size = "" if context is None else f", {context.width} x {context.height}"
    return f"{place} of {len(streams)}{size}"


def _pixels(stream: VideoStream) -> int:
    context = stream.codec_context
    return 0 if context is None else context.width * context.height
