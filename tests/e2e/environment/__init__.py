"""The real test environment: a federation and member clusters as control planes of real Kubernetes programs.

`build` makes the programs once into a cache, `controlplane` and `fleet` start them on loopback, `seed` fills them with
nodes and Pods, `up` does all of it by hand. Nothing here knows fleetgate, and nothing of fleetgate is imported.
"""
