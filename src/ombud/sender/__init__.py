"""The mailbox whose work is an HTTP GET: endpoints, events for them, and the request itself."""
