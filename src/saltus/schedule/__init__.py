"""Scheduling. In: graphs. Out: groups that become kernels, their loops, and a plan of launches and memory. Knows no instruction set."""
