"""docs/settings.md names every setting, its variable and its default."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel

from siem.config import Settings, span

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"


def settings(model: type[BaseModel], above: str = "") -> dict[str, object]:
    """Every setting by its dotted name, and its default."""
    found: dict[str, object] = {}
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found |= settings(field.annotation, f"{above}{name}.")
        else:
            found[above + name] = field.default
    return found


def written(value: object) -> str:
    match value:
        case None:
            return "none"
        case timedelta():
            return span(value)
        case _:
            return str(value)


def test_the_page_names_every_setting_its_variable_and_its_default() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \| `?([^`|]+?)`? \|", PAGE.read_text(), re.MULTILINE)
    told = {name: default for name, _, default in rows}
    assert told == {name: written(value) for name, value in settings(Settings).items()}
    assert [variable for _, variable, _ in rows] == [
        f"SIEM_{name.upper().replace('.', '__')}" for name in settings(Settings)
    ]
