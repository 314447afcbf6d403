"""Graphs. In: op records and nodes. Out: immutable, hash-consed graphs in readable form. Knows no arrays, engines or Tensors."""
