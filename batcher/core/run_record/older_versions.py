"""Reads run.json and status.json of older versions: gives their keys today's names and shapes."""

from collections.abc import Mapping
from typing import Any, Final

SCHEMA_VERSION: Final = 2

_PLAN = {
    "known": "already_answered",
    "held": "on_hold",
    "tried": "attempted_before",
    "gone": "removed",
    "least_worst_case_usd": "min_worst_case_usd",
}
_NOT_COUNTED = {"changed": 0, "redone": 0, "removed": 0, "min_worst_case_usd": None}
"""Counts of the plan that versions before 0.3 did not have."""

_QUALITY = {"classes": "class_counts", "new_classes": "new_class_counts"}
_DRIFT = {"is_real": "is_significant", "moved": "changes", "rows_then": "rows_before"}
_VOTES = {"mean_share": "mean_agreement", "single": "single_answer_rows"}


def upgraded(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the content as the current version would write it; it may also be a part of a file.

    Version 1 was written up to 0.6. Raises ValueError for a version that is not known here, and
    ValueError, TypeError or AttributeError for content that no version has written.
    """
    version = content.get("schema_version")
    if version == SCHEMA_VERSION:
        return content
    if version != 1:
        raise ValueError(f"schema version {version} is not known")
    return _from_version_1(content)


def _from_version_1(old: Mapping[str, Any]) -> dict[str, Any]:
    new = _renamed(old, {"pace": "seconds_by_limiter", "limits": "observed_limits"})
    new["schema_version"] = SCHEMA_VERSION
    if old["state"] == "running":
        new.setdefault("phase", "sending")  # 0.1 recorded no other phase
    if old.get("plan"):
        new["plan"] = {**_NOT_COUNTED, **_renamed(old["plan"], _PLAN)}
    if old.get("rows"):
        new["rows"] = _renamed(old["rows"], {"known": "already_answered"})
    if old.get("quality"):
        new["quality"] = _quality(old["quality"])
    if old.get("errors"):
        new["errors"] = [_renamed(error, {"n": "rows"}) for error in old["errors"]]
    if "attempts" in old:
        new |= _totals(old)
        new["checkpoint"] = {**old["checkpoint"], **_totals(old["checkpoint"])}
        new["observed_limits"] = _limits(old.get("limits") or {})
    return new


def _totals(old: Mapping[str, Any]) -> dict[str, Any]:
    attempts = {**old["attempts"], "unpriced": old["usd"]["unpriced_attempts"]}
    return {"attempts": attempts}


def _quality(old: Mapping[str, Any]) -> dict[str, Any]:
    new = _renamed(old, _QUALITY)
    new["drift"] = {name: _drift(drift) for name, drift in old.get("drift", {}).items()}
    new["votes"] = {
        name: _with_classes(_renamed(votes, _VOTES)) for name, votes in old.get("votes", {}).items()
    }
    if "gold" in old:
        gold = _renamed(old["gold"], {"of_single_answers": "single_answers"})
        if "single_answers" in gold:
            gold["single_answers"] = _with_classes(gold["single_answers"])
        new["gold"] = _with_classes(gold)
    if "confidence" in old:
        confidence = _renamed(old["confidence"], {"rows": "answers"})
        bins = [_renamed(entry, {"rows": "answers"}) for entry in confidence["bins"]]
        new["confidence"] = {**confidence, "bins": bins}
    return new


def _drift(old: Mapping[str, Any]) -> dict[str, Any]:
    new = _renamed(old, _DRIFT)
    return {**new, "changes": [_renamed(change, {"then": "before"}) for change in new["changes"]]}


def _with_classes(figures: dict[str, Any]) -> dict[str, Any]:
    """Replace ``is_open`` by its opposite, ``has_classes``."""
    return {
        "has_classes" if key == "is_open" else key: not value if key == "is_open" else value
        for key, value in figures.items()
    }


def _limits(groups: Mapping[str, Any]) -> dict[str, Any]:
    return {
        group: {
            kind: {"per_minute": per_minute, "burst": burst}
            for kind, (per_minute, burst) in limits.items()
        }
        for group, limits in groups.items()
    }


def _renamed(content: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(key, key): value for key, value in content.items()}
