"""What finished folders hold, read as they are: answers, labels, texts, and which step came of which."""
