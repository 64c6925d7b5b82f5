"""Random histories of members, faults and readers, and a witness who knows what each of them may have seen."""
