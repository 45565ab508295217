"""Tests of the benchmarks; none of them times anything."""
