"""Kafka, PostgreSQL and Valkey as child processes in a data folder."""
