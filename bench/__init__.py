"""fleetgate beside a real kube-apiserver, over the same objects, in one run: docs/benchmarks.md."""
