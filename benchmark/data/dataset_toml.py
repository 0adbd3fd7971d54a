"""``dataset.toml``, read and written: how a folder of features and labels is declared.

A whole example, in which the database lies in two files with one label file for both::

    name = "my-archive"                     # optional: the folder's name otherwise
    classes = ["cats", "dogs"]              # optional
    source = "where the videos are from"    # optional, and so is a title
    [train]
    features = "train.h5"
    key = "feats"                           # the default
    [database]
    features = ["db_1.h5", "db_2.h5"]
    labels = "db_labels.mat"
    labels_key = "labels"                   # the default
    [query]
    features = "query.h5"
    labels = "query.npy"
    previews = "thumbs/{row}.gif"           # optional, for the page's gallery: else previews/query where it exists
    [protocol]                              # optional
    ties = "expected"

In place of a table, ``database = "train"`` and ``query = "database"`` (self-retrieval) share another split's files.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchmark.errors import BadInput, nearest
from benchmark.evaluation.protocol import Denominator, SelfMatch, Ties, Zeros
from benchmark.files.atomic import write_text
from benchmark.files.pictures import check_place
from benchmark.files.toml import read_toml
from benchmark.paths import path_of

FILE = "dataset.toml"
"""The file's name in the folder of the dataset."""

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""What the name of a dataset looks like."""


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class SplitTable(_Closed):
    """``[train]``, ``[database]`` or ``[query]``: file names relative to the folder, or absolute.

    Several feature files are one split, in their order; labels come in one file for all, or in one for each.
    ``previews`` is a folder of thumbnails ``<row>.gif|webp|png|jpg|jpeg``, or a pattern of file names with ``{row}``;
    rows count from 0.
    """

    features: str | list[str]
    key: str = "feats"
    labels: str | list[str] = Field(default_factory=list)
    labels_key: str = "labels"
    previews: str = ""

    def feature_files(self) -> tuple[str, ...]:
        """Return the feature files in order."""
        return (self.features,) if isinstance(self.features, str) else tuple(self.features)

    def label_files(self) -> tuple[str, ...]:
        """Return the label files in order."""
        return (self.labels,) if isinstance(self.labels, str) else tuple(self.labels)


class OfficialTable(_Closed):
    """``[official]``: videos per split as published; with fewer, records call the dataset a subset."""

    train: int | None = None
    database: int | None = None
    query: int | None = None


class ProtocolTable(_Closed):
    """``[protocol]``: options that this dataset sets in every preset."""

    self_retrieval: bool = False
    denominator: Denominator | None = None
    self_match: SelfMatch | None = None
    ties: Ties | None = None
    zeros: Zeros | None = None

    def overrides(self) -> dict[str, str]:
        """Return the options of the evaluation protocol that are set."""
        return self.model_dump(exclude_none=True, exclude={"self_retrieval"})


class Declaration(_Closed):
    """The whole file. ``database = "train"`` and ``query = "database"`` share another split's files."""

    name: str | None = Field(default=None, pattern=NAME)
    title: str | None = None
    source: str | None = None
    classes: list[str] = Field(default_factory=list)
    train: SplitTable
    database: SplitTable | Literal["train"]
    query: SplitTable | Literal["database"]
    official: OfficialTable = OfficialTable()
    protocol: ProtocolTable = ProtocolTable()

    @property
    def database_table(self) -> SplitTable:
        """Return the database's files."""
        return self.train if isinstance(self.database, str) else self.database

    @property
    def query_table(self) -> SplitTable | None:
        """Return the queries' files, or None where the database is its own query set."""
        table = None if isinstance(self.query, str) else self.query
        return None if self.protocol.self_retrieval and table == self.database_table else table


def read_declaration(folder: Path) -> Declaration:
    """Read ``dataset.toml`` of a folder; raises BadInput that names the file and the key."""
    path = folder / FILE
    if not os.path.lexists(path):
        raise BadInput(f"no {FILE} in the folder", file=folder, next_step="write one; the README shows how")
    try:
        declaration = Declaration.model_validate(read_toml(path))
    except ValidationError as error:
        raise _sentence(path, error) from error
    _check(path, declaration)
    return declaration


def declared_name(name: str) -> str | None:
    """Return ``name`` if a declaration may state it, else None: the dataset is then called as its folder."""
    return name if re.fullmatch(NAME, name) else None


def write_declaration(folder: Path, declaration: Declaration, made_by: str) -> None:
    """Write ``dataset.toml`` to a folder, atomically; ``made_by``: the words of the command, after the suite's name.

    Keys that have their default are left out. ``read_declaration`` gives back an equal declaration.
    """
    values = declaration.model_dump(exclude_defaults=True)
    tables = {name: table for name, table in values.items() if isinstance(table, dict)}
    lines = [f"# made by: python -m benchmark {made_by}"]
    lines += _assignments({key: value for key, value in values.items() if key not in tables})
    for name, table in tables.items():
        lines += ["", f"[{name}]", *_assignments(table)]
    write_text(folder / FILE, "\n".join(lines) + "\n")


def toml_value(value: object) -> str:
    """Return a string, a number, or a list of them as TOML, which for these is JSON but for one character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _assignments(table: Mapping[str, object]) -> list[str]:
    return [f"{key} = {toml_value(value)}" for key, value in table.items()]


def _check_names(path: Path, key: str, names: Iterable[str]) -> None:
    """Raise BadInput where a file's name is one that no file can have."""
    for name in names:
        try:
            path_of(path.parent / name)
        except BadInput as error:
            raise BadInput("names a file that cannot be", file=path, key=key, found=f"'{name}'") from error


def _check(path: Path, declaration: Declaration) -> None:
    tables = {
        "train": declaration.train,
        "database": declaration.database_table,
        "query": declaration.query_table,
    }
    for name, table in tables.items():
        if table is None:
            continue
        _check_names(path, f"{name}.features", table.feature_files())
        _check_names(path, f"{name}.labels", table.label_files())
        if not table.feature_files():
            raise BadInput("lists no feature file", file=path, key=f"{name}.features")
        if name != "train" and not table.label_files():
            owner = "train" if table is declaration.train else name
            raise BadInput(
                "is missing",
                file=path,
                key=f"{owner}.labels",
                next_step=f"name the file with the labels of the {name}",
            )
        if table.previews:
            check_place(path.parent, table.previews, path, f"{name}.previews")
        if len(table.label_files()) not in (0, 1, len(table.feature_files())):
            raise BadInput(
                "lists the wrong number of label files",
                file=path,
                key=f"{name}.labels",
                expected=f"1 or {len(table.feature_files())}",
                found=len(table.label_files()),
            )
    if declaration.protocol.self_retrieval and declaration.query_table is not None:
        raise BadInput(
            "self-retrieval needs the database as its own query set",
            file=path,
            key="protocol.self_retrieval",
            next_step='write query = "database" in place of the table [query]',
        )


_PRIORITY = {"extra_forbidden": 0, "model_type": 2}
"""The lowest of several errors is shown: which text a key may hold says more than that a text is no table."""


def _sentence(path: Path, error: ValidationError) -> BadInput:
    """Return one sentence for the most useful of pydantic's errors."""
    first = min(error.errors(), key=lambda item: _PRIORITY.get(item["type"], 1))
    place = [str(part) for part in first["loc"] if part not in ("SplitTable",) and not str(part).startswith("literal[")]
    key = ".".join(place)
    if first["type"] == "extra_forbidden":
        return BadInput(f"unknown key; {nearest(place[-1], _known(place[:-1]))}", file=path, key=key)
    if first["type"] == "missing":
        return BadInput("is missing", file=path, key=key, next_step="add it; the README shows an example")
    return BadInput(_plain(first), file=path, key=key, found=repr(first["input"]))


def _known(table: list[str]) -> list[str]:
    models: dict[str, type[BaseModel]] = {"protocol": ProtocolTable, "official": OfficialTable}
    model = models.get(table[0], SplitTable) if table else Declaration
    return list(model.model_fields)


def _plain(error: Any) -> str:
    message = str(error["msg"])
    return message[0].lower() + message[1:]
