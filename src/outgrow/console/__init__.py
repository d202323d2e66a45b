"""What a person sees in a terminal: progress, plans, items, recipes, the state of the machine."""
