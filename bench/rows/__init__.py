"""The rows of the table: a file measures one kind of work."""
