"""Runs ministack until its standard input ends: also when whoever started it was killed.

python aws_server.py PORT
"""

from __future__ import annotations

import os
import sys
import threading


def end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    os.environ |= {
        "GATEWAY_PORT": sys.argv[1],
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "IOT_MTLS_ENABLED": "0",  # else it listens on 8883, on all addresses
        "LOG_LEVEL": "ERROR",
    }
    sys.argv = ["ministack"]
    threading.Thread(target=end_with_input, daemon=True).start()
    from ministack.app import main

    main()
