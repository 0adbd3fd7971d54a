"""The options that turn codes into numbers, each named and stored in every record.

Two presets come from one pass over the pairs: ``FIELD`` is comparable with the numbers that papers of the field
print; ``STRICT`` leaves the query out, divides by what can be found, and does not depend on the order of the database.
Both are names, under which ``PRESETS`` holds the options.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

KS: tuple[int, ...] = (5, 10, 20, 40, 60, 80, 100)
"""The cut-offs of the field's evaluation scripts."""

HEADLINE_K = 20
"""The one of ``KS`` that stands for all where a single number is shown or compared (our choice)."""

FIELD, STRICT = "field", "strict"
"""The names of the presets, under which records keep their numbers."""

Denominator = Literal["k", "min", "relevant", "hits"]
SelfMatch = Literal["include", "exclude"]
Ties = Literal["index", "expected"]
Zeros = Literal["ternary", "positive", "negative"]


class Protocol(BaseModel):
    """How average precision at K and its companions are defined.

    denominator: what the sum of precisions at the hits of the top K is divided by. ``k``: K itself (the
        field); ``min``: min(K, R) with R the relevant items of the query; ``relevant``: R; ``hits``: the hits
        in the top K (no hit: 0). Over the whole ranking the sum is divided by R whatever the denominator: the
        number of ranked items, which K would be there, says nothing.
    self_match: whether a query that is itself a database item stays in its own ranking. It matters only when
        the queries *are* the database (self-retrieval) and is without effect otherwise.
    ties: order inside equal distances. ``index``: ascending database row; ``expected``: the exact expectation
        over all orders, uniformly random inside each distance.
    zeros: how a code value of exactly 0 (the sign of the mean of an even number of frames) enters the
        distance. ``ternary``: (b - <a, c>) / 2, hence in half steps (the field); ``positive``: as +1;
        ``negative``: as -1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    denominator: Denominator
    self_match: SelfMatch
    ties: Ties
    zeros: Zeros


PRESETS: dict[str, Protocol] = {
    FIELD: Protocol(denominator="k", self_match="include", ties="index", zeros="ternary"),
    STRICT: Protocol(denominator="min", self_match="exclude", ties="expected", zeros="positive"),
}
