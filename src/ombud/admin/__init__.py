"""What a person may ask or do. Answers are documents in the shape of the REST API, for the web and the CLI alike."""
