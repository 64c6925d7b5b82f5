"""May this caller do this: attributes and decisions, RBAC, and the store's SubjectAccessReview."""
