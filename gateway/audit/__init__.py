"""Who did what, and what became of it: durable audit.k8s.io/v1 events, an intent before each write, its outcome after.

A write whose intent is not on disk is not applied. Nothing here decides whether a request is allowed.
"""
