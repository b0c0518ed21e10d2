"""After how many canaries a swapped build is found, and how often one that was not swapped is."""
