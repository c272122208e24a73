"""accounts.yml gives accounts names and environments."""

from __future__ import annotations

from pathlib import Path

import pytest

from siem.enrich.accounts import Accounts, load_accounts
from siem.errors import ContentError

TEXT = """\
"123456789012":
  name: shop
  environment: Production
  ou: Workloads/Shop
  security: {owner: payments, level: 3}
210987654321: {name: sandbox}
012345678901:
001234567012: {name: octal, environment: staging}
"""


def loaded(tmp_path: Path, text: str) -> tuple[Accounts, list[ContentError]]:
    (tmp_path / "accounts.yml").write_text(text)
    return load_accounts(tmp_path / "accounts.yml")


def test_accounts_have_names_and_environments(tmp_path: Path) -> None:
    accounts, errors = loaded(tmp_path, TEXT)
    assert errors == []
    assert (accounts.name("123456789012"), accounts.environment("123456789012")) == ("shop", "production")
    assert accounts.known["123456789012"].security == {"owner": "payments", "level": 3}
    assert (accounts.name("210987654321"), accounts.environment("210987654321")) == ("sandbox", None)
    assert (accounts.name("999999999999"), accounts.environment("999999999999")) == (None, None)
    assert accounts.environments == {"production", "staging"}


@pytest.mark.parametrize("id_", ["012345678901", "001234567012"])
def test_an_id_without_quotes_keeps_its_zeros(tmp_path: Path, id_: str) -> None:
    accounts, _ = loaded(tmp_path, TEXT)
    assert id_ in accounts.known


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("210987654321", "21098765432", 6, "`21098765432` is no account: an id has 12 digits; it has 11"),
        ("210987654321", "1_234_567_890_12", 6, "an id has 12 digits"),
        ("210987654321", "１23456789012", 6, "an id has 12 digits"),
        ("210987654321", "123456789012", 6, "stands twice"),
        ("{name: sandbox}", "{name: 7}", 6, "`name` must be a text; 7 is none"),
        ("{name: sandbox}", "{environment: no}", 6, "`environment` must be a text; False is none"),
        ("{name: sandbox}", "[sandbox]", 6, "an account is a mapping"),
        ("environment", "env", 3, "an account has no `env`"),
        ("{owner: payments, level: 3}", "payments", 5, "`security` must be a mapping"),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_the_other_accounts_stay(
    tmp_path: Path, old: str, new: str, line: int, said: str
) -> None:
    accounts, (error,) = loaded(tmp_path, TEXT.replace(old, new, 1))
    assert (error.line, said in error.message) == (line, True), error.message
    assert accounts.name("001234567012") == (None if "twice" in said else "octal")


@pytest.mark.parametrize("text", ["", "# none yet\n"])
def test_an_empty_file_names_nobody(tmp_path: Path, text: str) -> None:
    assert loaded(tmp_path, text) == (Accounts(), [])


def test_two_ids_that_are_one_number_are_told(tmp_path: Path) -> None:
    _, (error,) = loaded(tmp_path, "123456789012:\n12_3456789012:\n")
    assert "put ids into quotes" in error.message


@pytest.mark.parametrize("text", ["- a\n", "{}\n---\n{}\n"])
def test_a_file_that_is_no_mapping_is_told(tmp_path: Path, text: str) -> None:
    _, (error,) = loaded(tmp_path, text)
    assert "the file must be one mapping" in error.message
