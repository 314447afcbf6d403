"""The programs beside the stored values say how these were made; they need other systems and are no tests."""

collect_ignore_glob = ["make_*.py"]
