"""What crosses a process boundary: messages, topics, Kafka clients, clock, errors, telemetry.

Everything else may import this package; it imports none of ours.
"""
