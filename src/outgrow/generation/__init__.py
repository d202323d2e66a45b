"""Text generation by language models, in this process or behind a server, and scoring of given texts."""
