"""The local stack, killed and started again."""
