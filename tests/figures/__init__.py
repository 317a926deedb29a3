"""The figures of the documents, out of the rows that ship.

A sentence of a document that is made of shipped rows carries a mark, `<!-- rows: NAME -->`; the figure of that name says in which words its
numbers stand there. `python -m tests.figures` looks for the words and says which sentence changed and what it says now; `--write` puts the
new numbers in. A test does the same without writing, so that a sentence whose number no longer follows from the rows fails.
"""

from tests.figures import against_vllm, documents, every_prompt_once, neighbours, readme, repeated
from tests.figures.marked import Figure

FIGURES: tuple[Figure, ...] = (
    *readme.FIGURES,
    *repeated.FIGURES,
    *documents.FIGURES,
    *against_vllm.FIGURES,
    *every_prompt_once.FIGURES,
    Figure(neighbours.table_of_neighbours, documents.MEASUREMENT, "| setup, one card |"),
    Figure(neighbours.reach_of_neighbours, documents.MEASUREMENT),
)
