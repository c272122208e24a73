"""What a team keeps beside its rules, as files that may be there or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from siem.run.team import team_accounts, team_calendar, team_tuning

LOADS = {"settings": team_tuning, "accounts": team_accounts, "calendar": team_calendar}
TEXTS = {
    "settings": "rules: {one: {enabled: false}}",
    "accounts": '"123456789012": {name: shop}',
    "calendar": "{zone: UTC, hours: {monday: 09:00-18:00}}",
}


@pytest.mark.parametrize("name", LOADS)
def test_a_file_that_is_missing_is_no_error(tmp_path: Path, name: str) -> None:
    assert LOADS[name](tmp_path)[1] == []


@pytest.mark.parametrize("name", LOADS)
@pytest.mark.parametrize("suffix", [".yml", ".yaml"])
def test_a_link_to_nothing_and_a_folder_are_files_that_cannot_be_read(tmp_path: Path, name: str, suffix: str) -> None:
    file = (tmp_path / name).with_suffix(suffix)
    file.symlink_to(tmp_path / "nowhere")
    (told,) = LOADS[name](tmp_path)[1]
    assert (told.file, told.message) == (str(file), "cannot be read: No such file or directory")
    file.unlink()
    file.mkdir()
    assert [one.message for one in LOADS[name](tmp_path)[1]] == ["cannot be read: Is a directory"]


@pytest.mark.parametrize("name", LOADS)
def test_of_two_files_the_one_that_is_not_used_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.yml").write_text(TEXTS[name])
    alone, wrong = LOADS[name](tmp_path)
    (tmp_path / f"{name}.yaml").write_text("")
    assert wrong == []
    found, (told,) = LOADS[name](tmp_path)
    assert found == alone
    assert (told.file, told.message) == (
        str(tmp_path / f"{name}.yaml"),
        f"{name}.yml is there too, and is used: keep one of them",
    )
