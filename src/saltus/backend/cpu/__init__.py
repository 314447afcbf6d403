"""The native engine. In: kernels and launch plans from `schedule`. Out: machine code and its execution on this CPU."""
