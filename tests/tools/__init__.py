"""Tools that derive the tables and golden data from the Kubernetes API types; they need Go and are not run by tests."""
