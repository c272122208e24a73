"""A seeded corpus of CloudTrail records of the size that accounts with roles and TLS details see: about 1.8 KB each."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator
from typing import Any

import orjson

ACCOUNT = "111122223333"
CALLS = (  # service, action, share, parameters
    ("s3", "GetObject", 20, "object"),
    ("s3", "PutObject", 10, "object"),
    ("sts", "AssumeRole", 14, "role"),
    ("kms", "Decrypt", 12, "key"),
    ("ec2", "DescribeInstances", 10, "filter"),
    ("ec2", "RunInstances", 2, "instances"),
    ("ec2", "AuthorizeSecurityGroupIngress", 2, "ingress"),
    ("dynamodb", "GetItem", 8, "table"),
    ("logs", "CreateLogStream", 8, "stream"),
    ("ssm", "UpdateInstanceInformation", 8, "agent"),
    ("iam", "ListRoles", 6, None),
)
AGENTS = (
    "Boto3/1.35.54 md/Botocore#1.35.54 ua/2.0 os/linux#6.1.112 md/arch#x86_64 lang/python#3.11.10 md/pyimpl#CPython",
    "aws-sdk-java/2.29.6 Linux/6.1.112 OpenJDK_64-Bit_Server_VM/21.0.5 Java/21.0.5 vendor/Amazon.com_Inc. io/sync",
    "aws-cli/2.18.14 md/awscrt#0.22.0 ua/2.0 os/linux#6.8.0 md/arch#x86_64 lang/python#3.12.6 cfg/retry-mode#standard",
    "APN/1.0 HashiCorp/1.0 Terraform/1.9.8 (+https://www.terraform.io) terraform-provider-aws/5.74.0",
)


def cloudtrail(events: int, seed: int = 1) -> bytes:
    """One object as CloudTrail delivers it, gzip of `{"Records":[...]}`, with so many records."""
    return gzip.compress(b'{"Records":[' + b",".join(records(events, seed)) + b"]}", 6, mtime=0)


def records(events: int, seed: int = 1) -> Iterator[bytes]:
    """The JSON of each record."""
    chance = random.Random(seed)
    people = [identity(chance) for _ in range(200)]
    weights = [call[2] for call in CALLS]
    for number in range(events):
        yield orjson.dumps(record(chance, people, weights, 1793491200 + number // 20))


def hexadecimal(chance: random.Random, digits: int) -> str:
    return f"{chance.getrandbits(4 * digits):0{digits}x}"


def uuid(chance: random.Random) -> str:
    text = hexadecimal(chance, 32)
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def identity(chance: random.Random) -> dict[str, Any]:
    name = f"service-{chance.randrange(60)}"
    session = f"i-{hexadecimal(chance, 17)}"
    role = f"AROA{hexadecimal(chance, 10).upper()}EXAMPLE"
    return {
        "type": "AssumedRole",
        "principalId": f"{role}:{session}",
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{session}",
        "accountId": ACCOUNT,
        "accessKeyId": f"ASIA{hexadecimal(chance, 10).upper()}EXAMPLE",
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": role,
                "arn": f"arn:aws:iam::{ACCOUNT}:role/{name}",
                "accountId": ACCOUNT,
                "userName": name,
            },
            "attributes": {"creationDate": "2026-11-01T00:00:00Z", "mfaAuthenticated": "false"},
        },
    }


def parameters(chance: random.Random, form: str | None) -> tuple[Any, Any]:
    """requestParameters and responseElements."""
    one = hexadecimal(chance, 17)
    match form:
        case "object":
            key = f"exports/2026/11/01/{one}.parquet"
            host = "example-data.s3.ap-northeast-1.amazonaws.com"
            return {"bucketName": "example-data", "Host": host, "key": key}, None
        case "role":
            token = hexadecimal(chance, 200)
            arn = f"arn:aws:iam::{ACCOUNT}:role/service-{chance.randrange(60)}"
            credentials = {"accessKeyId": f"ASIA{one.upper()}", "sessionToken": token, "expiration": "Nov 1, 2026"}
            user = {"assumedRoleId": f"AROAEXAMPLE:{one}", "arn": f"{arn}/{one}"}
            asked = {"roleArn": arn, "roleSessionName": one, "durationSeconds": 3600}
            return asked, {"credentials": credentials, "assumedRoleUser": user}
        case "key":
            context = {"aws:s3:arn": f"arn:aws:s3:::example-data/{one}"}
            return {"encryptionContext": context, "encryptionAlgorithm": "SYMMETRIC_DEFAULT"}, None
        case "filter":
            filters = [{"name": "instance-state-name", "valueSet": {"items": [{"value": "running"}]}}]
            return {"maxResults": 100, "instancesSet": {}, "filterSet": {"items": filters}}, None
        case "instances":
            item = {"instanceId": f"i-{one}", "imageId": "ami-0123456789abcdef0", "instanceType": "t3.micro"}
            return {"instancesSet": {"items": [{"minCount": 1, "maxCount": 1}]}}, {"instancesSet": {"items": [item]}}
        case "ingress":
            rule = {
                "ipProtocol": "tcp",
                "fromPort": 443,
                "toPort": 443,
                "ipRanges": {"items": [{"cidrIp": "10.0.0.0/8"}]},
            }
            return {"groupId": f"sg-{one}", "ipPermissions": {"items": [rule]}}, {"_return": True}
        case "table":
            return {"tableName": "sessions", "key": {"id": one}}, None
        case "stream":
            return {"logGroupName": "/aws/lambda/example", "logStreamName": f"2026/11/01/[$LATEST]{one}"}, None
        case "agent":
            return {"instanceId": f"i-{one}", "agentVersion": "3.3.987.0", "platformType": "Linux"}, None
    return None, None


def record(chance: random.Random, people: list[dict[str, Any]], weights: list[int], second: int) -> dict[str, Any]:
    service, action, _, form = chance.choices(CALLS, weights)[0]
    asked, answered = parameters(chance, form)
    day, rest = divmod(second - 1793491200, 86_400)
    failed = chance.random() < 0.03
    out: dict[str, Any] = {
        "eventVersion": "1.11",
        "userIdentity": chance.choice(people),
        "eventTime": f"2026-11-{day + 1:02d}T{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}Z",
        "eventSource": f"{service}.amazonaws.com",
        "eventName": action,
        "awsRegion": "ap-northeast-1",
        "sourceIPAddress": f"10.{chance.randrange(4)}.{chance.randrange(256)}.{chance.randrange(1, 255)}",
        "userAgent": chance.choice(AGENTS),
    }
    if failed:
        out |= {"errorCode": "AccessDenied", "errorMessage": f"User is not authorized to perform: {service}:{action}"}
    out |= {"requestParameters": asked, "responseElements": answered}
    if service in ("s3", "kms"):
        out["additionalEventData"] = {
            "SignatureVersion": "SigV4", "CipherSuite": "TLS_AES_128_GCM_SHA256", "bytesTransferredIn": 0,
            "AuthenticationMethod": "AuthHeader", "x-amz-id-2": hexadecimal(chance, 76), "bytesTransferredOut": 1024,
        }  # fmt: skip
    out |= {"requestID": uuid(chance), "eventID": uuid(chance), "readOnly": action.startswith(("Get", "List", "Desc"))}
    if service in ("s3", "kms", "sts"):
        arn = f"arn:aws:{service}:ap-northeast-1:{ACCOUNT}:{uuid(chance)}"
        out["resources"] = [{"accountId": ACCOUNT, "type": f"AWS::{service.upper()}::Object", "ARN": arn}]
    return out | {
        "eventType": "AwsApiCall",
        "managementEvent": service not in ("s3", "dynamodb"),
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management" if service not in ("s3", "dynamodb") else "Data",
        "tlsDetails": {
            "tlsVersion": "TLSv1.3",
            "cipherSuite": "TLS_AES_128_GCM_SHA256",
            "clientProvidedHostHeader": f"{service}.ap-northeast-1.amazonaws.com",
        },
    }
