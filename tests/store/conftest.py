"""The assertions of what tests share explain themselves as those of test modules do."""

import pytest

pytest.register_assert_rewrite("faulty")
