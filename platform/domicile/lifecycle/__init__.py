"""How long things are kept, and what may not go: legal holds, retention. Nothing here is exempt from policy."""
