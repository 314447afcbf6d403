"""Graphs. In: op records and nodes. Out: immutable graphs. Knows no arrays, engines or Tensors."""
