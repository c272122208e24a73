"""How far each rule has judged, and what it owes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from watched import MINUTE, OTHER, RULE, SECOND, Faulty, Watch, both, written

from siem.detect.passes import again, detect
from siem.detect.sources import Sources
from siem.parsing.batch import Parsed
from siem.sigma import load_rules
from siem.store.contract import State
from siem.testing.deliveries import NOW, START, TRAIL, delivery, trail


def test_a_pass_of_some_rules_leaves_the_others_their_objects(watch: Watch, tmp_path: Path) -> None:
    other = written(tmp_path, RULE.replace("name: login", "name: other").replace("ConsoleLogin", "DeleteTrail"))
    watch.login("one", "a")
    detect(watch.store, other, watch.sources)
    watch.detect()
    assert watch.alert.events == ("a",)


def test_a_rule_that_is_run_alone_sees_what_it_has_not_judged_and_takes_nothing_from_others(
    watch: Watch, tmp_path: Path
) -> None:
    other = written(tmp_path, OTHER)
    watch.login("one", "a")
    watch.login("two", "b", action="DeleteTrail")
    watch.detect()
    assert detect(watch.store, other, watch.sources).signals == 1
    assert detect(watch.store, other, watch.sources).objects == 0
    assert detect(watch.store, both(watch.rules, other), watch.sources, everything=True).objects == 2
    assert sorted(alert.rule_id for alert in watch.alerts) == ["login", "other"]


def test_a_new_rule_among_all_is_not_owed_the_past(watch: Watch, tmp_path: Path) -> None:
    other = written(tmp_path, OTHER)
    watch.login("one", "a", action="DeleteTrail")
    detect(watch.store, watch.rules, watch.sources, everything=True)
    rules = both(watch.rules, other)
    assert detect(watch.store, rules, watch.sources, everything=True).objects == 0
    watch.login("two", "b", action="DeleteTrail", start=START + MINUTE)
    detect(watch.store, rules, watch.sources, everything=True)
    assert watch.alert.events == ("b",)


def test_a_rule_that_was_withheld_sees_what_it_missed(watch: Watch, tmp_path: Path) -> None:
    other = written(tmp_path, OTHER)
    watch.login("one", "a")
    detect(watch.store, watch.rules, watch.sources, everything=True)
    for number, id_ in enumerate("bc"):
        watch.login(id_, id_, action="DeleteTrail", start=START + number * SECOND)
        detect(watch.store, replace(watch.rules, withheld=frozenset(("other",))), watch.sources, everything=True)
    done = detect(watch.store, both(watch.rules, other), watch.sources, everything=True)
    assert (done.objects, done.signals) == (2, 2)


def test_a_rule_that_was_switched_off_begins_with_what_comes_when_it_is_on_again(watch: Watch, tmp_path: Path) -> None:
    rules = both(watch.rules, written(tmp_path, OTHER))
    off = replace(watch.rules, disabled=frozenset(("other",)))
    for number, (id_, in_use) in enumerate([("a", rules), ("b", off), ("c", off), ("d", rules)]):
        watch.login(id_, id_, action="DeleteTrail", start=START + number * SECOND)
        detect(watch.store, in_use, watch.sources, everything=True)
    assert detect(watch.store, rules, watch.sources, everything=True).objects == 0
    assert watch.alert.events == ("a", "d")


def test_a_rule_that_is_off_from_the_beginning_is_not_owed_the_past(watch: Watch, tmp_path: Path) -> None:
    rules = both(watch.rules, written(tmp_path, OTHER))
    off = replace(watch.rules, disabled=frozenset(("other",)))
    for number, (id_, in_use) in enumerate([("a", off), ("b", rules)]):
        watch.login(id_, id_, action="DeleteTrail", start=START + number * SECOND)
        detect(watch.store, in_use, watch.sources, everything=True)
    assert watch.alert.events == ("b",)


def test_what_no_pass_has_seen_while_a_rule_was_off_is_judged(watch: Watch, tmp_path: Path) -> None:
    rules = both(watch.rules, written(tmp_path, OTHER))
    off = replace(watch.rules, disabled=frozenset(("other",)))
    detect(watch.store, off, watch.sources, everything=True)
    watch.login("a", "a", action="DeleteTrail")
    detect(watch.store, rules, watch.sources, everything=True)
    assert watch.alert.events == ("a",)


def test_a_pass_of_some_rules_moves_no_mark_of_one_that_is_off(watch: Watch, tmp_path: Path) -> None:
    rules = both(watch.rules, written(tmp_path, OTHER))
    watch.login("a", "a")
    detect(watch.store, rules, watch.sources, everything=True)
    watch.login("b", "b", action="DeleteTrail")
    detect(watch.store, replace(watch.rules, disabled=frozenset(("other",))), watch.sources)
    assert detect(watch.store, rules, watch.sources, everything=True).signals == 1


def test_objects_without_a_parser_wait_for_one(watch: Watch) -> None:
    watch.login("one", "a")
    assert detect(watch.store, watch.rules, Sources({}, {}), everything=True).objects == 0
    assert again(watch.store, watch.rules, Sources({}, {}), None, None).signals == 0
    assert detect(watch.store, watch.rules, watch.sources, everything=True).signals == 1


def test_what_a_rule_erred_on_is_owed_until_it_is_judged(watch: Watch, faulty: Faulty, tmp_path: Path) -> None:
    rules = both(watch.rules, written(tmp_path, OTHER))
    for number in range(20):
        watch.login(str(number), f"e{number:02}", start=START + number * SECOND)
    watch.login("deleted", "d", action="DeleteTrail")
    bad = delivery("7").source.id
    faulty.poison = frozenset((bad,))
    done = detect(faulty, rules, watch.sources)
    assert (done.owed, done.errors) == ({"login": 21}, {"login": "this object cannot be searched"})
    assert [alert.rule_id for alert in watch.alerts] == ["other"]  # it is not disturbed
    done = detect(faulty, rules, watch.sources)
    assert (done.owed, done.signals, list(done.errors)) == ({"login": 1}, 19, ["login"])
    watch.login("20", "e20", start=START + 20 * SECOND)
    done = detect(faulty, rules, watch.sources)
    assert (done.owed, done.signals) == ({"login": 1}, 1)  # what comes later is judged
    faulty.poison = frozenset()
    done = detect(faulty, rules, watch.sources)
    assert (done.owed, done.signals, done.errors) == ({}, 1, {})
    assert {alert.rule_id: alert.count for alert in watch.alerts} == {"login": 21, "other": 1}


def test_a_rule_that_errs_on_everything_gives_up_for_this_pass(watch: Watch, faulty: Faulty) -> None:
    for number in range(40):
        watch.login(str(number), f"e{number:02}", start=START + number * SECOND)
    faulty.poison = frozenset(of.object for of in watch.store.pending(TRAIL))
    for _ in range(3):
        assert detect(faulty, watch.rules, watch.sources).owed == {"login": 40}
    faulty.poison = frozenset()
    assert detect(faulty, watch.rules, watch.sources).signals == 40


def test_a_correlation_alone_takes_nothing_from_a_rule_that_was_lent_to_it(watch: Watch, tmp_path: Path) -> None:
    many = tmp_path / "many.yml"
    many.write_text(
        "title: Many logins\nname: many\n"
        "correlation: {type: event_count, rules: [login], group-by: [user.name], timespan: 5m, condition: {gte: 2}}\n"
    )
    (tmp_path / "lent").mkdir()
    (tmp_path / "lent" / "login.yml").write_text(RULE)
    lent = load_rules([many], others=[tmp_path / "lent"])
    assert lent.lent == {"login"}
    watch.login("one", "a", "b")
    detect(watch.store, lent, watch.sources)
    assert [alert.rule_id for alert in watch.alerts] == ["many"]
    watch.detect()
    assert sorted(alert.rule_id for alert in watch.alerts) == ["login", "many"]


def test_what_a_rule_that_is_off_had_found_stays_when_objects_are_judged_again(watch: Watch, tmp_path: Path) -> None:
    rules = both(watch.rules, written(tmp_path, OTHER))
    watch.login("a", "a", action="DeleteTrail")
    detect(watch.store, rules, watch.sources, everything=True)
    before, one = watch.alert, delivery("a")
    with watch.store.reparsing(NOW, judge=True) as writing:
        writing.add(one, Parsed(TRAIL, trail(one, "a")), "2", unique_ids=True)
        writing.finish(one, State.COMMITTED)
        writing.commit()
    off = replace(watch.rules, disabled=frozenset(("other",)))
    assert detect(watch.store, off, watch.sources, everything=True).objects == 1
    assert watch.alert == before
