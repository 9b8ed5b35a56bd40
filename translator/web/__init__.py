"""The page that translates in a browser, and its API."""
