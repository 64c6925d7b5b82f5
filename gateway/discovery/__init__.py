"""What APIs exist: discovery documents and OpenAPI of what is served and allowed."""
