"""Looks whether a folder can be a store, and is one that works."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from pathlib import Path

from siem.errors import ConfigError, Unavailable
from siem.store import LEDGER, existing_folder, store_folder
from siem.store.checks import Check, Verdict

GIBI = 1 << 30
LITTLE, TOO_LITTLE = 10 * GIBI, GIBI
"""Free bytes: a commit writes its files beside those that are there."""


def checks(place: str) -> list[Check]:
    folder = store_folder(place)
    if not (folder / LEDGER).is_file():
        return [Check("store", Verdict.FAILURE, f"there is none at {folder}", "run `siem store init`")]
    return [writable(folder), ledger(folder), disk(folder)]


def writable(folder: Path) -> Check:
    if os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return Check("folder", Verdict.OK, f"{folder} can be written")
    return Check("folder", Verdict.FAILURE, f"{folder} cannot be written", "let this user read and write it")


def ledger(folder: Path) -> Check:
    try:
        with closing(existing_folder(folder)) as store:
            objects = sum(row.objects for row in store.stats())
    except (ConfigError, Unavailable) as error:
        return Check("ledger", Verdict.FAILURE, str(error), "see the message; the events are not touched")
    return Check("ledger", Verdict.OK, f"{objects:,} objects")


def disk(folder: Path) -> Check:
    free = shutil.disk_usage(folder).free
    said = f"{free / GIBI:,.1f} GiB are free"
    if free < LITTLE:
        verdict = Verdict.FAILURE if free < TOO_LITTLE else Verdict.WARNING
        return Check("disk", verdict, said, "free some, or move the folder to a larger disk")
    return Check("disk", Verdict.OK, said)
