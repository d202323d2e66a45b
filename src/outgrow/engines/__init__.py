"""Programs that run a model faster than this process does: started, asked, started again, ended."""
