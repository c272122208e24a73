"""AWS's errors in our words."""

from __future__ import annotations

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
)

from siem.errors import ConfigError, Denied, Gone, SiemError, Unavailable, UsageError

GONE = frozenset(
    {
        *("404", "NoSuchKey", "NoSuchVersion", "NoSuchBucket"),
        "MethodNotAllowed",  # a delete marker
        *("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"),
    }
)
DENIED = frozenset(
    {
        *("403", "AccessDenied", "AllAccessDisabled", "AccessDeniedException"),
        "InvalidObjectState",  # archived
    }
)

PASSING = frozenset({"KMS.ThrottlingException", "KMS.InternalException", "KMS.KeyUnavailableException"})
"""Of KMS, what another try may change; the rest is about rights, or a key that is gone."""


def in_our_words(error: BotoCoreError | ClientError, what: str) -> SiemError:
    """What an error of AWS means for whoever asked. Unknown ones may pass: they are worth another try."""
    if isinstance(error, NoCredentialsError | PartialCredentialsError | ProfileNotFound):
        return ConfigError(f"{what}: {error}; set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    if isinstance(error, ParamValidationError):
        return UsageError(f"{what}: {error}")
    if not isinstance(error, ClientError):
        return Unavailable(f"{what}: {error}")
    problem = error.response.get("Error", {})
    code = str(problem.get("Code", ""))
    told = f"{what}: {problem.get('Message') or 'refused'} ({code})"
    if code in GONE:
        return Gone(told)
    if code in DENIED or (code.startswith("KMS.") and code not in PASSING):
        return Denied(told)
    return Unavailable(told)


def of_settings(error: BotoCoreError | ClientError, what: str) -> SiemError:
    """The same of something that settings name: if it is not there, or not for us, they are wrong."""
    problem = in_our_words(error, what)
    return ConfigError(str(problem)) if isinstance(problem, Denied | Gone) else problem
