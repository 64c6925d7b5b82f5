"""The rules, one file each; order.py lists them."""
