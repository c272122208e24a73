"""Proof that nothing was lost: bucket, ledger and store compared, CloudTrail's digests checked, days sealed."""
