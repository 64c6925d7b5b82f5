"""A simulated member cluster: `python -m gateway.simulation.member`.

The API is the gateway's own embedded server (storage, RBAC, handler chain) over TLS with its own certificate authority;
beside it run the controllers that a cluster has. What becomes of Pods is decided by the pure modules (scheduling,
containers, pod_lifecycle, replica_sets, deployments, jobs); kubelet.py and workload_controllers.py carry it out.
"""
