"""Where a link leads is for the team to say, not for whoever writes logs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from alerts import ALERT, EVIL
from hypothesis import given
from hypothesis import strategies as st

from siem.present.notify import Link, load_links

WHO = Link("Who", "https://wiki.example.com/people/{user.name}/log?q={user.name}&id={alert.id}#{rule.id}")


def test_values_are_put_in_encoded() -> None:
    one = replace(ALERT, values={"user.name": ("a b/c?d=e&f#g",)})
    part = "a%20b%2Fc%3Fd%3De%26f%23g"
    assert WHO.filled(one) == f"https://wiki.example.com/people/{part}/log?q={part}&id={ALERT.id}#root_used"


def test_a_link_without_its_value_is_left_out() -> None:
    assert Link("x", "https://a.example/{no.such}").filled(ALERT) is None
    assert Link("x", "https://a.example/").filled(ALERT) == "https://a.example/"
    assert (
        Link("x", "https://a.example/{event.id}/{first}").filled(ALERT)
        == "https://a.example/e1/2026-11-02T11%3A00%3A00Z"
    )


@given(st.sampled_from(EVIL) | st.text(min_size=1, max_size=40) | st.sampled_from([".", "..", "...", "/..", "%2e%2e"]))
def test_no_value_leads_elsewhere(text: str) -> None:
    url = WHO.filled(replace(ALERT, values={"user.name": (text,)}))
    if url is None:
        return
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "wiki.example.com", "root_used")
    assert parts.path.count("/") == 3
    assert parts.path.split("/")[2] not in (".", "..")
    assert parts.query.count("&") == 1
    assert url.isascii()
    assert url.isprintable()
    if text.isprintable():
        assert unquote(parts.path.split("/")[2]) == text


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("https://{cloud.region}.example.com/", "logs must not choose"),
        ("https://a.example:{x}/", "https://HOST"),
        ("{user.name}", "https://HOST"),
        ("javascript:alert(1)", "https://HOST"),
        ("http://a.example/", "https://HOST"),
        ("https://me:pw@a.example/", "without name and password"),
        ("https://a.example/{user.name", "braces"),
        ("https://a.example/ x", "spaces"),
        ("https://a.example/|x", "spaces"),
        (7, "https://HOST"),
    ],
)
def test_a_template_that_cannot_be_is_told_with_its_line(template: object, said: str, tmp_path: Path) -> None:
    path = tmp_path / "links.yml"
    written = f"'{template}'" if isinstance(template, str) else template
    path.write_text(f"Good: https://a.example/\nBad: {written}\n")
    found, errors = load_links(path)
    assert [link.name for link in found] == ["Good"]
    assert said in str(errors[0])
    assert (errors[0].line, errors[0].file) == (2, str(path))
