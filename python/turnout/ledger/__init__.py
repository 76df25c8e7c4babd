"""The ledger: one row for every generation, kept in SQLite or PostgreSQL.

``record`` says what the plane books, ``store`` keeps it, ``writer`` carries it across in batches, ``query`` reads it
back, ``retention`` ends it, ``migrations`` holds the history of the schema.
"""
