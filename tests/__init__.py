"""Tests of fleetgate: a mirror of its packages, and e2e/ against real programs."""
