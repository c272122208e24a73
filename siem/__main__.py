"""`python -m siem` is `siem`."""

from siem.cli import main

main()
