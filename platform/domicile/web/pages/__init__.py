"""Server-rendered pages. Everything works without script except streaming."""
