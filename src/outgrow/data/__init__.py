"""Tasks: what is asked, of which items, and which of them belong to which half of a study."""
