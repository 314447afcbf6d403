"""How it is measured: worker processes, interleaved rounds, the report. Knows nothing of any system."""
