"""`siem rules explain`: what a rule means, where its fields are, and what each store is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from siem.cli import options
from siem.cli.output import write_texts
from siem.detect.sources import Sources
from siem.errors import ContentError, UsageError
from siem.run.team import tuned_set
from siem.schema import ANY_JSON
from siem.sigma import Correlation, Explaining, Rule, RuleSet

ANY = "json"
WIDTH = 10


def explain(
    rules: Annotated[list[str], typer.Argument(metavar="RULE…", help="Files, or ids or names of rules in use.")],
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="Look at this dataset alone, or at json, whatever the log source.")
    ] = None,
    store: options.StoreOption = None,
    content: options.ContentOption = None,
    form: options.FormatOption = None,
) -> None:
    """What rules mean: condition, fields and where they are found, each store's query, filters, windows."""
    settings = options.settings(store, content)
    parsers = options.registry(settings.content)
    if dataset != ANY:
        options.check_dataset(dataset, parsers)
    sources = Sources.of(parsers)
    found = options.rules(None, settings.content, told=False, after=[Path(name) for name in rules if _is_file(name)])
    found = tuned_set(found, settings.content, whole=False)
    explaining = Explaining(found, {**sources.fields, "": ANY_JSON}, sources.logsources, _only(dataset))
    errors = dict.fromkeys([error for name in rules for error in refused_in(name, found)])
    chosen = dict.fromkeys([one for name in rules for one in named(name, found)])
    write_texts([explaining(one) for one in chosen], text, form)
    options.refused(list(errors))
    if errors:
        raise typer.Exit(ContentError.exit_code)


def _only(dataset: str | None) -> str | None:
    return "" if dataset == ANY else dataset


def _is_file(name: str) -> bool:
    return Path(name).exists()


def named(name: str, rules: RuleSet) -> list[Rule | Correlation]:
    """The rules of a file that can be run, or what has this id or name.

    Raises:
        UsageError: there is none, and none that is refused.
    """
    if not _is_file(name):
        if (one := rules.called(name)) is None:
            raise UsageError(f"{name}: no such file, and no rule in use has this id or name")
        return [one]
    known: list[Rule | Correlation] = [*rules.rules, *rules.correlations]
    chosen = [one for one in known if _below(one.file, name)]
    if not chosen and not refused_in(name, rules):
        raise UsageError(f"no rules in {name}")
    return chosen


def refused_in(name: str, rules: RuleSet) -> list[ContentError]:
    """Why rules of a file or folder are refused."""
    return [error for error in rules.refused if error.file and _is_file(name) and _below(error.file, name)]


def _below(file: str, name: str) -> bool:
    return Path(file).resolve().is_relative_to(Path(name).resolve())


def text(rule: dict[str, Any]) -> Iterator[str]:
    """The same for people, line by line."""
    yield f"{rule['title']}"
    for name in ("id", "name", "type", "level", "status", "file", "alerts", "suppress", "new_terms", "silence"):
        if rule.get(name):
            yield _line(name, rule[name])
    yield from _of_event_rule(rule) if "queries" in rule else _of_correlation(rule)
    yield ""


def _line(name: str, value: object) -> str:
    return f"  {name:{WIDTH}}{value}"


def _of_event_rule(rule: dict[str, Any]) -> Iterator[str]:
    yield _line("logsource", " ".join([f"{key}={value}" for key, value in rule["logsource"].items()]) or "any")
    yield _line("datasets", ", ".join(rule["datasets"]) or "none answers this log source: the rule never matches")
    if rule["silence"]:
        return
    yield from _section("Condition: " + " | ".join(rule["condition"]), rule["tree"])
    for one in rule["filters"]:
        yield from _section(f"And by the filter {one['title']} ({one['file']})", one["tree"])
    yield from _section("Fields", _fields(rule["fields"]))
    for asked in rule["queries"]:
        trust = "exact" if asked["exact"] else "may find too much: each hit is judged by the predicate"
        yield from _section(f"{asked['store']}, {asked['dataset']} ({trust})", _query(asked))


def _fields(found: list[dict[str, Any]]) -> Iterator[str]:
    for one in found:
        alias = f", alias of {one['alias_of']}" if one["alias_of"] else ""
        path = f" at {one['path']}" if one["path"] else ""
        column = f" -> {one['column']}" if one["column"] else ""
        yield f"{one['field']}: {one['dataset']}{column}{path} ({one['way']}{alias})"


def _query(asked: dict[str, Any]) -> Iterator[str]:
    if isinstance(asked["query"], str):
        yield asked["query"]
    else:
        yield from json.dumps(asked["query"], indent=2, ensure_ascii=False).splitlines()
    for name, value in (asked.get("parameters") or {}).items():
        yield f"${name} = {json.dumps(value, ensure_ascii=False, default=str)}"


def _of_correlation(rule: dict[str, Any]) -> Iterator[str]:
    yield _line("group by", ", ".join(rule["group_by"]) or "nothing: all events are one group")
    yield _line("window", f"{rule['window']}, sliding, both ends included")
    yield _line("condition", rule["condition"])
    yield from _section("Rules", _parts(rule["rules"]))


def _parts(rules: list[dict[str, Any]]) -> Iterator[str]:
    for number, one in enumerate(rules, 1):
        yield f"{number}. {one['title']} ({one['id']}){': ' * bool(one['datasets'])}{', '.join(one['datasets'])}"
        for what, asked in (("groups by", one["group_by"]), ("counts", one["values"])):
            if asked:
                yield f"   {what} {', '.join([_asked(name, field) for name, field in asked.items()])}"
        yield f"   alerts {one['alerts']}"
        yield from [f"   {line}" for line in _fields(one["fields"])]


def _asked(name: str, field: str) -> str:
    return name if name == field else f"{field} as {name}"


def _section(title: str, body: Iterator[str] | list[str]) -> Iterator[str]:
    yield ""
    yield title
    yield from [f"  {line}" for line in body]
