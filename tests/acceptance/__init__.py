"""Whole processes on real services; some of them are killed."""
