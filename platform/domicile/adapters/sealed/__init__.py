"""The vector index that everybody else knows: a point store behind the tenants' keys."""
