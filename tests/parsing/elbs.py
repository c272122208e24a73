"""What the tests of the load balancer parser share: one sound line of each form, and a key that tells each form."""

from __future__ import annotations

from typing import cast

from elb_reference import tokens
from flows import Outcome, outcome

from siem.parsing import Form, Headerless
from siem.run.content import load_registry

PARSER = cast("Headerless", load_registry(None)[0].parsers["aws.elb"])
FORMS: dict[str, Form] = {form.name: form for form in PARSER.forms}

FOLDER = "AWSLogs/111122223333/elasticloadbalancing/ap-northeast-1/2026/11/01/"
NAME = "111122223333_elasticloadbalancing_ap-northeast-1_"
KEYS = {
    "alb": f"{FOLDER}{NAME}app.web.50dc6c495c0c9188_20261101T0405Z_192.0.2.15_x.log.gz",
    "alb_connection": f"{FOLDER}conn_log.{NAME}app.web.50dc6c495c0c9188_20261101T0405Z_192.0.2.15_x.log.gz",
    "alb_health_check": f"{FOLDER}health_check_log_{NAME}app.web.50dc6c495c0c9188_20261101T0405Z_192.0.2.15_x.log.gz",
    "nlb": f"{FOLDER}{NAME}net.edge.c6e77e28c25b2234_20261101T0405Z_x.log.gz",
    "clb": f"{FOLDER}{NAME}legacy-clb_20261101T0405Z_192.0.2.15_x.log",
}
TIME = "2026-11-01T04:00:21.431662Z"
LINES = {
    "alb": f"h2 {TIME} app/web/50dc6c495c0c9188 198.51.100.110:40524 10.0.1.15:8080 0.000 0.289 0.000 200 200 700 7681 "
    '"GET https://www.example.com:443/a?b=c HTTP/2.0" "curl/8.9.1" TLS_AES_128_GCM_SHA256 TLSv1.3 arn:tg '
    '"Root=1-6ae6b955-2a10e0c5de3fb5abd88ee3c6" "www.example.com" "arn:cert" 0 2026-11-01T04:00:21.232662Z "forward" '
    '"-" "-" "10.0.1.15:8080" "200" "-" "-" TID_d3344be1665bc2fbb7ad67685dba61e4 "-" "-" "-"',
    "alb_connection": f'{TIME} 198.51.100.1 49428 443 TLSv1.3 TLS_AES_128_GCM_SHA256 0.126 "CN=a b,O=Inc" '
    "NotBefore=2026-01-01T00:00:00Z;NotAfter=2027-01-01T00:00:00Z d0 Failed:ClientCertExpired TID_1f2b X25519MLKEM768",
    "alb_health_check": f"https {TIME} 1.121980746 172.31.31.9:443 HealthCheckLogsTestTG FAIL 502 TargetError",
    "nlb": "tls 2.0 2026-11-01T04:00:02 net/edge/c6e77e28c25b2234 g3d4b5e8bb8464cd 2001:db8:10::1d:25179 10.0.2.21:443 "
    "7097 49 2030 10902 - arn:cert - TLS_AES_256_GCM_SHA384 tlsv13 X25519 edge.example.com h2 h2 "
    '"h2","http/1.1" 2026-11-01T04:00:02',
    "clb": f"{TIME} legacy-clb 198.51.100.112:3516 10.0.1.16:8080 0.000073 0.001048 0.000057 200 200 223 2353 "
    '"GET https://www.example.com:443/ HTTP/1.1" "Mozilla/5.0 (X11; Linux x86_64)" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2',
}


def balanced(*lines: str, form: str = "alb", key: str | None = None) -> Outcome:
    """An object of these lines."""
    return outcome("\n".join([*lines, ""]).encode(), KEYS[form] if key is None else key, parser=PARSER)


def changed(form: str, **columns: str) -> str:
    """The line of a form with other texts in some columns (`-` and `:` in names as `_`)."""
    names, quoted = FORMS[form].columns, FORMS[form].quoted
    texts = tokens(LINES[form], bool(quoted)) or []
    row = dict(zip(names, texts, strict=True))
    for name in names:
        row[name] = columns.get(name.replace(":", "_"), row[name])
    return " ".join(f'"{text}"' if name in quoted else text for name, text in row.items())
