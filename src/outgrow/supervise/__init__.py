"""Task to `WeakLabels`: who answers half B for the student, and how well they did where gold is known."""
