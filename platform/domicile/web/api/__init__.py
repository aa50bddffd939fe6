"""The native REST interface below ``/v1``, and the operators' endpoints beside it."""
