"""End-to-end tests: fleetgate among real kube-apiservers, kubectl, Helm and client-go programs."""
