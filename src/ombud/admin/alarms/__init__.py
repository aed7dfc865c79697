"""Alarms: what is wrong, judged from what is stored, and told to people once."""
