"""More than one process on one port.

The core process reads members, writes, keeps the audit log and is a whole gateway by itself. Each worker ends TLS for
its share of the connections and answers reads of Pods and Events from a copy of the merged view that the core tells it
step by step; whatever else it is asked it hands on to the core. See docs/decisions/010-worker-processes.md.
"""
