"""Files in, warehouse out: recognise each file, check every row, load the good ones, say what was refused."""
