"""Compare two files that runs have written, by what they mean and not only by their bytes."""
