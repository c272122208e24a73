"""The contract's assertions explain themselves as those of test modules do."""

import pytest

pytest.register_assert_rewrite(
    "siem.testing.store_contract",
    "siem.testing.judging_contract",
    "siem.testing.searching_contract",
    "siem.testing.reparsing_contract",
    "siem.testing.scheduling_contract",
    "faulty",
)
