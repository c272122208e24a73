"""All proofs of a place, in one pass over its listing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from siem.config import Settings
from siem.prove.keys import Asked, Given, Keys, keys_in
from siem.prove.place import place_of
from siem.prove.proof import Proof
from siem.prove.trails import Trails

TOLD_EVERY = 10_000
"""Keys between two words on how far the listing is."""


def keys(file: Path | None) -> Keys:
    """The public keys of a file, or those that CloudTrail is asked for.

    Raises:
        ConfigError: the file is something else.
    """
    if file is not None:
        return Given(keys_in(file))

    def ask(region: str, since: datetime, until: datetime) -> list[dict[str, object]]:
        from siem.aws import public_keys  # boto3 takes 0.25 s to import

        return public_keys(region, since, until)

    return Asked(ask)


def verify(
    text: str, settings: Settings, known: Keys, now: datetime, progress: Callable[[str], None] = lambda said: None
) -> list[Proof]:
    """The proofs of a place, one after the other.

    Raises:
        UsageError: it is no place.
        ConfigError, Unavailable: bucket or store cannot be read.
    """
    own = Path(settings.store).expanduser().resolve()  # the store's own files are no logs
    place = place_of(text, settings.limits, own)
    trails = Trails(place, known)
    for number, (source, _) in enumerate(place.listed()):
        if number % TOLD_EVERY == 0:
            progress(f"listing: {number:,} objects")
        trails.see(source.key)
    progress("digests")
    return [trails.prove()]
