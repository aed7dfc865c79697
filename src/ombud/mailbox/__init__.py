"""The durable log of work: what must be done, by whom, when, and what came of each try. Read this room first."""
