"""Which videos are for training, in the database, and queries: from a table, or by a seeded rule."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmark import seeds
from benchmark.errors import BadInput, nearest
from benchmark.extraction.collection import Video
from benchmark.extraction.labels import Labels
from benchmark.extraction.video_table import read_video_table
from benchmark.interfaces.dataset import SPLITS

Splits = dict[str, list[str]]
"""Split -> names of its videos, in their order."""

GROUP = re.compile(r"^(.+_g\d+)_")
"""Clips cut from one recording, as UCF101 names them: v_Archery_g01_c01 to v_Archery_g01_c07 are of one group."""


def read_splits(videos: Sequence[Video], table: Path, folder: Path) -> tuple[Splits, list[str]]:
    """Return the splits of a CSV with the columns ``video`` and ``split``, and sentences about rows without a video.

    A video may be in several splits, and one that the table does not name is in none. Where no video is for training,
    the database is; where none is in the database, the training videos are; without queries the database is its own
    query set. Raises BadInput for an unknown split, and where there is neither training nor database.
    """
    content = read_video_table(table, "split", videos, folder)
    of = content.values
    for name, values in of.items():
        for value in values:
            if value not in SPLITS:
                raise BadInput(
                    f"unknown split '{value}'; {nearest(value, SPLITS)}",
                    file=table,
                    key="split",
                    found=f"video '{name}'",
                )
    splits = {split: [video.name for video in videos if split in of.get(video.name, ())] for split in SPLITS}
    train, database = splits["train"] or splits["database"], splits["database"] or splits["train"]
    if not train:
        raise BadInput("has neither training nor database videos", file=table, key="split")
    return {"train": train, "database": database, "query": splits["query"] or database}, content.notes


def draw_splits(videos: Sequence[Video], labels: Labels, groups: Mapping[str, str], share: float, seed: int) -> Splits:
    """Return about ``share`` of every class as queries and the rest as training set and database.

    groups: video name -> group; a group is never divided. Groups are looked at in an order drawn from the seed and
    their names. One becomes queries where that brings the classes, taken together, nearer to their share, and leaves
    each of them with a video in the database; then every class without queries that has two groups or more gets the
    group that overshoots least. Videos without label are no queries, unless no video has one: then all are of one
    class.
    """
    members: dict[str, list[str]] = {}
    for video in videos:
        members.setdefault(groups.get(video.name, video.name), []).append(video.name)
    of = labels.of if labels.classes else {video.name: ("",) for video in videos}
    counts = {group: Counter(label for name in names for label in of.get(name, ())) for group, names in members.items()}
    totals: Counter[str] = sum(counts.values(), Counter())
    wanted = {label: max(1, round(share * n)) for label, n in totals.items()}
    taken: Counter[str] = Counter()
    order = sorted(members, key=lambda group: (seeds.derive(seed, "split", group), group))
    order = [group for group in order if all(of.get(name) for name in members[group])]
    queries: set[str] = set()
    for group in order:
        gain = sum(
            _distance(wanted, taken, label, 0) - _distance(wanted, taken, label, n)
            for label, n in counts[group].items()
        )
        if gain > 0 and all(taken[label] + n < totals[label] for label, n in counts[group].items()):
            queries.add(group)
            taken.update(counts[group])
    for label in sorted(totals):
        fitting = [
            group
            for group in order
            if group not in queries and counts[group][label]
            and all(taken[other] + n < totals[other] for other, n in counts[group].items())
        ]  # fmt: skip
        if not taken[label] and fitting:
            best = min(fitting, key=lambda group: counts[group].total())
            queries.add(best)
            taken.update(counts[best])
    query_names = {name for group in queries for name in members[group]}
    rest = [video.name for video in videos if video.name not in query_names]
    if not query_names or not rest:
        raise BadInput(
            "too few videos to choose queries from: no class has videos of two groups",
            next_step="give --splits, a CSV with the columns video,split",
        )
    return {"train": rest, "database": rest, "query": [video.name for video in videos if video.name in query_names]}


def _distance(wanted: Mapping[str, int], taken: Mapping[str, int], label: str, more: int) -> int:
    return abs(wanted[label] - taken.get(label, 0) - more)


def read_groups(videos: Sequence[Video], table: Path | None, folder: Path) -> tuple[dict[str, str], list[str]]:
    """Return video name -> group, and sentences about rows of the table that name no video of ``folder``.

    table: CSV with the columns ``video`` and ``group``. Without one, file names that contain ``_g`` and a number
    followed by ``_`` are of one group up to there; all other videos are groups of their own. Raises BadInput.
    """
    if table is None:
        matches = {video.name: GROUP.match(video.name) for video in videos}
        return {name: match.group(1) for name, match in matches.items() if match}, []
    content = read_video_table(table, "group", videos, folder)
    for name, values in content.values.items():
        if len(values) > 1:
            raise BadInput("gives a video two groups", file=table, key="group", found=f"'{name}': {', '.join(values)}")
    return {name: f"group {values[0]}" for name, values in content.values.items() if values}, content.notes
