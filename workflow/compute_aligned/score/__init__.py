"""What samples amount to: answers, votes, rewards, metrics."""
