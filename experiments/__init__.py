"""One script for each published table or figure, and for the pictures of the documentation."""
