"""What finishes what a write begins: controllers that kube-apiserver has itself or leaves to kube-controller-manager.

Each follows the store's events, keeps a list of work, and writes through the registry like any client; none holds a
lock, so every one of them may find its object changed and try again.
"""
