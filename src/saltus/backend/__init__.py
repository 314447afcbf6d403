"""Engines that run graphs. In: graphs and plans. Out: callables on arrays. Know nothing of Tensor, networks or training."""
