"""The REST API and the pages of the sender."""
