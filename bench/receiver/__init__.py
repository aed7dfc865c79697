"""What the receiver's acknowledgements cost."""
