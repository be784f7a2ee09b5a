"""report.html: the results to look at and listen to."""
