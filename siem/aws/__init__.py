"""The one importer of boto3: S3, SQS and CloudTrail as we need them, who signs requests, and AWS's errors in our words.

Endpoint, region and credentials come from `AWS_ENDPOINT_URL` and the other `AWS_*` variables, as boto3 reads them.
"""

from siem.aws.clients import credentials
from siem.aws.cloudtrail import public_keys
from siem.aws.s3 import S3, Listed
from siem.aws.sqs import Message, Queue

__all__ = ["S3", "Listed", "Message", "Queue", "credentials", "public_keys"]
