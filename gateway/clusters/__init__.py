"""Member clusters: which there are, how each is reached and with which credentials, and whether it answers.

The registry follows Karmada's Cluster objects (and a file of kubeconfig contexts) and keeps one Upstream for each
member; everything that talks to an API server other than our own does so through an Upstream.
"""
