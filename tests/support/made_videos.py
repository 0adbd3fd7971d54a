"""Videos that tests write themselves."""

from fractions import Fraction

import av
import numpy as np

STEP = 7
"""Grey levels between two frames of ``numbered``."""


def write_video(path, frames, codec="mpeg4", pixels="yuv420p", times=None, rate=25, rotation=None):
    """Write uint8 (n, height, width, 3); times: in units of 1/1000 s, for a rate that varies."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pixels
        if codec == "libx265":
            stream.options = {"x265-params": "log-level=none"}
        if codec == "mpeg4":
            stream.bit_rate = 2_000_000
        if times is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for index, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            if times is not None:
                picture.pts, picture.time_base = times[index], Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def numbered(n, height=48, width=64):
    """Return grey frames whose level tells their number, uint8 (n, height, width, 3)."""
    levels = (16 + STEP * np.arange(n)).astype(np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (n, height, width, 3))


def numbers(frames):
    """Return the numbers of ``numbered`` frames after coding."""
    levels = frames.reshape(len(frames), -1).mean(axis=1)
    return np.rint((levels - 16) / STEP).astype(int).tolist()
