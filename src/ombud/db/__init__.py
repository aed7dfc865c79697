"""The database, as little of it as possible: operations in, rows out. No meaning lives here."""
