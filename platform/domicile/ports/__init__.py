"""What the use cases need of the world, as Protocols. Holds no code, names no vendor, accepts no dict filters."""
