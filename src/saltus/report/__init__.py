"""Layer of reports. In: the folder of a run. Out: one self-contained page on it."""
