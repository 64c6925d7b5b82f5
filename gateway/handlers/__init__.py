"""The endings of a request, a file an ending: read, watch, write, connect, reviews, discovery, health."""
