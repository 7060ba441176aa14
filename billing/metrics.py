"""What the biller process measures about itself."""

from prometheus_client import CollectorRegistry, Counter, Histogram


class BillerMetrics:
    """Counters and timings of one biller process, in a registry of its own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.events = Counter(
            "framemeter_biller_events", "Usage events read into the ledger", registry=registry
        )
        self.batches = Counter("framemeter_biller_batches", "Batches committed", registry=registry)
        self.charged_millitokens = Counter(
            "framemeter_biller_charged_millitokens", "Millitokens charged", registry=registry
        )
        self.unbillable = Counter(
            "framemeter_biller_unbillable",
            "Events that nobody can be charged for",
            registry=registry,
        )
        self.claims = Counter(
            "framemeter_biller_claims",
            "Claims of partitions, each a start or a recovery",
            registry=registry,
        )
        self.delay_seconds = Histogram(
            "framemeter_biller_delay_seconds",
            "From a usage event's emission to its commit in the ledger, newest of each batch",
            buckets=(0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 15, 60, 600),
            registry=registry,
        )
        self.expired_sessions = Counter(
            "framemeter_biller_expired_sessions",
            "Sessions ended by the janitor",
            registry=registry,
        )
        self.sealed_transfers = Counter(
            "framemeter_biller_sealed_transfers",
            "Transfers added to the hash chain",
            registry=registry,
        )
        self.balances_told = Counter(
            "framemeter_biller_balances_told",
            "Balances published by the relay",
            registry=registry,
        )
        self.alerts_told = Counter(
            "framemeter_biller_alerts_told", "Alerts published by the relay", registry=registry
        )
        self.webhook_attempts = Counter(
            "framemeter_biller_webhook_attempts",
            "Deliveries to webhooks by outcome: delivered, failed (to be tried again), gave_up",
            ["outcome"],
            registry=registry,
        )
