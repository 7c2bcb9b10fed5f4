"""The reference model: what a correct platform decides, and the replay of a book against it."""
