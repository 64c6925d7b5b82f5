"""Changes to an object as values: JSON patch, merge patch, strategic merge patch, server-side apply. Pure."""
