"""`fleetgate demo`: a gateway with simulated member clusters on this machine, for trying things out.

member/ is a member cluster in a process of its own: an embedded API server with controllers and a kubelet that only
pretend to run containers. propagation/ divides Deployments over the members, as the controllers of a federation would,
and demo.py starts, joins and ends everything. Nothing here is used by `fleetgate serve`, and nothing that a Pod names
is ever run on this machine.
"""
