"""`siem worker`: messages of queues name objects, which are read, parsed, written and committed; then messages go."""
