"""How well a sender keeps endpoints apart, and how fast it is."""
