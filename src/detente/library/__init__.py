"""Published games with their published answers, and the rules of alliance restraint."""
