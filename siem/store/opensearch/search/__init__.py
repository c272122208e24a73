"""What packs of clauses find, in order, in bounded memory."""
