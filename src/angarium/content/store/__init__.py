"""Tables of templates, one file for each noun, one function per query."""
