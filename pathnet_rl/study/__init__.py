"""The digit study: is a first path worth searching for? Many repeats of two tasks, told in their uncertainty."""
