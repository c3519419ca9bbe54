"""Playing a crisis with people and bots in the seats: a pure session, opponents, review, and the server around it."""
