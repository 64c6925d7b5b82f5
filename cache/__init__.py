"""Copies of member-cluster objects, never the truth: reflectors, the merged view, gateway-issued resourceVersions.

Imports only gateway.apimachinery. What is served from here must be authorised by the caller of this package.
"""
