"""What people get to see of alerts and events."""
