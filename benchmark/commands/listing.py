"""``list``: what the checkout offers."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from benchmark.commands import shared

if TYPE_CHECKING:
    from benchmark.publish.cards import DatasetCard, MethodCard, Unavailable


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the verb."""
    parser.description = "Show what the checkout offers."
    parser.add_argument("what", choices=("methods", "datasets"))
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--verbose", action="store_true", help="methods: their whole cards, with every setting")
    parser.add_argument("--markdown", action="store_true", help="methods: their cards as Markdown, without settings")
    shared.add_roots(parser)


def call(args: argparse.Namespace) -> int:
    """Run the verb."""
    return _list_methods(args) if args.what == "methods" else _list_datasets(args)


def _list_methods(args: argparse.Namespace) -> int:
    if not (args.verbose or args.markdown or args.json):
        _print_papers()
        return 0
    from benchmark.publish import cards

    methods = cards.describe_methods(count=args.verbose or args.markdown)
    if args.markdown:
        print(cards.markdown_cards(methods))
    elif args.json:
        print(json.dumps([card.to_dict() for card in methods], indent=1, ensure_ascii=False))
    else:
        for card in methods:
            _print_method(card)
    return 0


def _print_papers() -> None:
    """Print names and papers; only a method whose file does not state its paper plainly is imported."""
    from benchmark.catalogue import registry, source

    for name, entry in registry.methods().items():
        paper = source.stated(entry.path, "paper")
        if paper is None:
            from benchmark.publish import cards

            _print_line(cards.describe_method(name))
        else:
            print(f"{name:<14} {paper}")


def _list_datasets(args: argparse.Namespace) -> int:
    from benchmark.publish import cards

    datasets = cards.describe_datasets(shared.roots(args))
    if args.json:
        print(json.dumps([card.to_dict() for card in datasets], indent=1, ensure_ascii=False))
        return 0
    for card in datasets:
        _print_dataset(card)
    return 0


def _print_line(card: MethodCard | Unavailable) -> None:
    from benchmark.publish.cards import Unavailable

    text = f"unavailable: {card.reason}" if isinstance(card, Unavailable) else card.paper
    print(f"{card.name:<14} {text}")


def _print_method(card: MethodCard | Unavailable) -> None:
    from benchmark.publish.cards import Unavailable

    _print_line(card)
    if isinstance(card, Unavailable):
        return
    for label, lines in card.lines():
        for line in lines:
            print(f"{'':<14} {label}: {line}")
    for setting in card.settings:
        print(f"{'':<14} {setting.key} = {setting.default}: {setting.description}")


def _print_dataset(card: DatasetCard | Unavailable) -> None:
    from benchmark.publish.cards import Unavailable

    if isinstance(card, Unavailable):
        print(f"{card.name:<14} unavailable: {card.reason}")
        return
    mark = "present" if card.present else "absent"
    print(f"{card.name:<14} {mark:<8} {card.title}")
    print(f"{'':<14} {'':<8} {card.source if card.present else card.reason}")
