"""`make results`: what single commands reach on real data; writes docs/results.md."""
