"""Cells of a dataset that has a name, a shape and a fingerprint, and no file."""

from types import SimpleNamespace

from benchmark.catalogue.choice import choose_method, read_settings
from benchmark.cells import plan
from benchmark.interfaces.videos import FrameShape
from benchmark.records.options import RunOptions


def dataset(name="d", fingerprint="f"):
    return SimpleNamespace(name=name, fingerprint=fingerprint, shape=FrameShape(25, 512), protocol={}, drawn=None)


def make_cells(method="conmh", settings=(), fingerprint="f", **options):
    opened = [("d", dataset(fingerprint=fingerprint))]
    return plan.cells([choose_method(method)], opened, [16], [0], read_settings(settings), RunOptions(**options))
