"""Passes. In: a graph. Out: an equal graph that costs less to run. Knows no arrays, engines or Tensors."""
