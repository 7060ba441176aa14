"""What framemeter's speed is measured with: `python -m benchmarks`; never part of the product."""
