"""Where root keys are held, and the ring of tenant keys and data keys below them."""
