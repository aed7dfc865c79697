"""Words for people, and the place where everything is wired together."""
