"""`framemeter demo`: the whole system on this machine, from real footage to a proven bill.

Every role is a process of its own on a real Kafka, PostgreSQL and Valkey. What it prints at the
end is read from the ledger, not counted along the way.
"""
