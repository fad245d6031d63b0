"""The web application of `docproc review`: browse pages with their boxes, search, correct, accept."""
