"""Notices on their way: made of news, and sent to channels."""
