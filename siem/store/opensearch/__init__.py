"""Events, ledger, signals and alerts in OpenSearch. docs/decisions/0014 says how a commit is one document."""
