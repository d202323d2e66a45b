"""Texts by language models, in this process or behind a server: chats, decoding, scoring of given texts."""
