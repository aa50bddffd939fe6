"""The HTTP service: controllers, guards, problem details and pages. Holds no SQL, no cryptography and no rules."""
