"""Every name of Sigma's taxonomy that a parser declares has the value that stands in the log, on every engine."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from siem.config import Limits
from siem.detect.hunting import ENGINES, Hunt
from siem.detect.sources import Sources
from siem.intake.content import Delivered
from siem.parsing import Batch, Registry
from siem.run.reading import read
from siem.schema import SourceObject
from siem.sigma import RuleSet, load_rules
from siem.sigma.record import Reader

ALB = (
    "https 2026-11-01T04:05:00.125987Z app/web-alb/50dc6c495c0c9188 203.0.113.66:10455 10.0.1.16:8080 0.001 0.055 "
    '0.000 404 404 1331 7773 "POST https://www.example.com:443/admin/Shell.PHP?cmd=id&x=%2e%2e/ HTTP/1.1" '
    '"Mozilla/5.0 (X)" TLS_AES_128_GCM_SHA256 TLSv1.3 arn:aws:elasticloadbalancing:eu-west-1:111122223333:'
    'targetgroup/web/73e2 "Root=1-6ae6ba6c-3a9de8cd16028319355042dc" "www.example.com" '
    '"-" 0 2026-11-01T04:05:00.070000Z "forward" "-" "-" '
    '"10.0.1.16:8080" "404" "-" "-"\n'
)
WAF = {
    "timestamp": 1793505600000,
    "formatVersion": 1,
    "webaclId": "arn:aws:wafv2:ap-northeast-1:123456789012:regional/webacl/web-acl/a1b2c3d4",
    "terminatingRuleId": "custom-answer",
    "terminatingRuleType": "REGULAR",
    "action": "BLOCK",
    "httpSourceName": "ALB",
    "responseCodeSent": 418,
    "httpRequest": {
        "clientIp": "203.0.113.66",
        "country": "JP",
        "headers": [
            {"name": "hOST", "value": "www.example.com:8443"},
            {"name": "Cookie", "value": "a=1; session=Abc"},
            {"name": "user-agent", "value": "Mozilla/5.0 (X)"},
            {"name": "Referer", "value": "https://search.example/?q=1"},
            {"name": "cookie", "value": "b=2"},
        ],
        "uri": "/admin/Shell.PHP",
        "args": "cmd=id&x=%2e%2e/",
        "httpVersion": "HTTP/2.0",
        "httpMethod": "POST",
        "requestId": "1-6ae6b942-a9c1716cb5505a622203325b",
        "scheme": "https",
    },
}
FLOW = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
    "log-status\n"
    "2 123456789012 eni-0123456789abcdef0 203.0.113.66 10.0.1.15 40150 5551 6 5 400 1793500800 1793500860 REJECT OK\n"
)
REQUEST = {
    ("c-method", "cs-method"): ["POST"],
    ("c-uri-query", "cs-uri-query"): ["/admin/Shell.PHP?cmd=id&x=%2e%2e/", "cmd=id&x=%2e%2e/"],
    ("c-uri-stem", "cs-uri-stem", "c-uri-path", "cs-uri-path"): ["/admin/Shell.PHP"],
    ("c-uri-extension", "cs-uri-extension"): ["PHP"],
    ("cs-uri-scheme",): ["https"],
    ("cs-host", "cs(Host)", "r-dns"): ["www.example.com"],
    ("c-useragent", "cs-useragent", "cs-user-agent", "cs(User-Agent)"): ["Mozilla/5.0 (X)"],
    ("c-ip", "src_ip"): ["203.0.113.66"],
}
TOLD: dict[str, tuple[str, dict[tuple[str, ...], list[str]]]] = {
    "aws.elb": (
        ALB,
        REQUEST
        | {
            ("c-uri", "cs-uri"): [
                "https://www.example.com:443/admin/Shell.PHP?cmd=id&x=%2e%2e/",
                "/admin/Shell.PHP?cmd=id&x=%2e%2e/",
            ],
            ("cs-version",): ["HTTP/1.1"],
            ("sc-status",): ["404"],
            ("cs-bytes",): ["1331"],
            ("sc-bytes",): ["7773"],
            ("source.address",): ["203.0.113.66"],
            ("c-port", "src_port"): ["10455"],
            ("destination.address", "s-ip", "dst_ip"): ["10.0.1.16"],
            ("s-port", "dst_port"): ["8080"],
        },
    ),
    "aws.waf": (
        json.dumps(WAF),
        REQUEST
        | {
            ("c-uri", "cs-uri"): ["/admin/Shell.PHP?cmd=id&x=%2e%2e/"],
            ("cs-version",): ["HTTP/2.0"],
            ("sc-status",): ["418"],
            ("cs-referer", "cs-referrer", "cs(Referer)"): ["https://search.example/?q=1"],
            ("cs-cookie", "cs(Cookie)"): ["a=1; session=Abc", "b=2"],
        },
    ),
    "aws.vpcflow": (
        FLOW,
        {
            ("source.address", "src_ip", "SourceIp"): ["203.0.113.66"],
            ("destination.address", "dst_ip", "DestinationIp"): ["10.0.1.15"],
            ("src_port", "SourcePort"): ["40150"],
            ("dst_port", "DestinationPort"): ["5551"],
        },
    ),
}
"""A line as the source writes it, and what its rules' fields are: written by hand."""


def parsed(dataset: str, log: str, registry: Registry) -> Batch:
    content = Delivered(log.encode(), Limits())
    reading = read(SourceObject("b", "k"), content, registry, Limits(), datetime(2026, 11, 1, tzinfo=UTC), dataset)
    (batch,) = [block.batch for block in reading if block.batch is not None]
    return batch


def values(dataset: str) -> dict[str, list[str]]:
    return {name: told for names, told in TOLD[dataset][1].items() for name in names}


def rules(folder: Path, conditions: dict[str, dict[str, Any]]) -> RuleSet:
    """A rule of each condition, called by its name."""
    for place, (name, selection) in enumerate(conditions.items()):
        rule = {"title": name, "name": name, "logsource": {}, "detection": {"s": selection, "condition": "s"}}
        (folder / f"{place}.yml").write_text(json.dumps(rule))
    loaded = load_rules([folder])
    assert loaded.refused == ()
    return loaded


@pytest.mark.parametrize("dataset", TOLD)
def test_every_name_of_the_table_is_told(dataset: str, registry: Registry) -> None:
    assert values(dataset).keys() == registry.parsers[dataset].fields.aliases.keys()


@pytest.mark.parametrize("dataset", TOLD)
def test_a_name_has_the_values_that_stand_in_the_log(dataset: str, registry: Registry) -> None:
    document = parsed(dataset, TOLD[dataset][0], registry).documents()[0]
    reader = Reader(registry.parsers[dataset].fields)
    assert {name: list(reader.texts(name, document)) for name in values(dataset)} == values(dataset)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dataset", TOLD)
def test_rules_find_the_values_and_no_others(dataset: str, engine: str, registry: Registry, tmp_path: Path) -> None:
    found = [(name, text) for name, told in values(dataset).items() for text in told]
    right = {f"{name} = {text}": {name: text.swapcase()} for name, text in found}
    right |= {f"{name} begins {text}": {f"{name}|startswith|cased": text[:3]} for name, text in found}
    wrong = {f"{name} is not {text}": {name: f"{text}0"} for name, text in found}
    wrong |= {f"{name} has no {text}": {f"{name}|re": f"^{text[:1]}$"} for name, text in found if text[:1].isalpha()}
    hunt = Hunt(rules(tmp_path, right | wrong), Sources.of(registry), engine)
    matches = {match.rule.key for match in hunt.batch(parsed(dataset, TOLD[dataset][0], registry))}
    assert matches == set(right)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_log_that_lacks_a_value_has_none_under_the_other_name(
    engine: str, registry: Registry, tmp_path: Path
) -> None:
    """A request that could not be read, on a load balancer; a call without query, extension and cookie, on WAF."""
    elb = ALB.replace("POST https://www.example.com:443/admin/Shell.PHP?cmd=id&x=%2e%2e/ HTTP/1.1", "- http://h:80- ")
    request = {**WAF["httpRequest"], "args": "", "uri": "/v1.2/items", "headers": []}  # type: ignore[dict-item]
    waf = json.dumps({**WAF, "httpRequest": request})
    names = ["cs-uri-query", "c-uri-extension", "cs-version", "cs-cookie"]
    asked = rules(tmp_path, {name: {f"{name}|exists": True} for name in names})
    hunt = Hunt(asked, Sources.of(registry), engine)
    assert {match.rule.key for match in hunt.batch(parsed("aws.elb", elb, registry))} == set()
    assert {match.rule.key for match in hunt.batch(parsed("aws.waf", waf, registry))} == {"cs-uri-query", "cs-version"}


@pytest.mark.parametrize("engine", ENGINES)
def test_names_can_be_compared_with_each_other(engine: str, registry: Registry, tmp_path: Path) -> None:
    conditions = {
        "the query ends the request": {"cs-uri-query|fieldref|endswith": "url.query"},
        "the cookie is the host": {"cs-cookie|fieldref": "cs-host"},
        "the host is the host": {"r-dns|fieldref": "cs-host"},
    }
    hunt = Hunt(rules(tmp_path, conditions), Sources.of(registry), engine)
    matches = {match.rule.key for match in hunt.batch(parsed("aws.waf", json.dumps(WAF), registry))}
    assert matches == {"the query ends the request", "the host is the host"}


@pytest.mark.parametrize(
    ("category", "datasets"),
    [("webserver", {"aws.elb", "aws.waf"}), ("proxy", {"aws.elb", "aws.waf"}), ("firewall", {"aws.vpcflow"})],
)
def test_a_category_is_answered_by_all_logs_of_its_kind(
    category: str, datasets: set[str], registry: Registry, tmp_path: Path
) -> None:
    (tmp_path / "a.yml").write_text(
        f"title: T\nlogsource: {{category: {category}}}\ndetection: {{s: {{c-ip: x}}, condition: s}}\n"
    )
    sources = Sources.of(registry)
    (rule,) = load_rules([tmp_path]).rules
    assert {dataset for dataset in sources.fields if sources.rules_for(dataset, [rule])} == datasets
