"""Which objects an embedded store takes: the rules of the built-in kinds and of structural schemas. Pure."""
