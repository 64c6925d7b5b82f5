"""The embedded store: a small, real Kubernetes API registry on SQLite; our own objects, the truth.

Two layers. Below, `interface.py` and `sqlite*.py` keep objects as bytes under revisions, durably. Above,
`registry.py` and its neighbours give them Kubernetes' meaning. Several instances may live in one process: the
federation store, and the simulated members. Nothing in here knows HTTP.
"""
