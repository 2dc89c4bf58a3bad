"""What the tests of the console share."""

from support.desk import desk  # noqa: F401  a fixture
