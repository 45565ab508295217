"""Benchmarks of Arignote against its peers: run as ``python -m bench`` from a checkout."""
