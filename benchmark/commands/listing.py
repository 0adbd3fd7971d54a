"""``list`` and ``status``: what there is, and what has been run."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmark.commands import shared


def add(verbs: Any) -> None:
    """Add both verbs."""
    parser = verbs.add_parser("list", help="show methods or datasets", description="Show what the checkout offers.")
    parser.add_argument("what", choices=("methods", "datasets"))
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--verbose", action="store_true", help="methods: their whole cards, with every setting")
    parser.add_argument("--markdown", action="store_true", help="methods: their cards as Markdown, without settings")
    shared.add_roots(parser)
    parser.set_defaults(call=call_list)
    parser = verbs.add_parser("status", help="show the state of every cell in a results folder")
    parser.add_argument("--json", action="store_true", help="print JSON")
    shared.add_results(parser)
    parser.set_defaults(call=call_status)


def call_list(args: argparse.Namespace) -> int:
    """Run ``list``."""
    rows = describe_methods(args.verbose or args.markdown) if args.what == "methods" else describe_datasets(args)
    if args.markdown and args.what == "methods":
        print("\n\n".join(markdown_card(row) for row in rows if not row["unavailable"]))
        return 0
    if args.json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return 0
    for row in rows:
        _print_method(row, args.verbose) if args.what == "methods" else _print_dataset(row)
    return 0


def describe_methods(counted: bool = False) -> list[dict[str, Any]]:
    """Return one plain dictionary per method; a method that cannot be loaded has its reason in ``unavailable``.

    counted: build each trained network and count its parameters and operations as well.
    """
    from benchmark import cost, registry
    from benchmark.errors import BadInput

    rows: list[dict[str, Any]] = []
    for name in registry.methods():
        try:
            cls = registry.load_method(name)
        except BadInput as error:
            rows.append({"name": name, "unavailable": str(error)})
            continue
        defaults = cls.Config().model_dump(mode="json")
        settings = [
            {"key": key, "default": defaults[key], "description": info.description}
            for key, info in cls.Config.model_fields.items()
        ]
        rows.append(
            {
                "name": name,
                "title": cls.title,
                "paper": cls.paper,
                "source": cls.source,
                "differences": list(cls.differences),
                "choices": list(cls.choices),
                "cost": cls.cost,
                "bf16": cls.bf16,
                "variants": {key: dict(value) for key, value in cls.variants.items()},
                "presets": {key: dict(value) for key, value in cls.presets.items()},
                "settings": settings,
                "unavailable": None,
                **(cost.network_cost(cls) or {} if counted else {}),
            }
        )
    return rows


def describe_datasets(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Return one plain dictionary per dataset, with its presence under the data root."""
    from benchmark import registry

    roots = shared.roots(args)
    rows = []
    for name in registry.datasets():
        cls = registry.load_dataset_class(name)
        presence = cls.presence(roots)
        rows.append(
            {
                "name": name,
                "title": cls.title,
                "source": cls.source,
                "official": dict(cls.official),
                "present": presence.available,
                "reason": presence.reason,
                "advice": cls.advice(roots) if presence.available else "",
            }
        )
    return rows


def _print_method(row: dict[str, Any], verbose: bool) -> None:
    if row["unavailable"]:
        print(f"{row['name']:<14} unavailable: {row['unavailable']}")
        return
    print(f"{row['name']:<14} {row['paper']}")
    if not verbose:
        return
    for label, lines in card(row):
        for line in lines:
            print(f"{'':<14} {label}: {line}")
    for setting in row["settings"]:
        print(f"{'':<14} {setting['key']} = {setting['default']}: {setting['description']}")


def card(row: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Return what a method's card says, as labels with their lines; a label without lines is left out."""
    lines = [
        ("source", [row["source"]] if row["source"] else []),
        ("paper and released code", row["differences"]),
        ("our choice", row["choices"]),
        ("variant", _pairs(row["variants"]) if len(row["variants"]) > 1 else []),
        ("preset", _pairs(row["presets"])),
        ("cost", [" ".join(filter(None, (_counted(row), row["cost"])))]),
        ("bfloat16", [row["bf16"]] if row["bf16"] else []),
    ]
    return [(label, found) for label, found in lines if any(found)]


def cards() -> dict[str, list[tuple[str, list[str]]]]:
    """Return the card of every method of this checkout that can be loaded, with its paper as first line."""
    return {
        row["name"]: [("paper", [row["paper"]]), *card(row)] for row in describe_methods() if not row["unavailable"]
    }


def markdown_card(row: dict[str, Any]) -> str:
    """Return a method's card as Markdown."""
    parts = [f"### `{row['name']}`: {row['title']}", f"{row['paper'][0].upper()}{row['paper'][1:]}."]
    for label, lines in card(row):
        start = f"- **{label.capitalize()}.**"
        if label in ("variant", "preset"):
            parts.append(f"{start} " + "; ".join(f"`{line.replace(': ', '` ', 1)}" for line in lines))
        elif len(lines) == 1:
            parts.append(f"{start} {lines[0]}")
        else:
            parts += [start, *(f"  - {line}" for line in lines)]
    return "\n".join([parts[0], "", parts[1], "", *parts[2:]])


def _counted(row: dict[str, Any]) -> str:
    if "parameters" not in row:
        return ""
    return (
        f"{row['parameters']:,} parameters, and {row['encode_gflop']:.2g} GFLOP to encode a video of 25 x 4096 in "
        "64 bits, by default."
    )


def _pairs(table: dict[str, Any]) -> list[str]:
    return [
        f"{name}: " + (", ".join(f"{key}={value}" for key, value in values.items()) or "as configured")
        for name, values in table.items()
    ]


def _print_dataset(row: dict[str, Any]) -> None:
    mark = "present" if row["present"] else "absent"
    print(f"{row['name']:<14} {mark:<8} {row['title']}")
    print(f"{'':<14} {'':<8} {row['source'] if row['present'] else row['reason']}")


def call_status(args: argparse.Namespace) -> int:
    """Run ``status``."""
    results = shared.results_folder(args.results)
    rows = states(results)
    if args.json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return 0
    if not rows:
        print(f"no cell in {shared.shown(results)}; 'python -m benchmark run' makes some")
        return 0
    for row in rows:
        print(f"{row['state']:<12} {row['cell']:<60} {row['detail']}".rstrip())
    counts = {state: sum(row["state"] == state for row in rows) for state in sorted({row["state"] for row in rows})}
    print(", ".join(f"{count} {state}" for state, count in counts.items()))
    return 0


def states(results: Path) -> list[dict[str, str]]:
    """Return state, cell and detail of every cell folder under a results root."""
    from benchmark import record
    from benchmark.executors import LOCK
    from benchmark.files.lock import is_locked

    rows = []
    for folder in sorted(path for path in results.glob("*/*/*/seed*") if path.is_dir()):
        if folder.relative_to(results).parts[0] in record.RESERVED:
            continue
        cell = str(folder.relative_to(results))
        path = next((folder / name for name in (record.RECORD, record.FAILURE) if (folder / name).exists()), None)
        found = record.read(path) if path else None
        if isinstance(found, record.Damaged):
            rows.append({"state": "damaged", "cell": cell, "detail": f"{found.path.name} {found.reason}"})
        elif found is not None and found.failure is not None:
            rows.append({"state": "failed", "cell": cell, "detail": f"{found.failure.phase}: {found.failure.message}"})
        elif found is not None:
            detail = "  ".join([found.finished, *record.remarks(found)])
            rows.append({"state": "stale" if is_stale(found) else "done", "cell": cell, "detail": detail})
        elif is_locked(folder / LOCK):
            rows.append({"state": "running", "cell": cell, "detail": "another process holds it"})
        elif (folder / record.CHECKPOINT).exists():
            rows.append({"state": "interrupted", "cell": cell, "detail": "the same run command goes on"})
        else:
            rows.append({"state": "missing", "cell": cell, "detail": "started, nothing kept"})
    return rows


def is_stale(found: Any) -> bool:
    """Tell whether the sources of a record's method, dataset or engine differ from those that made it."""
    from benchmark import environment, registry

    file = registry.ROOT / str(found.code.get("dataset_file", ""))
    if found.identity.method not in registry.methods() or not file.is_file():
        return True
    return bool(found.code.get("digest") != environment.code_digest(found.identity.method, file))
