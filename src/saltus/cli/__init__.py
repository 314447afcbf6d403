"""The command line. In: words. Out: files, text, exit codes. The top layer; heavy modules load in the command that needs them."""
