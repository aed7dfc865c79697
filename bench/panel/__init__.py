"""How fast the panel and the REST API answer over what is stored."""
