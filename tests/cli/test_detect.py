"""`siem detect`: what it says of a pass."""

from __future__ import annotations

from typing import Any

from siem.cli.detect import outcome
from siem.detect.passes import Passed


def test_what_went_wrong_and_what_was_left_out_is_told_beside_what_the_pass_did() -> None:
    wrong: dict[str, Any] = {"errors": {"login": "no such column"}, "owed": {"login": 21}}
    done = Passed(objects=3, signals=2, alerts={"a"}, left_out={"many": 1_200, "few": 0}, **wrong)
    assert list(outcome(done, rules=58)) == [
        "failed: login: no such column",
        "owed: login: 21 objects are not judged yet; the next pass tries again",
        "many: 1,200 events without the values that it groups by are left out",
        "3 objects, 58 rules: 2 matches, 1 alerts new or grown",
    ]
