"""The cluster itself: requests to it, who we are, and how it is prepared and looked after."""
