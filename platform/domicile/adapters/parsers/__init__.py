"""Files to text, in a confined child process."""
