"""Alembic environment and revisions; the statements are in `billing/sql/migrations`."""
