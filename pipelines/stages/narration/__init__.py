"""A film's narrator: what is said over each scene, bought while the clips are made."""
