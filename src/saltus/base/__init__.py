"""Layer 0. In: nothing of the project. Out: errors, dtypes, trees, settings, call sites. Knows nothing of graphs or arrays."""
