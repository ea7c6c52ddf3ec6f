"""OCSF 1.6.0 events: findings about sessions, and what was done in them."""
