"""Models behind servers: requests, limits, the response cache, and fine-tuning by a provider."""
