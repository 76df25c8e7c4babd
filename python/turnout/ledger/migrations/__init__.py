"""The history of the ledger's schema. Each file under ``versions`` is one step; there is exactly one newest."""
