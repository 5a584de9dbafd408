"""The public account of data uses: what is told of each project, and in which form."""
