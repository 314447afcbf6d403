"""Graphs. In: op records and nodes. Out: immutable, hash-consed graphs. Knows no arrays, engines or Tensors."""
