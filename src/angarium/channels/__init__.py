"""One file a kind of transport; the folder is scanned, nothing is registered by hand."""
