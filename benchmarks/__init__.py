"""One script a question; each prints and writes its figures as JSON with the machine named."""
