"""The results as a paper prints them: what is in a table, its words and digits, and the formats it is written in."""
