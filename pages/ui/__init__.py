"""What pages are made of. Nothing here is a page."""
