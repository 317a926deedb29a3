"""The warehouse: where results are kept, what their derived numbers mean, and how a page asks for them."""
