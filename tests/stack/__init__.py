"""The Kafka, PostgreSQL and Valkey that tests run on."""
