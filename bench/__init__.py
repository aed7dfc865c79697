"""The speeds that are claimed, to be measured by anyone: `python -m bench`."""
