"""Which rule for webhooks without an id reads little and misses nothing: the receiver, beside the rules it has not."""
