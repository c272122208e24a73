"""`siem detect`: what it says of a pass."""

from __future__ import annotations

from siem.cli.detect import outcome
from siem.detect.passes import Passed


def test_what_rules_owe_is_told_beside_what_the_pass_did() -> None:
    done = Passed(objects=3, signals=2, alerts={"a"}, errors={"login": "no such column"}, owed={"login": 21})
    assert list(outcome(done, rules=58)) == [
        "failed: login: no such column",
        "owed: login: 21 objects are not judged yet; the next pass tries again",
        "3 objects, 58 rules: 2 matches, 1 alerts new or grown",
    ]
