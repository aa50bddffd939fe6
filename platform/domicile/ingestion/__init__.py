"""Parse, chunk, embed, encrypt, index and publish, as durable steps. Never goes on after a failed stage."""
