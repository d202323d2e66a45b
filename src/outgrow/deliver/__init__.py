"""From votes that somebody has to what they take away: labels, a trained student, a card that tells how."""
