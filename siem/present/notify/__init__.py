"""Notifications: what each channel of a team is to hear of alerts, and how it is said. Nothing here sends anything."""

from siem.present.notify.links import Link, load_links
from siem.present.notify.making import Sort, Standing, keys, made
from siem.present.notify.message import Past, Words
from siem.present.notify.reading import load_notify
from siem.present.notify.secrets import Secret
from siem.present.notify.team import UTC, Channel, Kind, Notify, Target

__all__ = [
    "UTC",
    "Channel",
    "Kind",
    "Link",
    "Notify",
    "Past",
    "Secret",
    "Sort",
    "Standing",
    "Target",
    "Words",
    "keys",
    "load_links",
    "load_notify",
    "made",
]
