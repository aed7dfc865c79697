"""What the mailbox does in a second, durably and without any HTTP, beside the same work a row at a time."""
