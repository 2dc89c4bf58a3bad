"""What an author should know of some wording before anybody reads it: findings, each with its remedy."""
