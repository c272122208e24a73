"""A seeded corpus of WAF records of the size that a site behind five rule groups sees: about 2.5 KB each."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator
from typing import Any

import orjson

from bench.corpus_cloudtrail import ACCOUNT, hexadecimal

ACL = f"arn:aws:wafv2:ap-northeast-1:{ACCOUNT}:regional/webacl/web-acl/a1b2c3d4-5678-90ab-cdef-EXAMPLE11111"
GROUPS = ("CommonRuleSet", "SQLiRuleSet", "KnownBadInputsRuleSet", "AmazonIpReputationList", "BotControlRuleSet")
AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
    "okhttp/4.12.0",
)
PATHS = ("/", "/login", "/api/v1/items", "/static/app.js", "/search", "/cart/checkout")


def waf(events: int, seed: int = 1) -> bytes:
    """One object as WAF delivers it, gzip of a record a line, with so many records."""
    return gzip.compress(b"".join(line + b"\n" for line in records(events, seed)), 6, mtime=0)


def records(events: int, seed: int = 1) -> Iterator[bytes]:
    """The JSON of each record: 85 % allowed, 10 % blocked inside a group, 5 % by rate; labels on a fifth."""
    chance = random.Random(seed)
    for number in range(events):
        yield orjson.dumps(record(chance, 1793491200000 + number * 7))


def group(name: str, rule: str | None = None) -> dict[str, Any]:
    decided = None if rule is None else {"ruleId": rule, "action": "BLOCK", "ruleMatchDetails": None}
    return {
        "ruleGroupId": f"AWS#AWSManagedRules{name}",
        "terminatingRule": decided,
        "nonTerminatingMatchingRules": [],
        "excludedRules": None,
        "customerConfig": None,
    }


def headers(chance: random.Random) -> list[dict[str, str]]:
    trace = f"Root=1-6ae6a8da-{hexadecimal(chance, 24)}"
    pairs = {
        "host": "www.example.com",
        "user-agent": chance.choice(AGENTS),
        "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
        "accept-encoding": "gzip, deflate, br, zstd",
        "accept-language": "ja,en-US;q=0.9,en;q=0.8",
        "cookie": f"session={hexadecimal(chance, 64)}; consent=all; _ga=GA1.1.{chance.randrange(10**9)}",
        "referer": f"https://www.example.com{chance.choice(PATHS)}",
        "sec-fetch-mode": "navigate",
        "x-forwarded-for": f"198.51.100.{chance.randrange(256)}, 192.0.2.{chance.randrange(256)}",
        "x-amzn-trace-id": trace,
    }
    return [{"name": name, "value": value} for name, value in pairs.items()]


def request(chance: random.Random) -> dict[str, Any]:
    return {
        "clientIp": f"203.0.113.{chance.randrange(256)}",
        "country": chance.choice(("JP", "US", "DE", "BR", "-")),
        "headers": headers(chance),
        "uri": f"{chance.choice(PATHS)}",
        "args": f"page={chance.randrange(50)}&q={hexadecimal(chance, 8)}" if chance.random() < 0.4 else "",
        "httpVersion": "HTTP/2.0",
        "httpMethod": chance.choice(("GET", "GET", "GET", "POST")),
        "requestId": f"1-6ae6a8da-{hexadecimal(chance, 24)}",
        "fragment": "",
        "scheme": "https",
        "host": "www.example.com",
    }


def decision(chance: random.Random) -> dict[str, Any]:
    """Who decided what, and on which grounds."""
    kind = chance.choices(("allow", "group", "rate"), (85, 10, 5))[0]
    if kind == "allow":
        return {"terminatingRuleId": "Default_Action", "terminatingRuleType": "REGULAR", "action": "ALLOW"}
    if kind == "rate":
        return {"terminatingRuleId": "rate-per-address", "terminatingRuleType": "RATE_BASED", "action": "BLOCK"}
    return {"terminatingRuleId": "AWS-SQLi", "terminatingRuleType": "MANAGED_RULE_GROUP", "action": "BLOCK"}


def record(chance: random.Random, time: int) -> dict[str, Any]:
    decided = decision(chance)
    by_group, by_rate = decided["terminatingRuleId"] == "AWS-SQLi", decided["terminatingRuleType"] == "RATE_BASED"
    bot = chance.random() < 0.1
    query = {"conditionType": "SQL_INJECTION", "sensitivityLevel": "HIGH", "location": "ALL_QUERY_ARGS"}
    matched = [query | {"matchedData": [hexadecimal(chance, 6), "UNION", "SELECT"], "matchedFieldName": "id"}]
    labels = ["sql-database:SQLi_QueryArguments"] * by_group + ["bot-control:bot:category:monitoring"] * bot
    out: dict[str, Any] = {"timestamp": time, "formatVersion": 1, "webaclId": ACL} | decided
    out |= {
        "terminatingRuleMatchDetails": matched if by_group else [],
        "httpSourceName": "ALB",
        "httpSourceId": f"{ACCOUNT}-app/web-alb/50dc6c495c0c9188",
        "ruleGroupList": [
            group(name, "SQLi_QUERYARGUMENTS" if by_group and name[:3] == "SQL" else None) for name in GROUPS
        ],
        "rateBasedRuleList": [],
        "nonTerminatingMatchingRules": [],
        "requestHeadersInserted": None,
        "responseCodeSent": None,
        "httpRequest": request(chance),
    }
    if by_rate:
        rate = {"rateBasedRuleId": f"{ACL}#rate", "rateBasedRuleName": "rate-per-address", "limitKey": "IP"}
        address = out["httpRequest"]["clientIp"]
        out["rateBasedRuleList"] = [rate | {"maxRateAllowed": 100, "evaluationWindowSec": "300", "limitValue": address}]
    if labels:
        out["labels"] = [{"name": f"awswaf:managed:aws:{label}"} for label in labels]
    return out | {
        "ja3Fingerprint": hexadecimal(chance, 32),
        "ja4Fingerprint": f"t13d1516h2_{hexadecimal(chance, 12)}_{hexadecimal(chance, 12)}",
        "requestBodySize": 0,
        "requestBodySizeInspectedByWAF": 0,
    }
