"""The gateway: receives, decides, dispatches, answers; and all wiring.

Requests go down only: server -> chain -> filters and handlers -> dispatch and the decision packages -> clusters ->
storage -> cache, admission, certs -> request -> apimachinery. The contracts in pyproject.toml hold that order in CI.
"""
