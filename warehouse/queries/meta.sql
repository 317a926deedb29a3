-- One row for the whole warehouse: the version of the tables, and of the project that made them.
from meta
