"""Password hashing, and the system clock."""
