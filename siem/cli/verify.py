"""`siem verify`: is everything that reached the bucket in the store, and is it what was delivered?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from siem.cli import options
from siem.cli.output import Format, chosen, plain, progress, results, table, tell, write
from siem.config import Settings
from siem.detect.judgement import Judgement
from siem.errors import ConfigError, UsageError
from siem.prove.anchor import anchor_of
from siem.prove.place import Bucket, Place, place_of
from siem.prove.proof import Proof, Verdict, overall
from siem.prove.seals import seal
from siem.run.content import fingerprints
from siem.run.team import tuned_set
from siem.store import existing_store

if TYPE_CHECKING:
    from siem.run.verify import Kept

PROOFS = ("proof", "verdict", "counted")
FINDINGS = ("proof", "kind", "key", "said")
SEALED = ("number", "sealed", "counts", "previous", "items")


def command(
    place: Annotated[
        str | None,
        typer.Argument(
            metavar="[PLACE]", help="s3://BUCKET[/PREFIX], or a folder that mirrors it; none: the store alone."
        ),
    ] = None,
    public_keys: Annotated[
        Path | None, typer.Option("--public-keys", metavar="FILE", help="JSON of `aws cloudtrail list-public-keys`.")
    ] = None,
    bucket: Annotated[
        str | None, typer.Option("--bucket", help="The bucket that a folder mirrors; if not given, one of its name.")
    ] = None,
    inventory: Annotated[
        str | None,
        typer.Option("--inventory", metavar="MANIFEST", help="S3 Inventory in place of a listing: its manifest.json."),
    ] = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read and hash every object, whatever its listing says.")
    ] = False,
    make_seal: Annotated[
        bool, typer.Option("--seal", help="Seal what came since the last seal, and prove nothing.")
    ] = False,
    store: options.StoreOption = None,
    content: options.ContentOption = None,
    form: options.FormatOption = None,
) -> int:
    """Prove that nothing was lost or changed: a verdict per proof, findings by their keys. Exit code 1: findings."""
    from siem.run.verify import keys, verify  # cryptography takes 0.02 s to import, which only this command needs

    settings = options.settings(store, content)
    if make_seal:
        return seal_now(place, settings, form)
    there = listed_by(inventory, place_of(place, settings, bucket), settings) if place is not None else None
    known = keys(public_keys)
    with ExitStack() as stack:
        kept = compared_with(settings, stack, needed=there is None)
        shown = stack.enter_context(progress())
        task = shown.add_task("listing")
        proofs = verify(
            there, known, kept, options.now(), deep, lambda said: shown.update(task, description=plain(said))
        )
    told(place, proofs, form)
    return 1 if overall(proofs) is Verdict.FINDINGS else 0


def listed_by(manifest: str | None, place: Place, settings: Settings) -> Place:
    """The place, as an inventory lists it if there is one.

    Raises:
        UsageError: the place is a folder.
        ConfigError: the inventory is none of this bucket.
    """
    if manifest is None:
        return place
    if not isinstance(place, Bucket):
        raise UsageError("--inventory is for buckets: a folder is listed as it is")
    from siem.prove.inventory import inventory  # only it needs Parquet

    return inventory(manifest, place, settings)


def compared_with(settings: Settings, stack: ExitStack, needed: bool) -> Kept | None:
    """The store; None where none is named and there is none: digests can be checked without.

    Raises:
        ConfigError: the one that is named, or needed, is not there.
    """
    from siem.run.verify import Kept

    try:
        store = stack.enter_context(closing(existing_store(settings)))
    except ConfigError:
        if needed or "store" in settings.model_fields_set:
            raise
        return None
    rules = tuned_set(options.rules(None, settings.content), settings.content)
    judgement = Judgement(rules, options.sources(settings.content), options.circumstances(settings))
    anchor = anchor_of(settings.verify.anchor, settings.access_to) if settings.verify.anchor else None
    return Kept(store, options.registry(settings.content), judgement, settings.limits, fingerprints(rules), anchor)


def seal_now(place: str | None, settings: Settings, form: Format | None) -> int:
    """Seal, and say what was sealed.

    Raises:
        UsageError: a place is given.
        ConfigError: there is no store, or no anchor is set.
    """
    if place is not None:
        raise UsageError("--seal seals what the store has: it takes no place")
    if settings.verify.anchor is None:
        raise ConfigError("verify.anchor: name a folder or s3://BUCKET/PREFIX for seals")
    rules = tuned_set(options.rules(None, settings.content), settings.content)
    with closing(existing_store(settings)) as kept:
        made = seal(kept, fingerprints(rules), anchor_of(settings.verify.anchor, settings.access_to), options.now())
    write([{**asdict(made), "counts": dict(made.counts)}], SEALED, form)
    return 0


def told(place: str | None, proofs: Sequence[Proof], form: Format | None) -> None:
    """The proofs, on stdout."""
    form = chosen(form)
    if form is Format.CSV:
        raise UsageError("this is no list: it has no form csv")
    if form is Format.TABLE:
        in_words(proofs)
    else:
        write(lines(place, proofs), (), form, lambda rows: whole(place, proofs))


def in_words(proofs: Sequence[Proof]) -> None:
    counted = [{"proof": p.name, "verdict": p.verdict.value, "counted": words(p.counts)} for p in proofs]
    results().print(table(counted, PROOFS))
    if findings := [asdict(finding) for proof in proofs for finding in proof.findings]:
        results().print()
        results().print(table(findings, FINDINGS))
    for proof in proofs:
        for kind, count in proof.more.items():
            tell(f"{proof.name}: {count:,} more of {kind}")
        for note in proof.notes:
            tell(f"{proof.name}: {note}")


def words(counts: Any) -> str:
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items())


def whole(place: str | None, proofs: Sequence[Proof]) -> dict[str, Any]:
    """One document for an auditor."""
    return {
        "place": place,
        "verdict": overall(list(proofs)).value,
        "proofs": [summary(proof) for proof in proofs],
        "findings": [asdict(finding) for proof in proofs for finding in proof.findings],
    }


def summary(proof: Proof) -> dict[str, Any]:
    own = {"proof": proof.name, "verdict": proof.verdict.value, "counts": dict(proof.counts)}
    return {**own, "found": dict(proof.kinds), "notes": proof.notes}


def lines(place: str | None, proofs: Sequence[Proof]) -> Iterator[dict[str, Any]]:
    """A line per proof, then one per finding."""
    for proof in proofs:
        yield {"type": "verdict", "place": place, **summary(proof)}
    for proof in proofs:
        for finding in proof.findings:
            yield {"type": "finding", **asdict(finding)}
