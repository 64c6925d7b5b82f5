"""What an object gets that its author left out: the defaults of built-in kinds and of structural schemas. Pure."""
