"""Gateways alone over fleets of many sizes: how memory and time grow with Pods and members."""
