"""`gatepost mail`, and what `doctor` and `serve` say of mail."""
