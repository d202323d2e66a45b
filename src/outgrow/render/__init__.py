"""Tables and plots in every format. Nothing here knows what a study is."""
