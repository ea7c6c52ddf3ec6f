"""Attack patterns: made from the event log, kept in PostgreSQL with pgvector, asked for by whoever wants to know."""
