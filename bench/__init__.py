"""Measures Gatepost beside its peers and its limits: `make bench`, explained in docs/performance.md."""
