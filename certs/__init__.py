"""Who may speak to the gateway, and as whom: its own certificate authority, short client certificates, revocation.

`profiles` says what a certificate may contain, `authority` signs it, `index` remembers it, `revocation` takes it back,
`verification` judges it on every request, `serving` holds the listener's TLS context. Nothing here imports the other
packages of fleetgate.
"""
