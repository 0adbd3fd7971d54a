"""Numbers of a check against their baseline: what moved, in which direction, and whether that fails the check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmark.regression.baseline import Baseline
from benchmark.regression.cells import CheckOutcome
from benchmark.regression.numbers import Number, named
from benchmark.regression.plan import Plan
from benchmark.regression.spreads import Spreads, Tolerance, tolerance

FAILING = {"fell", "worse", "left its band", "suspicious", "gone", "new", "other settings", "other data", "no baseline"}
FAILING |= {"other check", "failed", "missing"}


@dataclass(frozen=True)
class Finding:
    """One row of the table. ``verdict`` is ``within``, ``better`` or one of ``FAILING``; ``note`` is for people."""

    method: str
    bits: int | None
    name: str
    verdict: str
    before: float | None = None
    now: float | None = None
    band: float | None = None
    seeds: float | None = None
    note: str = ""

    @property
    def failing(self) -> bool:
        """Return whether the check fails by it."""
        return self.verdict in FAILING


def compare(
    plan: Plan, outcomes: Sequence[CheckOutcome], baselines: Mapping[str, Baseline], spreads: Spreads
) -> list[Finding]:
    """Return a finding for every number, and for everything that has none where one is due."""
    findings: list[Finding] = []
    for method in dict.fromkeys(outcome.method for outcome in outcomes):
        mine = [outcome for outcome in outcomes if outcome.method == method]
        baseline = baselines.get(method)
        if baseline is not None:
            findings += _other_ground(plan, baseline, mine)
        for outcome in mine:
            findings += _cell(outcome, baseline, spreads)
    return findings


def _other_ground(plan: Plan, baseline: Baseline, outcomes: Sequence[CheckOutcome]) -> list[Finding]:
    """Return findings where the baseline was made from something else than what was run."""
    now = plan.described()
    findings = [
        _ground(baseline.method, "other check", changed) for changed in [_changes(baseline.check, now)] if changed
    ]
    done = next((outcome for outcome in outcomes if outcome.numbers is not None), None)
    if done is not None:
        changed = _changes(baseline.config, done.config or {})
        findings += [_ground(baseline.method, "other settings", changed)] if changed else []
        if done.data != baseline.data and not findings:
            findings.append(_ground(baseline.method, "other data", "the features are not those of the baseline"))
    return findings


def _ground(method: str, verdict: str, note: str) -> Finding:
    return Finding(method, None, "", verdict, note=note)


def _changes(before: Mapping[str, object], now: Mapping[str, object]) -> str:
    keys = [key for key in sorted({*before, *now}) if before.get(key) != now.get(key)]
    return ", ".join(f"{key} {before.get(key)} -> {now.get(key)}" for key in keys)


def _cell(outcome: CheckOutcome, baseline: Baseline | None, spreads: Spreads) -> list[Finding]:
    method, bits = outcome.method, outcome.bits
    before = baseline.bits.get(bits) if baseline else None
    if outcome.numbers is None:
        if outcome.skipped and before is None:
            return []
        return [Finding(method, bits, "", "missing" if outcome.skipped else "failed", note=outcome.problem)]
    if before is None:
        return [Finding(method, bits, "", "no baseline", note="'check --update' takes it in")]
    old, now = named(before.model_dump()), named(outcome.numbers)
    findings = [Finding(method, bits, name, "gone", before=old[name].value) for name in old if name not in now]
    for name, number in now.items():
        if name in old:
            allowed = tolerance(spreads, method, old[name])
            verdict = judged(old[name], number.value, allowed)
            values = (old[name].value, number.value, allowed.band, allowed.seeds)
            findings.append(Finding(method, bits, name, verdict, *values))
        else:
            findings.append(Finding(method, bits, name, "new", now=number.value))
    return findings


def judged(before: Number, now: float, allowed: Tolerance) -> str:
    """Return ``within``, or how the number left its tolerance; losses have no good direction."""
    change = now - before.value
    if abs(change) <= allowed.band:
        return "within"
    if before.kind == "loss":
        return "left its band"
    if change * before.direction > 0:
        return "suspicious" if before.kind == "map" and change > allowed.leap else "better"
    return "fell" if before.kind == "map" else "worse"
