"""A storm: hundreds of informers, lists without a pause, and churn in the members; and whether all saw the truth."""
