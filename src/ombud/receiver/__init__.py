"""The mailbox whose work is reading what a webhook is about, and calling your function once per real change."""
