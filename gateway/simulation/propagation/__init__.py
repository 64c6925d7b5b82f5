"""What the controllers of a federation do, as far as a demo needs it: Deployments go out, their status comes back.

Speaks to the gateway and to the members by their APIs alone, with credentials of its own, as such controllers would:
division.py and aggregation.py decide, informer.py follows objects, member_propagator.py and propagator.py write.
"""
