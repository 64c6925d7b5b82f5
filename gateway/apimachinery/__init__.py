"""The floor: Kubernetes' words as values. Pure, and imports nothing of ours."""
