"""The database: SQLAlchemy over SQLite or PostgreSQL."""
