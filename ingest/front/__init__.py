"""What is in a file, whatever its compression, encoding and dialect. Knows no format of anybody's results."""
