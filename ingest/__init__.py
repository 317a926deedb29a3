"""Files in, warehouse out: find them, recognise their format, check every row, load the good ones, say what was refused."""
