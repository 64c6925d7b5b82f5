"""Carrying a request to another API server as its caller: headers, streams, upgraded connections, guarded writes.

What is sent is rebuilt from what was authorised; the gateway's own identity is never lent to a caller.
"""
