"""One module per workload: ``groups(lab, size)`` yields what is measured alternately."""
