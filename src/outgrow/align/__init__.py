"""From one tokenizer's pieces to another's, by the bytes they stand for (paper 1, equations 6 and 7)."""
