"""Tables and plots in every format, independent of studies."""
