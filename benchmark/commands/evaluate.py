"""``evaluate``: the metrics of codes that were made elsewhere."""

from __future__ import annotations

import argparse

from benchmark.errors import BadInput
from benchmark.paths import path_of, shown


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the verb."""
    parser.description = "Measure codes (.npy or .npz; +1/-1 or 0/1) with labels (.npy, .npz or .mat)."
    parser.add_argument("--query-codes", type=path_of, metavar="F")
    parser.add_argument("--database-codes", type=path_of, metavar="F", required=True)
    parser.add_argument("--query-labels", type=path_of, metavar="F")
    parser.add_argument("--database-labels", type=path_of, metavar="F", required=True)
    parser.add_argument("--self", action="store_true", dest="self_retrieval", help="the database is its own query set")
    parser.add_argument("--protocol", choices=("field", "strict"), default="field", help="preset (default: field)")
    parser.add_argument("--denominator", choices=("k", "min", "relevant", "hits"), help="what AP@K is divided by")
    parser.add_argument("--ties", choices=("index", "expected"), help="order inside one Hamming distance")
    parser.add_argument("--self-match", choices=("include", "exclude"), help="whether a query may find itself")
    parser.add_argument("--k", nargs="+", type=int, metavar="K", help="cut-offs (default: 5 10 20 40 60 80 100)")
    parser.add_argument("--json", type=path_of, metavar="OUT", help="write the result there, unrounded")


def call(args: argparse.Namespace) -> int:
    """Run the verb."""
    from benchmark.evaluation.files import evaluate_files
    from benchmark.evaluation.protocol import KS
    from benchmark.files.atomic import check_writable, write_json

    given = [name for name in ("query_codes", "query_labels") if getattr(args, name) is not None]
    if args.self_retrieval and given:
        raise BadInput("--self means that the database is its own query set", next_step="leave the query files out")
    if not args.self_retrieval and len(given) < 2:
        raise BadInput("evaluate needs --query-codes and --query-labels", next_step="or --self for self retrieval")
    if args.self_match and not args.self_retrieval:
        raise BadInput("--self-match has a meaning only with --self", next_step="add --self or leave it out")
    if args.json:
        check_writable(args.json)
    outcome = evaluate_files(
        args.query_codes,
        args.database_codes,
        args.query_labels,
        args.database_labels,
        self_retrieval=args.self_retrieval,
        preset=args.protocol,
        denominator=args.denominator,
        ties=args.ties,
        self_match=args.self_match,
        ks=args.k or KS,
    )
    if args.json:
        write_json(args.json, outcome)
    print(f"{outcome['n_query']} queries, {outcome['n_database']} database items, {outcome['bits']} bits")
    for name, value in outcome["metrics"].items():
        if isinstance(value, float):
            print(f"{name:<20} {value:.6f}")
    if args.json:
        print(f"written: {shown(args.json)}")
    return 0
