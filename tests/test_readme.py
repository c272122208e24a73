"""README: its commands run as they are written, and its first rule is found."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # starts many processes

ROOT = Path(__file__).parents[1]
FENCED = re.compile(r"```.*?```", re.DOTALL)
COMMAND = re.compile(r"^    (\S.*?)(?: +#.*)?$", re.MULTILINE)
FILE = re.compile(r"`(mine/[^`]+\.yml)`[^`]*```yaml\n(.*?)```", re.DOTALL)
LOG = "111122223333_CloudTrail_us-east-1_20261101T0415Z_e5yy0gloQr2kLFnJ.json.gz"

INSTEAD = {
    "make demo": "siem demo",  # it makes an environment first
    "make test": "true",  # takes minutes, and runs this
    "siem ingest s3://my-log-bucket/AWSLogs": "siem ingest samples/bucket/AWSLogs",  # a bucket of the network
    "siem worker --queue https://sqs.us-east-1.amazonaws.com/111122223333/logs": "siem worker --help",
    "siem scheduler --content mine": "siem scheduler --help",
    'siem alerts close ID --as expected --text "the yearly drill"': (
        'siem alerts close $(siem alerts list --format csv | grep -o "[0-9a-f]\\{24\\}" | tail -1)'
        ' --as expected --text "the yearly drill"'
    ),
    "siem verify s3://my-log-bucket": "siem verify samples/bucket/AWSLogs",
}
"""What runs in place of commands that need minutes or a network."""

PRINTED = {
    "siem alerts list": "Console logins guessed from one address",
    "siem store stats": "aws.cloudtrail",
    f"siem parse {LOG}": '"event.dataset":"aws.cloudtrail"',
    "siem rules check mine": "1 rules are good, 0 refused",
    "siem rules test mine": "2 cases of 1 rules, 0 failed",
    "siem hunt mine --store siem-data/demo": "The root user logged in",
}
"""What has to be in what some of them print."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder as the reader has it, with the files that the page says to write."""
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    (log,) = ROOT.glob(f"samples/bucket/**/{LOG}")
    shutil.copy(log, tmp_path)
    for name, text in FILE.findall((ROOT / "README.md").read_text()):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def printed(command: str, folder: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SIEM_")}
    script = f'siem() {{ {sys.executable} -m siem "$@"; }}\n{command}'
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, capture_output=True, check=False)
    told = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, f"{command}\n{told}"
    return told


def test_every_command_of_the_page_runs_and_finds_what_it_says(checkout: Path) -> None:
    commands = COMMAND.findall(FENCED.sub("", (ROOT / "README.md").read_text()))
    assert len(list(checkout.glob("mine/detections/*.yml"))) == 2
    assert len(commands) >= 13
    assert {*INSTEAD, *PRINTED} <= {*commands}  # none of them has left the page
    told = {command: printed(INSTEAD.get(command, command), checkout) for command in commands}
    for command, words in PRINTED.items():
        assert words in told[command], command
