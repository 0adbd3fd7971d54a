"""Reading a video file with PyAV: every frame is decoded in order, and only those that are wanted become RGB.

The packets are listed first, without decoding, which nearly always says which frames will be wanted. What counts is
what was decoded: where that differs from the packets (no times in them, a part that is damaged), the frames are
chosen from the decoded ones and the file is decoded once more.

A decoder works on one thread, and so does the conversion to RGB: with as many videos at a time as there are workers
that is the faster way to use the cores, and the place at which a damaged file fails does not depend on timing.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import av
import av.logging
import numpy as np
from av.container import InputContainer
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from benchmark.extraction import streams
from benchmark.extraction.timeline import Timeline, timeline

ENDS_EARLY = 0.95
"""A Matroska file whose packets end before this share of the duration in its header is cut short (our choice)."""


class UnreadableVideo(Exception):
    """A file that gives no clip, with the reason."""


@dataclass(frozen=True)
class Clip:
    """Sampled frames of a video, upright.

    frames: uint8 (T, height, width, 3), RGB. decoded: frames that the video has, as far as it decodes. seconds: their
    duration. damage: why that is not all of the file, empty for a whole one. stream: which of several video streams it
    is, as ``streams.described``. is_interlaced: whether the file stores frames as two fields of different moments.
    """

    frames: np.ndarray
    decoded: int
    seconds: float
    damage: str
    stream: str
    is_interlaced: bool


@dataclass
class _Listing:
    """What a file says of its frames without being decoded; ``promised`` is the header's count, 0 if there is none."""

    timeline: Timeline | None
    packets: int
    promised: int
    damage: str
    stream: str


@dataclass
class _Pass:
    """The outcome of one decoding pass: the frames' times, the wanted frames by position, and what stopped it early."""

    timeline: Timeline | None
    frames: dict[int, np.ndarray]
    damage: str
    is_interlaced: bool


def read_clip(path: Path, count: int, allow_partial: bool = False) -> Clip:
    """Return ``count`` frames of a video by ``timeline.RULE``; raises UnreadableVideo with the reason.

    A file that cannot be decoded to its end, has damaged frames, or fewer frames than its header says is unreadable,
    unless ``allow_partial``: then the frames before the first damage are the video. Frames are turned and mirrored as
    the file's display matrix says; pixels that are not square stay as stored, and so do interlaced frames: both fields
    of a frame stay together, and nothing is deinterlaced. A video that changes its size in the middle has the size of
    its first sampled frame. Of several video streams one is taken, by ``streams.STREAM_RULE``. Safe to call from
    several threads.
    """
    if path.is_dir():
        raise UnreadableVideo("is a folder, not a file")
    try:
        if not path.stat().st_size:
            raise UnreadableVideo("is empty (0 bytes)")
        listing = _list(path)
        guess = () if listing.timeline is None else listing.timeline.sample(count)
        decoded = _decode(path, set(map(int, guess)))
        damage = "; ".join(filter(None, (listing.damage, decoded.damage)))
        if decoded.timeline is None:
            raise UnreadableVideo(f"no frame can be decoded{f': {damage}' if damage else ''}")
        if damage and not allow_partial:
            raise UnreadableVideo(damage)
        chosen = decoded.timeline.sample(count)
        wanted = set(map(int, chosen))
        if not wanted <= decoded.frames.keys():
            decoded = _decode(path, wanted, len(decoded.timeline))
    except OSError as error:
        raise UnreadableVideo(_reason(error)) from error
    assert decoded.timeline is not None
    frames = np.stack([decoded.frames[int(place)] for place in chosen])
    return Clip(frames, len(decoded.timeline), decoded.timeline.seconds, damage, listing.stream, decoded.is_interlaced)


@functools.cache
def library_versions() -> str:
    """Return the decoder's name and versions, and silence what FFmpeg prints about damaged files."""
    av.logging.set_level(None)
    numbers = av.library_versions["libavcodec"]
    return f"PyAV {av.__version__}, libavcodec {'.'.join(map(str, numbers))}"


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    library_versions()

    try:
        container = av.open(str(path), metadata_errors="replace")
    except (av.FFmpegError, ValueError) as error:
        raise UnreadableVideo(f"is no video that FFmpeg reads ({_reason(error)})") from error
    with container:
        candidates = streams.moving(container.streams.video)
        if not candidates:
            raise UnreadableVideo("has no video stream" + (", only sound" if container.streams.audio else ""))
        stream = streams.chosen(candidates)
        if stream.codec_context is None:
            raise UnreadableVideo(f"has a video stream of a codec that this FFmpeg does not decode ({stream.type})")
        stream.codec_context.thread_count = 1
        yield container, stream


def _list(path: Path) -> _Listing:
    times: list[int | None] = []
    durations: list[int | None] = []
    packets, ends, damage = 0, 0.0, ""
    with _opened(path) as (container, stream):
        try:
            for packet in container.demux():
                if packet.pts is not None and packet.time_base is not None:
                    ends = max(ends, float((packet.pts + (packet.duration or 0)) * packet.time_base))
                if packet.stream_index != stream.index or not packet.size:
                    continue
                packets += 1
                if not packet.is_discard:
                    times.append(packet.pts)
                    durations.append(packet.duration)
        except (av.FFmpegError, ValueError) as error:
            damage = f"reading fails after {packets} frames ({_reason(error)})"
        promised = stream.frames
        if not damage and packets < promised - 1:
            damage = f"is cut short: its header says {promised} frames, it holds {packets}"
        stated = (container.duration or 0) / 1e6
        if not damage and "matroska" in container.format.name and ends < ENDS_EARLY * stated:
            damage = f"is cut short: its header says {stated:.1f} s, it holds {ends:.1f} s"
        which = streams.described(streams.moving(container.streams.video), stream)
        return _Listing(_timeline(times, durations, stream), packets, promised, damage, which)


def _decode(path: Path, wanted: set[int], limit: int | None = None) -> _Pass:
    """Decode up to the first damage, or ``limit`` frames, and keep the frames at the ``wanted`` positions."""
    times: list[int | None] = []
    durations: list[int | None] = []
    frames: dict[int, np.ndarray] = {}
    size: tuple[int, int] | None = None
    convert = VideoReformatter().reformat
    damage, is_interlaced = "", False
    with _opened(path) as (container, stream):
        try:
            for frame in container.decode(stream):
                if frame.is_corrupt:
                    damage = f"frame {len(times) + 1} is damaged"
                if damage or len(times) == limit:
                    break
                if len(times) in wanted:
                    size = size or (frame.width, frame.height)
                    # one thread: FFmpeg's own would wait for a core that the backbone works on
                    frames[len(times)] = _upright(frame, convert(frame, *size, "rgb24", threads=1).to_ndarray())
                is_interlaced = is_interlaced or bool(frame.interlaced_frame)
                times.append(frame.pts)
                durations.append(frame.duration)
        except (av.FFmpegError, ValueError) as error:
            damage = f"decoding fails after {len(times)} frames ({_reason(error)})"
        return _Pass(_timeline(times, durations, stream), frames, damage, is_interlaced)


def _timeline(times: list[int | None], durations: list[int | None], stream: VideoStream) -> Timeline | None:
    if not times:
        return None
    rate = stream.average_rate or stream.guessed_rate
    return timeline(times, durations, float(stream.time_base or 0), float(rate or 0))


def _upright(frame: av.VideoFrame, pixels: np.ndarray) -> np.ndarray:
    """Return the pixels of a frame, uint8 (height, width, 3), turned as its display matrix says.

    The matrix takes a pixel (x, y) to (a x + c y, b x + d y); only quarter turns and mirrors are followed.
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return pixels
    (a, b), (c, d) = np.frombuffer(cast("bytes", matrix), np.int32).reshape(3, 3)[:2, :2].tolist()
    if abs(b) + abs(c) > abs(a) + abs(d):
        pixels, a, d = pixels.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def _reason(error: Exception) -> str:
    """Return what went wrong, without the path that the caller names."""
    return str(getattr(error, "strerror", None) or error)
