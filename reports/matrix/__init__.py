"""From records and planned cells to the matrix that the page shows: groups, rows, labels, and what is missing."""
