"""May this write happen, and in what shape: attributes, the plugin protocol, the chain and its plugins.

Imports only gateway.request and gateway.apimachinery. Decisions are values with a rule and a reason; nothing here
writes.
"""
